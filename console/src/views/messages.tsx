/** The records of a topic: by offset, by time, the newest, or live; filtered; one of them in the drawer. */
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { bytes, count, time, utc } from '../format.ts'
import { Button } from '../ui/button.tsx'
import { type Column, Grid } from '../ui/grid.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { Drawer } from './drawer.tsx'
import css from './messages.module.css'
import { Filters } from './messages-filters.tsx'
import { type Messages as Found, type ShownRecord, useMessages } from './messages-stream.ts'
import { isDeadLetter, Redrive } from './redrive.tsx'

const here = getRouteApi('/topics/$topic/messages')

const columns: readonly Column<ShownRecord>[] = [
  {
    id: 'time',
    title: 'Time',
    width: '176px',
    mono: true,
    wideOnly: true,
    cell: row => <span title={utc(row.timestamp)}>{time(row.timestamp)}</span>,
  },
  { id: 'partition', title: 'P', width: '44px', right: true, mono: true, cell: row => row.partition },
  { id: 'offset', title: 'Offset', width: 'minmax(84px, 112px)', right: true, mono: true, cell: row => count(row.offset) },
  { id: 'key', title: 'Key', width: 'minmax(88px, 1fr)', mono: true, cell: row => <Bytes bytes={row.key} none="no key" /> },
  { id: 'value', title: 'Value', width: 'minmax(120px, 4fr)', mono: true, cell: row => <Bytes bytes={row.value} none="tombstone" /> },
]

/** Without dates times are shorter. */
const columnsOfToday = columns.map(each => (each.id === 'time' ? { ...each, width: '108px' } : each))

function hasDates(records: readonly ShownRecord[]): boolean {
  return [records[0], records.at(-1)].some(each => each !== undefined && time(each.timestamp).length > '12:04:01.233'.length)
}

const mostInRow = 300

function Bytes({ bytes: shown, none }: { bytes: ShownRecord['value']; none: string }) {
  if (shown === null) return <span className={css['none']}>{none}</span>
  if (shown.form === 'base64')
    return <span className={css['none']} title={shown.problem ?? ''}>{`${bytes(shown.bytes)}: ${shown.problem ?? 'binary'}`}</span>
  return <>{shown.text.slice(0, mostInRow)}</>
}

const idOf = ({ partition, offset }: ShownRecord) => `${partition}:${offset}`

export function Messages() {
  const { topic } = here.useParams()
  const { open, ...wanted } = here.useSearch()
  const navigate = useNavigate({ from: '/topics/$topic/messages' })
  const { messages, stop, again, more } = useMessages(topic, wanted)
  const { records, state, error } = messages
  const live = wanted.live === true
  const show = (id: string | undefined) => void navigate({ replace: true, search: before => ({ ...before, open: id }) as never })
  return (
    <div className={css['messages']}>
      <Filters key={JSON.stringify(wanted)} again={again} />
      <div className={css['both']}>
        <div className={css['list']}>
          {state === 'failed' && records.length === 0 ? (
            <Failed error={error!} retry={again} needs={`READ on the topic ${topic}`} />
          ) : records.length > 0 ? (
            <Grid
              label={`Records of ${topic}`}
              columns={hasDates(records) ? columns : columnsOfToday}
              count={records.length}
              rowAt={index => records[index]}
              keyOf={index => idOf(records[index]!)}
              onOpen={row => show(idOf(row))}
              isOpen={row => idOf(row) === open}
            />
          ) : (
            <NoRecords topic={topic} filtered={isFiltered(wanted)} live={live} running={state === 'running'} />
          )}
          <Status topic={topic} messages={messages} live={live} stop={stop} more={more} />
        </div>
        {open !== undefined && (
          <Drawer
            key={open}
            topic={topic}
            place={open}
            known={records.find(each => idOf(each) === open)}
            decoding={{ key: wanted.key, value: wanted.value }}
            close={() => show(undefined)}
          />
        )}
      </div>
    </div>
  )
}

function isFiltered({ contains, header, path, cel }: Record<string, unknown>): boolean {
  return [contains, header, path, cel].some(each => each !== undefined)
}

function NoRecords({ topic, filtered, live, running }: { topic: string; filtered: boolean; live: boolean; running: boolean }) {
  if (live)
    return (
      <Empty title="Waiting for records">
        <p>What is produced from now on appears here.</p>
        <Command text={`echo '{"hello": "world"}' | millrace produce ${topic}`} />
      </Empty>
    )
  if (running) return filtered ? <Empty title="Searching…" /> : <Loading />
  if (filtered) return <Empty title="No record matches" />
  return (
    <Empty title="There are no records here">
      <p>Produce one with the button above, or from a terminal:</p>
      <Command text={`echo '{"hello": "world"}' | millrace produce ${topic}`} />
    </Empty>
  )
}

interface StatusProps {
  topic: string
  messages: Found
  live: boolean
  stop: () => void
  more: () => void
}

function Status({ topic, messages, live, stop, more }: StatusProps) {
  const { records, progress, state, error, next, skipped } = messages
  const dead = records.filter(isDeadLetter)
  return (
    <footer className={css['status']}>
      <span role="status">
        {live ? liveStatus(state, records.length, skipped) : progress === null ? '' : searchStatus(progress, records.length, state)}
      </span>
      {progress !== null && progress.failed > 0 && (
        <span className={css['error']} title={progress.problem ?? ''}>
          No answer for {count(progress.failed)}, the first: {progress.problem}
        </span>
      )}
      {state === 'failed' && records.length > 0 && <span className={css['error']}>{error!.message}</span>}
      <span className={css['buttons']}>
        {dead.length > 0 && <Redrive topic={topic} records={dead} />}
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
        {state === 'done' && !live && next === null && records.length > 0 && <span>No more records</span>}
      </span>
    </footer>
  )
}

function liveStatus(state: Found['state'], shown: number, skipped: number): string {
  const tooFast = skipped > 0 ? ` · ${count(skipped)} came too fast to be shown` : ''
  const said = { running: '● Live', stopped: 'Stopped', done: 'Interrupted, trying again', failed: 'Interrupted, trying again' }[state]
  return `${said} · ${count(shown)} shown${tooFast}`
}

function searchStatus(progress: NonNullable<Found['progress']>, shown: number, state: Found['state']): string {
  const rate = progress.ms === 0 ? '' : `${bytes((progress.bytes / progress.ms) * 1000)}/s · `
  const left = state === 'running' && progress.left !== '0' ? ` · ${count(progress.left)} left` : ''
  return `${count(progress.scanned)} records read · ${rate}${count(shown)} shown${left}${state === 'stopped' ? ' · stopped' : ''}`
}
