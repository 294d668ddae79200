/**
 * What goes on in a PostgreSQL that answers, and hinders brokers all the same: a disk that is full, who holds what their commits wait for, what keeps old rows
 * and old WAL from being removed, and whether there is room for more connections. Of the sessions of other users PostgreSQL tells nothing but that they are there, unless
 * the user has the role pg_monitor.
 */
import type { DatabaseTrouble } from '../../store.ts'
import { DatabaseUnavailable } from '../database/backend.ts'
import { type Connection, RolledBack } from './connection.ts'

/** Shorter waits are part of the work. */
const waitSeconds = 1
/** A transaction that is open for longer lets the tables of the journal grow. */
const openSeconds = 300
/** The same, where its age is not told: so many others have begun since then. */
const openTransactions = 50_000
/** Of WAL that is kept for a standby that is not there. */
const keptBytes = 1 << 30
/** One broker, and a command. */
const roomForConnections = 4

/** A quarter of a megabyte that cannot be compressed: on a full disk no file grows. It needs no right that PostgreSQL does not give to all. */
const writeText = `create temporary table millrace_probe on commit drop as
  select string_agg(md5(random()::text), '') from generate_series(1, 8192)`

interface Session {
  pid: number
  program: string
  user: string | null
  state: string | null
  seconds: number | null
}

const sessionColumns = `pid, coalesce(nullif(application_name, ''), 'a program without a name') as program, usename as user, state,
  floor(extract(epoch from clock_timestamp() - xact_start))::int as seconds`

/** Those that wait for nothing themselves. */
const blockersText = `select ${sessionColumns} from pg_stat_activity blocker where pid in (
    select unnest(pg_blocking_pids(waiting.pid)) from pg_locks waiting join pg_stat_activity broker using (pid)
    where not granted and waitstart < clock_timestamp() - interval '${waitSeconds} second'
      and broker.datname = current_database() and broker.application_name = 'millrace')
  and not exists (select from pg_locks where pg_locks.pid = blocker.pid and not granted) order by pid`

const openText = `select ${sessionColumns} from pg_stat_activity
  where coalesce(backend_type, 'client backend') = 'client backend' and coalesce(backend_xmin, backend_xid) is not null
    and (xact_start < clock_timestamp() - interval '${openSeconds} seconds'
      or xact_start is null and age(coalesce(backend_xmin, backend_xid)) > ${openTransactions}) order by xact_start, pid`

const preparedText = `select gid as name, floor(extract(epoch from clock_timestamp() - prepared))::int as seconds from pg_prepared_xacts
  where prepared < clock_timestamp() - interval '${openSeconds} seconds' order by prepared`

const slotsText = `select slot_name as name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) as kept from pg_replication_slots
  where not active and pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > ${keptBytes} order by slot_name`

const connectionsText = `select sum(numbackends)::int as used,
    (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int) as most
  from pg_stat_database`

export async function troublesOf(connection: Connection): Promise<DatabaseTrouble[]> {
  const refusal = await refusalOfWrites(connection)
  const blockers = await connection.query<Session>(blockersText)
  const open = await connection.query<Session>(openText)
  const prepared = await connection.query<{ name: string; seconds: number }>(preparedText)
  const slots = await connection.query<{ name: string; kept: string }>(slotsText)
  const [connections] = await connection.query<{ used: number; most: number }>(connectionsText)
  const { used, most } = connections!
  const blocking = new Set(blockers.map(({ pid }) => pid))
  return [
    ...(refusal === null ? [] : [isOutage(`PostgreSQL takes no writes: ${refusal}`)]),
    ...blockers.map(each => isOutage(`brokers wait for a lock of ${told(each)}: ${ending(each)}`)),
    ...open
      .filter(({ pid }) => !blocking.has(pid))
      .map(each => mayGoOn(`${told(each)} keeps old rows from being removed, so tables grow: ${ending(each)}`)),
    ...prepared.map(({ name, seconds }) =>
      mayGoOn(`the prepared transaction '${name}' is ${seconds} s old and keeps old rows from being removed: commit it or roll it back`),
    ),
    ...slots.map(({ name, kept }) =>
      mayGoOn(`nobody reads the replication slot ${name}, which keeps ${kept} of WAL: drop it, or start its standby`),
    ),
    ...(most - used < roomForConnections
      ? [mayGoOn(`${used} of ${most} connections are in use: raise max_connections; each broker needs three, and a fourth at times`)]
      : []),
  ]
}

async function refusalOfWrites(connection: Connection): Promise<string | null> {
  try {
    await connection.transaction(async () => {
      await connection.query(writeText)
      throw new RolledBack(undefined)
    })
    return null
  } catch (error) {
    // Without the right to make temporary tables nothing is known.
    return error instanceof DatabaseUnavailable ? error.message : null
  }
}

const isOutage = (what: string): DatabaseTrouble => ({ what, isOutage: true })
const mayGoOn = (what: string): DatabaseTrouble => ({ what, isOutage: false })

function told({ pid, program, user, state, seconds }: Session): string {
  const since = seconds === null ? '' : `, in a transaction for ${seconds} s, ${state === 'active' ? 'at work' : state}`
  return `process ${pid} (${program}, user ${user ?? 'unknown'}${since})`
}

const ending = ({ pid }: Session) => `let it end, or end it with "select pg_terminate_backend(${pid})"`
