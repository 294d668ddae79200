/** The configuration of a topic. What a key means, and how it is written, is what the broker says of it. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { Button, Check, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { type Column, Grid } from '../ui/grid.tsx'
import { Bar } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import css from './config.module.css'

type Entry = Output<'GET /topics/:topic/config'>['entries'][number]

const here = getRouteApi('/topics/$topic/config')

/** Kafka's names of sources, in words. */
const sources: Record<string, string> = {
  DYNAMIC_TOPIC_CONFIG: 'this topic',
  DYNAMIC_BROKER_CONFIG: 'one broker',
  DYNAMIC_DEFAULT_BROKER_CONFIG: 'all brokers',
  STATIC_BROKER_CONFIG: 'configuration of the broker',
  DEFAULT_CONFIG: 'default',
}

const columns: readonly Column<Entry>[] = [
  { id: 'name', title: 'Key', width: 'minmax(150px, 1fr)', mono: true, cell: ({ name }) => name },
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
    width: '180px',
    wideOnly: true,
    cell: ({ source }) => (source === 'DYNAMIC_TOPIC_CONFIG' ? <strong>this topic</strong> : (sources[source] ?? source)),
  },
]

function shownValue({ value, sensitive }: Entry): string {
  if (sensitive) return '(hidden)'
  return value === null || value === '' ? '–' : value
}

export function Config() {
  const { topic } = here.useParams()
  const { search = '', all = false } = here.useSearch()
  const navigate = useNavigate({ from: '/topics/$topic/config' })
  const [chosen, setChosen] = useState<Entry | null>(null)
  const info = useQuery(asked('GET /topics/:topic', { params: { topic } }))
  const mayChange = info.data?.may?.includes('ALTER_CONFIGS') ?? true
  const config = useQuery(asked('GET /topics/:topic/config', { params: { topic } }))
  if (config.isPending) return <Loading />
  if (config.isError) return <Failed error={config.error} retry={() => void config.refetch()} />
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
          onChange={event =>
            void navigate({ replace: true, search: before => ({ ...before, search: event.target.value || undefined }) as never })
          }
        />
        <Check
          label={`Defaults, too (${config.data.entries.length - changed})`}
          checked={all}
          onChange={checked => void navigate({ replace: true, search: before => ({ ...before, all: checked || undefined }) as never })}
        />
      </Bar>
      {entries.length === 0 ? (
        <Empty title={search === '' ? 'All keys have their defaults' : 'No key contains this'}>
          {search === '' && (
            <Button onClick={() => void navigate({ replace: true, search: { all: true } as never })}>
              Show all {config.data.entries.length} keys
            </Button>
          )}
        </Empty>
      ) : (
        <Grid
          label={`Configuration of ${topic}`}
          columns={columns}
          count={entries.length}
          rowAt={index => entries[index]}
          keyOf={index => entries[index]!.name}
          onOpen={setChosen}
        />
      )}
      {chosen !== null && <Change key={chosen.name} topic={topic} entry={chosen} mayChange={mayChange} close={() => setChosen(null)} />}
    </>
  )
}

const numbers = new Set(['INT', 'SHORT', 'LONG'])

interface ChangeProps {
  topic: string
  entry: Entry
  mayChange: boolean
  close: () => void
}

function Change({ topic, entry, mayChange, close }: ChangeProps) {
  const { name, type, source, documentation, readOnly, sensitive } = entry
  const [value, setValue] = useState(sensitive ? '' : (entry.value ?? ''))
  const queries = useQueryClient()
  const save = async (to: string | null) => {
    await call('PATCH /topics/:topic/config', { params: { topic }, body: { changes: { [name]: to } } })
    await queries.invalidateQueries({ queryKey: ['GET /topics/:topic/config'] })
    close()
  }
  return (
    <Dialog title={name} open onOpenChange={close}>
      <DialogForm onSubmit={() => save(value)} action="Save" disabled={readOnly || !mayChange || value === entry.value}>
        {documentation !== null && <p>{documentation}</p>}
        <p className={css['source']}>
          {type.toLowerCase()} · from: {sources[source] ?? source}
        </p>
        <Field label="Value">
          {id =>
            type === 'BOOLEAN' ? (
              <Select id={id} value={value} onChange={event => setValue(event.target.value)}>
                <option>true</option>
                <option>false</option>
              </Select>
            ) : (
              <Input
                id={id}
                value={value}
                inputMode={numbers.has(type) ? 'numeric' : 'text'}
                type={type === 'PASSWORD' ? 'password' : 'text'}
                onChange={event => setValue(event.target.value)}
                autoFocus
              />
            )
          }
        </Field>
        {!mayChange && (
          <p className={css['source']}>Changing it needs the operation ALTER_CONFIGS on {topic}, which you have not been given.</p>
        )}
        {mayChange && source === 'DYNAMIC_TOPIC_CONFIG' && <Reset reset={() => save(null)} />}
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
