/**
 * The tables, in a schema of their own, and the checks of a server before it is trusted.
 *
 * `metadata.count` tells the end of the log without reading records; the statement that appends checks it.
 */
import { DatabaseRefused, DatabaseUnavailable } from '../database/backend.ts'
import type { Connection } from './connection.ts'

/** What this program writes. It reads the one before as well, once there is one. */
const format = 1
/** A schema change waits this long for others, then it is tried again later: meanwhile everybody else would wait behind it. */
const lockTimeoutMs = 3_000
/** Of the transactions that make or change tables: one broker at a time. */
const schemaLock = 0x6d696c6c

const tables = [
  'create table cluster (id uuid primary key, incarnation int not null, format int not null, place text)',
  `create table session (
    id bigint generated always as identity primary key, broker_id int not null, incarnation uuid not null unique,
    info jsonb not null, begun_at timestamptz not null default clock_timestamp(), ended_at timestamptz, swept_at timestamptz)`,
  `create table frame (
    session bigint not null, seq bigint not null, kind smallint not null,
    body bytea not null, objects text[] not null default '{}', primary key (session, seq))`,
  'alter table frame alter body set storage external',
  // Whether a frame names an object is asked in commits: without it all frames were read for each name (1.2 s for 20 names and 100,000 frames).
  "create index frame_objects on frame using gin (objects) where objects <> '{}'",
  'create table metadata ("offset" bigint primary key, count int not null, records bytea not null, session bigint not null)',
  'create table metadata_snapshot ("offset" bigint primary key, object text not null)',
  `create table partition (
    topic_id uuid not null, partition int not null, session bigint not null, from_seq bigint not null,
    flushed_end bigint not null, log_start bigint not null, state bytea not null,
    primary key (topic_id, partition)) with (fillfactor = 70)`,
  'create index partition_session on partition (session)',
  `create table segment (
    topic_id uuid not null, partition int not null, base_offset bigint not null, end_offset bigint not null,
    object text not null, position bigint not null, bytes bigint not null, index_bytes int not null, max_timestamp bigint not null,
    primary key (topic_id, partition, base_offset))`,
  'create index segment_object on segment (object)',
  'create table garbage (object text primary key, not_before timestamptz not null)',
  'create index garbage_not_before on garbage (not_before)',
]

export interface Cluster {
  id: string
  incarnation: number
  format: number
  nowMs: number
}

/** Makes what is missing, in one transaction, and checks the format. */
export async function startCluster(connection: Connection, schema: string, newId: string): Promise<Cluster> {
  return connection.transaction(async () => {
    await connection.query(`set local lock_timeout = ${lockTimeoutMs}`)
    await connection.query('select pg_advisory_xact_lock($1, hashtext($2))', [schemaLock, schema])
    const [found] = await connection.query<{ schema: boolean; tables: boolean }>(
      'select exists (select from pg_namespace where nspname = $1) as schema, to_regclass($2) is not null as tables',
      [schema, `"${schema}".cluster`],
    )
    if (!found!.schema) await connection.query(`create schema "${schema}"`)
    if (!found!.tables) for (const statement of tables) await connection.query(statement)
    await connection.query(
      'insert into cluster(id, incarnation, format) select $1::uuid, 1, $2::int where not exists (select from cluster)',
      [newId, format],
    )
    const [cluster] = await connection.query<Cluster>(
      'select id, incarnation, format, floor(extract(epoch from clock_timestamp()) * 1000)::bigint as "nowMs" from cluster',
    )
    if (cluster!.format !== format)
      throw new DatabaseRefused(`the cluster in schema ${schema} has format ${cluster!.format}; this program reads format ${format}`)
    return cluster!
  })
}

interface Settings {
  version: number
  fsync: string
  full_page_writes: string
  synchronous_commit: string
  standby: boolean
  readOnly: boolean
  pid: number
  unsynchronous: number
}

const leastVersion = 140_000

/** Throws unless this server keeps what it confirms. `warn`: what an operator should know. */
export async function checkServer(connection: Connection, warn: (what: string) => void): Promise<void> {
  const [settings] = await connection.query<Settings>(`select current_setting('server_version_num')::int as version,
    current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit, pg_is_in_recovery() as standby, pg_backend_pid() as pid,
    current_setting('default_transaction_read_only') = 'on' as "readOnly",
    (select count(*)::int from pg_stat_replication where application_name <> 'pg_basebackup' and sync_state = 'async') as unsynchronous`)
  const { version, standby, readOnly, pid, unsynchronous, ...durable } = settings!
  if (version < leastVersion) throw new DatabaseRefused(`PostgreSQL ${Math.floor(version / 10_000)} is too old; 14 or newer is needed`)
  // After a failover the address may lead to the old one for a while.
  if (standby) throw new DatabaseUnavailable('the server is a standby')
  if (readOnly) throw new DatabaseUnavailable('the server takes no writes: default_transaction_read_only is on')
  for (const name of ['fsync', 'full_page_writes'] as const)
    if (durable[name] !== 'on')
      throw new DatabaseRefused(`the server runs with ${name}=${durable[name]}: a crash would lose what it confirmed; set it to on`)
  if (durable.synchronous_commit !== 'on' && durable.synchronous_commit !== 'remote_apply')
    throw new DatabaseRefused(
      `synchronous_commit=${durable.synchronous_commit}: a crash would lose what was confirmed; set it to on or remote_apply`,
    )
  if (unsynchronous > 0) warn(`${unsynchronous} standbys are not synchronous: a failover to one of them loses acknowledged records`)
  connection.throughPooler = connection.processId !== pid
}

/**
 * A pooler in transaction mode gives each transaction another backend: LISTEN, prepared statements and the order of pipelined commits
 * break. Two connections of it take turns on one backend, which is how it is recognised; in session mode each keeps its own.
 */
export async function refusePooler(first: Connection, open: () => Promise<Connection>): Promise<void> {
  if (!first.throughPooler) return
  const backendOf = async (connection: Connection) => (await connection.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]!.pid
  const before = await backendOf(first)
  const second = await open()
  try {
    const [other, after] = await second.transaction(async () => [await backendOf(second), await backendOf(first)] as const)
    if (other === before || after !== before)
      throw new DatabaseRefused(
        'the address leads to a pooler in transaction mode; connect to PostgreSQL itself, or to a pooler in session mode',
      )
  } finally {
    second.close()
  }
}
