/** The publication and the replication slot, made when they are missing. */
import type { Client } from 'pg'
import { RetriableError } from '../../connector.ts'
import { ask, askText, fail, quoted } from './connection.ts'
import type { Config } from './keys.ts'
import { parseLsn } from './lsn.ts'
import type { Tables } from './tables.ts'

export interface Slot {
  /** Up to where its reader has confirmed. */
  readonly confirmed: bigint
  /** The server has dropped WAL that it needs. */
  readonly isLost: boolean
}

/** A snapshot of the database as it is where a slot begins. */
export interface ExportedSnapshot {
  readonly lsn: bigint
  /** For SET TRANSACTION SNAPSHOT, as long as the connection that made it does nothing else. */
  readonly name: string
}

export interface Server {
  /** As a number: 150004. */
  readonly version: number
  /** It follows another server. */
  readonly isStandby: boolean
}

/** Throws Error if this server cannot send changes. */
export async function requireLogical(client: Client): Promise<Server> {
  const [row] = await ask(
    client,
    `select current_setting('server_version_num')::int as version, current_setting('wal_level') as level, pg_is_in_recovery()::int as standby`,
  )
  const version = Number(row!['version'])
  if (version < 100_000) throw new Error('PostgreSQL before version 10 has no pgoutput')
  if (row!['level'] !== 'logical') throw new Error(`the server's wal_level is ${row!['level']}; it must be logical`)
  return { version, isStandby: Number(row!['standby']) === 1 }
}

/** null: there is none. Throws Error if it is another database's or another plugin's. */
export async function findSlot(client: Client, config: Config): Promise<Slot | null> {
  const name = config['slot.name']
  const [row] = await ask(
    client,
    `select plugin, database, confirmed_flush_lsn::text as confirmed, to_jsonb(s)->>'wal_status' as status, current_database() as here
     from pg_replication_slots s where slot_name = $1`,
    [name],
  )
  if (row === undefined) return null
  if (row['plugin'] !== 'pgoutput' || row['database'] !== row['here'])
    throw new Error(
      `the slot ${name} is of the plugin ${row['plugin']} in the database ${row['database']}: it must be pgoutput in ${row['here']}`,
    )
  const { confirmed } = row
  return { confirmed: confirmed === null ? 0n : parseLsn(String(confirmed)), isLost: row['status'] === 'lost' || confirmed === null }
}

/** By a connection for replication. It waits until the transactions that run now have ended. */
export async function createSlot(client: Client, config: Config, version: number): Promise<ExportedSnapshot> {
  const isFailover = config['slot.failover']
  if (isFailover && version < 170_000) throw new Error('slot.failover needs PostgreSQL 17')
  const options = isFailover ? `(SNAPSHOT 'export', FAILOVER)` : 'EXPORT_SNAPSHOT'
  return exported(client, `CREATE_REPLICATION_SLOT ${quoted(config['slot.name'])} LOGICAL pgoutput ${options}`)
}

/** A snapshot beside a slot that is there already: of a slot that ends with the connection. */
export function createPassingSlot(client: Client, name: string): Promise<ExportedSnapshot> {
  return exported(client, `CREATE_REPLICATION_SLOT ${quoted(name)} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`)
}

async function exported(client: Client, command: string): Promise<ExportedSnapshot> {
  const result = await client.query(command).catch(fail)
  const row = result.rows[0] as Record<string, string>
  return { lsn: parseLsn(row['consistent_point']!), name: row['snapshot_name']! }
}

export async function dropSlot(client: Client, config: Config): Promise<void> {
  await ask(client, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1', [config['slot.name']])
}

export async function requirePublication(client: Client, config: Config, tables: Tables): Promise<void> {
  const name = config['publication.name']
  const mode = config['publication.autocreate.mode']
  const [found] = await ask(client, 'select puballtables as all from pg_publication where pubname = $1', [name])
  if (found !== undefined) {
    if (mode === 'filtered' && found['all'] !== true) await addMissing(client, config, tables)
    return
  }
  if (mode === 'disabled') throw new Error(`there is no publication ${name}, and publication.autocreate.mode=disabled does not create it`)
  const root = config['publish.via.partition.root'] ? ' WITH (publish_via_partition_root = true)' : ''
  let what = mode === 'all_tables' ? ' FOR ALL TABLES' : ''
  if (mode === 'filtered') {
    const captured = await tablesOf(config, tables)
    if (captured.length === 0) throw new Error('publication.autocreate.mode=filtered: no table is captured')
    what = ` FOR TABLE ${captured.join(', ')}`
  }
  const sql = `CREATE PUBLICATION ${quoted(name)}${what}${root}`
  await ask(client, sql).catch(error => {
    if (error instanceof RetriableError) throw error
    const hint =
      mode === 'all_tables'
        ? ' One for all tables needs a superuser; publication.autocreate.mode=filtered needs an owner of the tables.'
        : ''
    throw new Error(`the publication ${name} is missing and cannot be created: ${(error as Error).message}.${hint} It would be: ${sql}`, {
      cause: error,
    })
  })
}

async function tablesOf(config: Config, tables: Tables): Promise<string[]> {
  const names = (await tables.captured()).map(({ schema, name }) => quoted(schema, name))
  const signals = config['signal.data.collection']
  if (signals !== '') names.push(quoted(...signals.split('.').slice(-2)))
  return [...new Set(names)]
}

async function addMissing(client: Client, config: Config, tables: Tables): Promise<void> {
  const rows = await askText(
    client,
    'select quote_ident(schemaname), quote_ident(tablename), schemaname, tablename from pg_publication_tables where pubname = $1',
    [config['publication.name']],
  )
  const there = new Set(rows.map(row => quoted(row[2]!, row[3]!)))
  const missing = (await tablesOf(config, tables)).filter(name => !there.has(name))
  if (missing.length > 0) await ask(client, `ALTER PUBLICATION ${quoted(config['publication.name'])} ADD TABLE ${missing.join(', ')}`)
}

/** How much WAL the server keeps because of the slot, in bytes; null: there is no slot. */
export async function slotLag(client: Client, config: Config): Promise<{ readonly bytes: number; readonly keptBytes: number } | null> {
  const [row] = await ask(
    client,
    `select pg_wal_lsn_diff(w.now, s.confirmed_flush_lsn)::float8 as lag, pg_wal_lsn_diff(w.now, s.restart_lsn)::float8 as kept
     from pg_replication_slots s, (select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as now) w
     where s.slot_name = $1`,
    [config['slot.name']],
  )
  return row === undefined ? null : { bytes: Number(row['lag']), keptBytes: Number(row['kept']) }
}

export function passingName(config: Config, random: number): string {
  return `${config['slot.name'].slice(0, 40)}_snapshot_${random.toString(36)}`
}
