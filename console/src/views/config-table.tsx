/** The configuration of something: what differs from the defaults, or all. What a key means, and how it is written, is what the broker says of it. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { asked, call, type Input as InputOf, type Output } from '../api.ts'
import { Button, Check, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { type Column, Grid } from '../ui/grid.tsx'
import { Bar } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import css from './config.module.css'

type Resource = InputOf<'GET /config/:kind/:name'>['params']
type Entry = Output<'GET /config/:kind/:name'>['entries'][number]

/** Kafka's names of sources, in words. */
const sources: Record<string, string> = {
  DYNAMIC_TOPIC_CONFIG: 'this topic',
  DYNAMIC_BROKER_CONFIG: 'this broker (dynamic)',
  DYNAMIC_DEFAULT_BROKER_CONFIG: 'all brokers (dynamic)',
  DYNAMIC_BROKER_LOGGER_CONFIG: 'logger',
  DYNAMIC_CLIENT_METRICS_CONFIG: 'this subscription',
  DYNAMIC_GROUP_CONFIG: 'this group',
  STATIC_BROKER_CONFIG: 'configuration of the broker',
  DEFAULT_CONFIG: 'default',
}

/** Which values can be taken back here. */
const ownSources: Record<Resource['kind'], readonly string[]> = {
  topics: ['DYNAMIC_TOPIC_CONFIG'],
  brokers: ['DYNAMIC_BROKER_CONFIG', 'DYNAMIC_DEFAULT_BROKER_CONFIG'],
  groups: ['DYNAMIC_GROUP_CONFIG'],
  'client-metrics': ['DYNAMIC_CLIENT_METRICS_CONFIG'],
}

const columns: readonly Column<Entry>[] = [
  { id: 'name', title: 'Key', width: 'minmax(150px, 1fr)', mono: true, cell: ({ name }) => <span title={name}>{name}</span> },
  {
    id: 'value',
    title: 'Value',
    width: 'minmax(110px, 1fr)',
    mono: true,
    cell: entry => <span title={entry.value ?? ''}>{shownValue(entry)}</span>,
  },
  {
    id: 'source',
    title: 'From',
    width: '240px',
    wideOnly: true,
    cell: ({ source }) => (source.startsWith('DYNAMIC') ? <strong>{sources[source] ?? source}</strong> : (sources[source] ?? source)),
  },
]

function shownValue({ value, sensitive }: Pick<Entry, 'value' | 'sensitive'>): string {
  if (sensitive) return '(hidden)'
  return value === null || value === '' ? '–' : value
}

interface ConfigTableProps {
  of: Resource
  label: string
  /** What the URL says. */
  search: string
  all: boolean
  onSearch: (search: string | undefined, all: boolean | undefined) => void
  /** null: nobody says whether it may be changed, so that it is tried. */
  may: readonly string[] | null
}

export function ConfigTable({ of, label, search, all, onSearch, may }: ConfigTableProps) {
  const [chosen, setChosen] = useState<Entry | null>(null)
  const mayChange = may?.includes('ALTER_CONFIGS') ?? true
  const config = useQuery(asked('GET /config/:kind/:name', { params: of }))
  if (config.isPending) return <Loading />
  if (config.isError) {
    const where = of.kind === 'topics' ? `topic ${of.name}` : of.kind === 'groups' ? `group ${of.name}` : 'cluster'
    return <Failed error={config.error} retry={() => void config.refetch()} needs={`DESCRIBE_CONFIGS on the ${where}`} />
  }
  const changed = config.data.entries.filter(each => each.source !== 'DEFAULT_CONFIG').length
  const entries = config.data.entries.filter(
    each =>
      (all || search !== '' || each.source !== 'DEFAULT_CONFIG') &&
      `${each.name} ${each.documentation}`.toLowerCase().includes(search.toLowerCase()),
  )
  return (
    <>
      <Bar>
        <Input
          type="search"
          aria-label="Search keys"
          placeholder="Key or description contains…"
          value={search}
          onChange={event => onSearch(event.target.value || undefined, all || undefined)}
        />
        <Check
          label={`Defaults, too (${config.data.entries.length - changed})`}
          checked={all}
          onChange={checked => onSearch(search || undefined, checked || undefined)}
        />
      </Bar>
      {entries.length === 0 ? (
        <Empty title={search === '' ? 'All keys have their defaults' : 'No key contains this'}>
          {search === '' && config.data.entries.length > 0 && (
            <Button onClick={() => onSearch(undefined, true)}>Show all {config.data.entries.length} keys</Button>
          )}
        </Empty>
      ) : (
        <Grid
          label={label}
          columns={columns}
          count={entries.length}
          rowAt={index => entries[index]}
          keyOf={index => entries[index]!.name}
          onOpen={setChosen}
        />
      )}
      {chosen !== null && <Change key={chosen.name} of={of} entry={chosen} mayChange={mayChange} close={() => setChosen(null)} />}
    </>
  )
}

const numbers = new Set(['INT', 'SHORT', 'LONG'])

interface ChangeProps {
  of: Resource
  entry: Entry
  mayChange: boolean
  close: () => void
}

function Change({ of, entry, mayChange, close }: ChangeProps) {
  const { name, type, source, documentation, readOnly, sensitive, synonyms } = entry
  const [value, setValue] = useState(sensitive ? '' : (entry.value ?? ''))
  const queries = useQueryClient()
  const save = async (to: string | null) => {
    await call('PATCH /config/:kind/:name', { params: of, body: { changes: { [name]: to } } })
    await queries.invalidateQueries({ queryKey: ['GET /config/:kind/:name'] })
    close()
  }
  return (
    <Dialog title={name} open onOpenChange={close} wide={synonyms.length > 1}>
      <DialogForm onSubmit={() => save(value)} action="Save" disabled={readOnly || !mayChange || value === entry.value}>
        {documentation !== null && <p>{documentation}</p>}
        <p className={css['source']}>
          {type.toLowerCase()} · from: {sources[source] ?? source}
          {readOnly && ' · it cannot be changed while the broker runs'}
        </p>
        <Field label="Value">
          {id =>
            type === 'BOOLEAN' ? (
              <Select id={id} value={value} disabled={readOnly} onChange={event => setValue(event.target.value)}>
                <option>true</option>
                <option>false</option>
              </Select>
            ) : (
              <Input
                id={id}
                value={value}
                readOnly={readOnly}
                inputMode={numbers.has(type) ? 'numeric' : 'text'}
                type={type === 'PASSWORD' ? 'password' : 'text'}
                onChange={event => setValue(event.target.value)}
                autoFocus
              />
            )
          }
        </Field>
        {synonyms.length > 1 && (
          <Table
            label="What it would be otherwise"
            heads={['From, the first one counts', 'Key', 'Value']}
            rows={synonyms.map(each => [
              sources[each.source] ?? each.source,
              <code key="name">{each.name}</code>,
              <code key="value">{shownValue({ ...each, sensitive })}</code>,
            ])}
          />
        )}
        {!mayChange && <p className={css['source']}>Changing it needs the operation ALTER_CONFIGS, which you have not been given.</p>}
        {mayChange && !readOnly && ownSources[of.kind].includes(source) && <Reset reset={() => save(null)} />}
      </DialogForm>
    </Dialog>
  )
}

function Reset({ reset }: { reset: () => Promise<void> }) {
  const [error, setError] = useState<string | null>(null)
  return (
    <p>
      <Button small onClick={() => void reset().catch((refused: Error) => setError(refused.message))}>
        Back to the default
      </Button>{' '}
      {error}
    </p>
  )
}
