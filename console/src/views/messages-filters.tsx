/** Which records: where to begin, and conditions. They take effect together, in the URL. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { asked, call, hrefOf } from '../api.ts'
import { type FilterName, filterNames } from '../router.tsx'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { Menu } from '../ui/menu.tsx'
import { Bar } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import css from './messages.module.css'
import { queryOf } from './messages-stream.ts'

const here = getRouteApi('/topics/$topic/messages')

/** `offset:42` → [`offset`, `42`]. */
function parts(from: string): [kind: string, value: string] {
  const [kind = 'newest', value = ''] = from.split(/:(.*)/)
  if (kind !== 'time') return [kind, value]
  const at = new Date(Number(value))
  // datetime-local has no zone: it is that of who looks.
  return [kind, new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)]
}

type Conditions = Record<FilterName, string>

export function Filters({ again }: { again: () => void }) {
  const { topic } = here.useParams()
  const { open: _, ...wanted } = here.useSearch()
  const { from = 'newest', partition, live = false } = wanted
  const navigate = useNavigate({ from: '/topics/$topic/messages' })
  const info = useQuery(asked('GET /topics/:topic', { params: { topic } }))
  const [[kind, value], setPlace] = useState(() => parts(from))
  const [conditions, setConditions] = useState(() => Object.fromEntries(filterNames.map(name => [name, wanted[name] ?? ''])) as Conditions)
  const isSpecial = filterNames.some(name => name !== 'contains' && conditions[name] !== '')
  const [more, setMore] = useState(isSpecial)
  const change = (changes: Record<string, unknown>) =>
    void navigate({ search: before => ({ ...before, open: undefined, ...changes }) as never })
  const set = (name: FilterName, to: string) => setConditions({ ...conditions, [name]: to })
  const search = (event: FormEvent) => {
    event.preventDefault()
    const place = kind === 'offset' ? `offset:${value || 0}` : kind === 'time' ? `time:${new Date(value).getTime()}` : kind
    const given = Object.fromEntries(filterNames.map(name => [name, conditions[name] || undefined]))
    const isSame = place === from && filterNames.every(name => wanted[name] === given[name])
    if (isSame && !live) return again()
    change({ from: place === 'newest' ? undefined : place, ...given })
  }
  const choose = (next: string) => {
    setPlace([next, ''])
    if (next === 'newest' || next === 'oldest') change({ from: next === 'newest' ? undefined : next, live: undefined })
  }
  return (
    <form onSubmit={search}>
      <Bar>
        <Select aria-label="From" value={kind} onChange={event => choose(event.target.value)} disabled={live}>
          <option value="newest">Newest first</option>
          <option value="oldest">From the oldest</option>
          <option value="offset">From an offset</option>
          <option value="time">From a time</option>
        </Select>
        {kind === 'offset' && (
          <Input
            aria-label="Offset"
            inputMode="numeric"
            pattern="\d{1,19}"
            placeholder="offset"
            value={value}
            onChange={event => setPlace([kind, event.target.value])}
            required
          />
        )}
        {kind === 'time' && (
          <Input
            aria-label="Time"
            type="datetime-local"
            step={1}
            value={value}
            onChange={event => setPlace([kind, event.target.value])}
            required
          />
        )}
        <Select
          aria-label="Partition"
          value={partition ?? ''}
          onChange={event => change({ partition: event.target.value === '' ? undefined : Number(event.target.value) })}
        >
          <option value="">All partitions</option>
          {info.data?.partitions.map(each => (
            <option key={each.partition} value={each.partition}>
              Partition {each.partition}
            </option>
          ))}
        </Select>
        <Input
          type="search"
          aria-label="Filter"
          placeholder="Key, value or header contains…"
          className={css['contains'] ?? ''}
          value={conditions.contains}
          onChange={event => set('contains', event.target.value)}
        />
        <Button aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? '− Filters' : '+ Filters'}
        </Button>
        <Button type="submit">Search</Button>
        <Button kind={live ? 'main' : 'plain'} aria-pressed={live} onClick={() => change({ live: live ? undefined : true })}>
          {live ? '■ Live' : '▶ Live'}
        </Button>
        <FilterMenu topic={topic} />
      </Bar>
      {more && <MoreFilters conditions={conditions} set={set} />}
    </form>
  )
}

const serdeNames = ['avro', 'jsonschema', 'protobuf', 'json', 'text', 'hex', 'base64', 'msgpack', 'cbor', 'kafka']

function MoreFilters({ conditions, set }: { conditions: Conditions; set: (name: FilterName, to: string) => void }) {
  const text = (name: FilterName, label: string, placeholder: string, wide = false) => (
    <div className={wide ? css['wide'] : undefined}>
      <Field label={label}>
        {id => (
          <Input
            id={id}
            className={css['code'] ?? ''}
            placeholder={placeholder}
            value={conditions[name]}
            onChange={event => set(name, event.target.value)}
          />
        )}
      </Field>
    </div>
  )
  const serde = (name: 'key' | 'value', label: string) => (
    <Field label={label}>
      {id => (
        <Select id={id} value={conditions[name]} onChange={event => set(name, event.target.value)}>
          <option value="">as they look</option>
          {serdeNames.map(each => (
            <option key={each}>{each}</option>
          ))}
        </Select>
      )}
    </Field>
  )
  return (
    <fieldset className={css['more']}>
      <legend className={css['legend']}>All of these must hold</legend>
      {text('cel', 'CEL', 'value.total > 100 && headers.region == "eu"', true)}
      {text('path', 'JSON path in the value', '$.items[*].sku')}
      {text('pathIs', 'is', 'anything')}
      {text('header', 'Header', 'name')}
      {text('headerHas', 'contains', 'anything')}
      {serde('key', 'Decode keys')}
      {serde('value', 'Decode values')}
    </fieldset>
  )
}

/** Saved filters, and what is found as a file. */
function FilterMenu({ topic }: { topic: string }) {
  const { open: _open, live: _live, ...wanted } = here.useSearch()
  const [shown, setShown] = useState<'save' | 'saved' | null>(null)
  const queries = useQueryClient()
  const refresh = () => queries.invalidateQueries({ queryKey: ['GET /topics/:topic/filters'] })
  const file = (form: 'ndjson' | 'csv') => hrefOf('GET /topics/:topic/messages.:form', { params: { topic, form }, query: queryOf(wanted) })
  const close = () => setShown(null)
  return (
    <>
      <Menu
        trigger="Save ▾"
        groups={[
          [
            { title: 'All that match, as NDJSON', href: file('ndjson') },
            { title: 'All that match, as CSV', href: file('csv') },
          ],
          [
            { title: 'Save this filter for all…', onSelect: () => setShown('save') },
            { title: 'Saved filters…', onSelect: () => setShown('saved') },
          ],
        ]}
      />
      <SaveFilter topic={topic} wanted={wanted} open={shown === 'save'} onOpenChange={close} done={refresh} />
      <Dialog title={`Saved filters of ${topic}`} open={shown === 'saved'} onOpenChange={close} wide>
        <SavedFilters topic={topic} close={close} refresh={refresh} />
      </Dialog>
    </>
  )
}

function SavedFilters({ topic, close, refresh }: { topic: string; close: () => void; refresh: () => Promise<void> }) {
  const navigate = useNavigate({ from: '/topics/$topic/messages' })
  const saved = useQuery(asked('GET /topics/:topic/filters', { params: { topic } }))
  const use = (query: string) => {
    close()
    void navigate({ search: Object.fromEntries(new URLSearchParams(query)) as never })
  }
  const remove = async (name: string) => {
    await call('DELETE /topics/:topic/filters/:name', { params: { topic, name } })
    await refresh()
  }
  if (saved.isPending) return <Loading rows={2} />
  if (saved.isError) return <Failed error={saved.error} retry={() => void saved.refetch()} />
  if (saved.data.filters.length === 0) return <Empty title="No filter of this topic has been saved" />
  return (
    <div className={css['saved']}>
      <Table
        label="Saved filters"
        heads={['Filter', 'Saved by', 'Use', 'Forget']}
        rows={saved.data.filters.map(({ name, query, by }) => [
          <span key="name" title={query}>
            {name}
          </span>,
          by,
          <Button key="use" small onClick={() => use(query)}>
            Use
          </Button>,
          <Button key="forget" small onClick={() => void remove(name)}>
            Forget
          </Button>,
        ])}
      />
    </div>
  )
}

interface SaveProps {
  topic: string
  wanted: object
  open: boolean
  onOpenChange: () => void
  done: () => Promise<void>
}

function SaveFilter({ topic, wanted, open, onOpenChange, done }: SaveProps) {
  const [name, setName] = useState('')
  const save = async () => {
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined)
    const query = String(new URLSearchParams(given.map(([key, value]) => [key, String(value)])))
    await call('POST /topics/:topic/filters', { params: { topic }, body: { name, query } })
    await done()
    onOpenChange()
  }
  return (
    <Dialog title="Save this filter" open={open} onOpenChange={onOpenChange}>
      <DialogForm onSubmit={save} action="Save" disabled={name === ''}>
        <Field label="Name" hint={`All who may read ${topic} see it, under “Save”.`}>
          {id => <Input id={id} value={name} maxLength={100} onChange={event => setName(event.target.value)} autoFocus />}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
