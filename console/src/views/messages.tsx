/** The records of a topic: by offset, by time, the newest, or live; filtered; one of them in the drawer. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { asked } from '../api.ts'
import { bytes, count, time, utc } from '../format.ts'
import { Button, Input, Select } from '../ui/button.tsx'
import { type Column, Grid } from '../ui/grid.tsx'
import { Bar } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { Drawer } from './drawer.tsx'
import css from './messages.module.css'
import { type Messages as Found, type ShownRecord, useMessages } from './messages-stream.ts'

const here = getRouteApi('/topics/$topic/messages')

const columns: readonly Column<ShownRecord>[] = [
  {
    id: 'time',
    title: 'Time',
    width: '184px',
    mono: true,
    wideOnly: true,
    cell: row => <span title={utc(row.timestamp)}>{time(row.timestamp)}</span>,
  },
  { id: 'partition', title: 'P', width: '44px', right: true, mono: true, cell: row => row.partition },
  { id: 'offset', title: 'Offset', width: 'minmax(84px, 112px)', right: true, mono: true, cell: row => count(row.offset) },
  { id: 'key', title: 'Key', width: 'minmax(56px, 1fr)', mono: true, cell: row => <Bytes bytes={row.key} none="no key" /> },
  { id: 'value', title: 'Value', width: 'minmax(120px, 4fr)', mono: true, cell: row => <Bytes bytes={row.value} none="tombstone" /> },
]

const mostInRow = 300

function Bytes({ bytes: shown, none }: { bytes: ShownRecord['value']; none: string }) {
  if (shown === null) return <span className={css['none']}>{none}</span>
  if (shown.form === 'base64') return <span className={css['none']}>{`${bytes(shown.bytes)} of binary data`}</span>
  return <>{shown.text.slice(0, mostInRow)}</>
}

const idOf = ({ partition, offset }: ShownRecord) => `${partition}:${offset}`

export function Messages() {
  const { topic } = here.useParams()
  const { from = 'newest', partition, contains = '', live = false, open } = here.useSearch()
  const navigate = useNavigate({ from: '/topics/$topic/messages' })
  const { messages, stop, again, more } = useMessages({ topic, from, partition, contains, live })
  const { records, state, error } = messages
  const show = (id: string | undefined) => void navigate({ replace: true, search: before => ({ ...before, open: id }) as never })
  return (
    <div className={css['messages']}>
      <Filters key={`${from} ${partition} ${contains} ${live}`} onAgain={again} />
      <div className={css['both']}>
        <div className={css['list']}>
          {state === 'failed' && records.length === 0 ? (
            <Failed error={error!} retry={again} />
          ) : records.length > 0 ? (
            <Grid
              label={`Records of ${topic}`}
              columns={columns}
              count={records.length}
              rowAt={index => records[index]}
              keyOf={index => idOf(records[index]!)}
              onOpen={row => show(idOf(row))}
              isOpen={row => idOf(row) === open}
            />
          ) : (
            <NoRecords topic={topic} contains={contains} live={live} running={state === 'running'} />
          )}
          <Status messages={messages} live={live} stop={stop} more={more} />
        </div>
        {open !== undefined && (
          <Drawer topic={topic} place={open} known={records.find(each => idOf(each) === open)} close={() => show(undefined)} />
        )}
      </div>
    </div>
  )
}

function NoRecords({ topic, contains, live, running }: { topic: string; contains: string; live: boolean; running: boolean }) {
  if (live)
    return (
      <Empty title="Waiting for records">
        <p>What is produced from now on appears here.</p>
        <Command text={`echo '{"hello": "world"}' | millrace produce ${topic}`} />
      </Empty>
    )
  if (running) return <Loading />
  if (contains !== '') return <Empty title="No record contains this" />
  return (
    <Empty title="There are no records here">
      <p>Produce one with the button above, or from a terminal:</p>
      <Command text={`echo '{"hello": "world"}' | millrace produce ${topic}`} />
    </Empty>
  )
}

/** `offset:42` → [`offset`, `42`]. */
function parts(from: string): [kind: string, value: string] {
  const [kind = 'newest', value = ''] = from.split(/:(.*)/)
  if (kind !== 'time') return [kind, value]
  const at = new Date(Number(value))
  // datetime-local has no zone: it is that of who looks.
  return [kind, new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)]
}

function Filters({ onAgain }: { onAgain: () => void }) {
  const { topic } = here.useParams()
  const { from = 'newest', partition, contains = '', live = false } = here.useSearch()
  const navigate = useNavigate({ from: '/topics/$topic/messages' })
  const info = useQuery(asked('GET /topics/:topic', { params: { topic } }))
  const [kind, setKind] = useState(parts(from)[0])
  const [value, setValue] = useState(parts(from)[1])
  const [text, setText] = useState(contains)
  const change = (changes: Record<string, unknown>) =>
    void navigate({ search: before => ({ ...before, open: undefined, ...changes }) as never })
  const search = (event: FormEvent) => {
    event.preventDefault()
    const place = kind === 'offset' ? `offset:${value || 0}` : kind === 'time' ? `time:${new Date(value).getTime()}` : kind
    if (place === from && text === contains && !live) return onAgain()
    change({ from: place === 'newest' ? undefined : place, contains: text === '' ? undefined : text, live: undefined })
  }
  const choose = (next: string) => {
    setKind(next)
    setValue('')
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
            onChange={event => setValue(event.target.value)}
            required
          />
        )}
        {kind === 'time' && (
          <Input aria-label="Time" type="datetime-local" step={1} value={value} onChange={event => setValue(event.target.value)} required />
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
          value={text}
          onChange={event => setText(event.target.value)}
        />
        <Button type="submit">Search</Button>
        <Button kind={live ? 'main' : 'plain'} aria-pressed={live} onClick={() => change({ live: live ? undefined : true })}>
          {live ? '■ Live' : '▶ Live'}
        </Button>
      </Bar>
    </form>
  )
}

interface StatusProps {
  messages: Found
  live: boolean
  stop: () => void
  more: () => void
}

function Status({ messages: { records, progress, state, error, next, skipped }, live, stop, more }: StatusProps) {
  if (live)
    return (
      <footer className={css['status']}>
        <span role="status">
          {state === 'running' ? '● Live' : 'Stopped'} · {count(records.length)} shown
          {skipped > 0 && ` · ${count(skipped)} came too fast to be shown`}
        </span>
        {state === 'running' && (
          <Button small onClick={stop}>
            ■ Stop
          </Button>
        )}
      </footer>
    )
  const rate = progress === null || progress.ms === 0 ? null : `${bytes((progress.bytes / progress.ms) * 1000)}/s`
  return (
    <footer className={css['status']}>
      <span role="status">
        {progress !== null &&
          `${count(progress.scanned)} records read · ${rate === null ? '' : `${rate} · `}${count(records.length)} shown`}
        {progress !== null && state === 'running' && progress.left !== '0' && ` · ${count(progress.left)} left`}
        {state === 'stopped' && ' · stopped'}
      </span>
      {state === 'failed' && records.length > 0 && <span className={css['error']}>{error!.message}</span>}
      {state === 'running' && (
        <Button small onClick={stop}>
          ■ Stop
        </Button>
      )}
      {state === 'done' && next !== null && (
        <Button small onClick={more}>
          More
        </Button>
      )}
      {state === 'done' && next === null && records.length > 0 && <span>No more records</span>}
    </footer>
  )
}
