/** Connections to one server, from the first look at its slot until they break: a snapshot if one is due, then the stream. */
import type { Client } from 'pg'
import { pause } from '../../base.ts'
import { RetriableError, type SourceContext, type SourceRecord, type Struct } from '../../connector.ts'
import { included } from '../change-data/lists.ts'
import { queueBytes, RecordStream } from '../change-data/record-stream.ts'
import { type ChangeSession, readsRows } from '../change-data/task.ts'
import { Catalog } from './catalog.ts'
import { Changes } from './changes.ts'
import { ask, connect } from './connection.ts'
import { IncrementalSnapshot, markPrefix } from './incremental.ts'
import type { Config } from './keys.ts'
import { lsnText } from './lsn.ts'
import type { Cell } from './pgoutput.ts'
import { offsetOf, type Position, positionOf, type Reading, start } from './position.ts'
import { postgresSource, Records } from './records.ts'
import { type Frame, ReplicationStream } from './replication.ts'
import { obey } from './signals.ts'
import {
  createPassingSlot,
  createSlot,
  dropSlot,
  type ExportedSnapshot,
  findSlot,
  passingName,
  requireLogical,
  requirePublication,
  type Slot,
  slotLag,
} from './slot.ts'
import { enterSnapshot, readSnapshot, type SnapshotTable } from './snapshot.ts'
import { Tables } from './tables.ts'
import { resumed, timelineOf } from './timelines.ts'

const version = 'millrace'
/** The first that sends logical messages, which incremental snapshots need. */
const messagesSince = 140_000
/** The first whose standbys have slots. */
const standbysSince = 160_000
const idleMs = 60_000

export class Session implements ChangeSession<Position> {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #clients: Client[] = []
  readonly #records: Records
  #sql!: Client
  #tables!: Tables
  #serverVersion = 0
  #position: Position | null
  #snapshot: AsyncGenerator<SourceRecord[]> | null = null
  #snapshotClient: Client | null = null
  #changes: Changes | null = null
  #incremental: IncrementalSnapshot | null = null
  /** What was left to read when records were last safe. */
  #safeReading: Reading | null = null
  #replication: ReplicationStream | null = null
  #stream: RecordStream<Frame> | null = null
  /** Up to where the slot was confirmed when the session began; 0: it is new. */
  #slotConfirmed = 0n
  /** Of the server's WAL; null: not known. */
  #timeline: number | null = null
  #measuredMs = Number.NEGATIVE_INFINITY

  constructor(config: Config, context: SourceContext, position: Position | null) {
    this.#config = config
    this.#context = context
    this.#position = position
    this.#records = new Records(config, version, () => context.system.clock.now())
  }

  get position(): Position | null {
    return this.#position
  }

  /** All rows were read, maybe by an earlier task, and nothing else is wanted. */
  get #isFinished(): boolean {
    return this.#config['snapshot.mode'] === 'initial_only' && this.#position !== null && this.#position.reading === null
  }

  async open(): Promise<void> {
    this.#sql = await this.#connect('queries')
    if (this.#isFinished) return
    const { version: serverVersion, isStandby } = await requireLogical(this.#sql)
    this.#serverVersion = serverVersion
    const warn = (fields: object, message: string) => this.#context.log.warn(fields, message)
    this.#tables = new Tables(this.#config, new Catalog(this.#sql), postgresSource, warn)
    const found = await findSlot(this.#sql, this.#config)
    if (isStandby && found === null && (this.#position !== null || serverVersion < standbysSince))
      throw new RetriableError(
        `PostgreSQL: the server is a standby without the slot ${this.#config['slot.name']}; it is waited for until it is promoted`,
      )
    await requirePublication(this.#sql, this.#config, this.#tables)
    const replication = await this.#connect('replication')
    const slot = found?.isLost === true ? null : found
    this.#slotConfirmed = slot?.confirmed ?? 0n
    const mode = this.#config['snapshot.mode']
    if (this.#position?.isOfSnapshot === true && (slot === null || this.#serverVersion < messagesSince)) this.#position = null
    if (this.#position !== null && slot === null) {
      const name = this.#config['slot.name']
      const why = found === null ? `there is no slot ${name} any more` : `the slot ${name} has lost WAL that it needs`
      if (mode !== 'when_needed') throw new Error(lostChanges(this.#position, why))
      this.#position = null
    }
    if (found?.isLost === true) await dropSlot(this.#sql, this.#config)
    this.#timeline = await timelineOf(replication)
    if (this.#position !== null && slot !== null) await this.#resume(replication, this.#position, slot)
    if (this.#position === null && readsRows(mode)) {
      await this.#beginSnapshot(replication, slot !== null)
      return
    }
    if (slot === null) {
      const { lsn } = await createSlot(replication, this.#config, this.#serverVersion)
      this.#position = { ...start, commit: lsn, timeline: this.#timeline }
    } else this.#position ??= { ...start, commit: slot.confirmed, timeline: this.#timeline }
    await this.#startStream(replication)
  }

  /** After a failover the position may mean nothing to the server. */
  async #resume(replication: Client, before: Position, slot: Slot): Promise<void> {
    const { position, problem } = await resumed(replication, before, slot, this.#timeline)
    if (problem === null) {
      this.#position = position
      return
    }
    const told = `the server is not as it was: ${problem}`
    if (position === null && this.#config['snapshot.mode'] !== 'when_needed') throw new Error(lostChanges(before, told))
    this.#context.log.warn({ slot: this.#config['slot.name'], lsn: lsnText(before.commit) }, told)
    this.#position = position
  }

  async #connect(purpose: 'queries' | 'replication'): Promise<Client> {
    const client = await connect(this.#config, this.#context.system.files, purpose)
    this.#clients.push(client)
    return client
  }

  async #beginSnapshot(replication: Client, hasSlot: boolean): Promise<void> {
    const random = this.#context.system.random.below(2 ** 31)
    const exported = hasSlot
      ? await createPassingSlot(replication, passingName(this.#config, random))
      : await createSlot(replication, this.#config, this.#serverVersion)
    const client = await this.#connect('queries')
    await enterSnapshot(client, exported)
    // It has served its purpose: the transaction keeps the snapshot.
    await replication.end()
    this.#snapshotClient = client
    const tables = await this.#snapshotTables(client)
    this.#context.log.info({ lsn: lsnText(exported.lsn), tables: tables.length }, 'a snapshot begins')
    this.#snapshot = this.#readSnapshot(client, exported, tables)
  }

  /** As the snapshot sees them. */
  async #snapshotTables(client: Client): Promise<SnapshotTable[]> {
    const seen = new Tables(this.#config, new Catalog(client), postgresSource, (fields, message) => this.#context.log.warn(fields, message))
    const isRead = included(this.#config['snapshot.include.collection.list'], [])
    const found: SnapshotTable[] = []
    for (const { schema, name } of await seen.captured()) {
      if (!isRead(`${schema}.${name}`)) continue
      const table = await seen.now(schema, name)
      if (table !== null) found.push(table)
    }
    return found
  }

  async *#readSnapshot(client: Client, exported: ExportedSnapshot, tables: readonly SnapshotTable[]): AsyncGenerator<SourceRecord[]> {
    const after: Position = { ...start, commit: exported.lsn, timeline: this.#timeline }
    const micros = BigInt(Math.floor(this.#context.system.clock.now())) * 1_000n
    const offset = (reading: Reading | null, isLast: boolean): Struct => {
      if (isLast) return offsetOf(after, null, micros)
      const made = offsetOf({ ...after, reading: this.#serverVersion < messagesSince ? null : reading }, null, micros)
      made['snapshot'] = 'INITIAL'
      return made
    }
    yield* readSnapshot({
      ...{ client, exported, tables, records: this.#records, micros, offset },
      mostRows: this.#config['snapshot.fetch.size'],
    })
    this.#position = after
  }

  async #startStream(client: Client): Promise<void> {
    const position = this.#position!
    const { system } = this.#context
    const replication = await ReplicationStream.start(client, system, {
      slot: this.#config['slot.name'],
      publication: this.#config['publication.name'],
      from: position.commit,
      confirmed: this.#slotConfirmed,
      logicalMessages: this.#serverVersion >= messagesSince,
      mostBytes: queueBytes(this.#config),
      statusMs: this.#config['status.update.interval.ms'],
      idleMs,
    })
    this.#replication = replication
    const incremental = this.#incrementalSnapshot(position)
    this.#incremental = incremental
    const changes = new Changes(this.#config, this.#tables, this.#records, position, {
      get reading() {
        return incremental.reading
      },
      markPrefix,
      marked: content => incremental.marked(content),
      changed: (table, columns, rows) => incremental.changed(table, columns, rows),
      truncated: table => incremental.truncated(table),
      sent: xid => incremental.sent(xid),
      signal: (columns, cells) => this.#signal(incremental, columns, cells),
    })
    this.#changes = changes
    this.#stream = new RecordStream(this.#config, system, replication.frames, changes, sql => ask(this.#sql, sql))
    this.#context.log.info({ lsn: lsnText(position.commit) }, 'the stream of changes begins')
  }

  #incrementalSnapshot(position: Position): IncrementalSnapshot {
    const { system, log } = this.#context
    const now = () => BigInt(Math.floor(system.clock.now())) * 1_000n
    const whence = () => ({ lsn: null, xid: null, micros: now(), previousCommit: null, snapshot: 'incremental', origin: null }) as const
    return new IncrementalSnapshot(
      {
        ...{ client: this.#sql, system, log, chunkRows: this.#config['incremental.snapshot.chunk.size'] },
        tableNow: async name => {
          const captured = (await this.#tables.captured()).find(each => `${each.schema}.${each.name}` === name)
          const table = captured === undefined ? null : await this.#tables.now(captured.schema, captured.name)
          return table === null || table.key.length === 0 ? null : table
        },
        read: (table, row) => this.#records.read(table.captured, row, whence()),
      },
      position.reading,
    )
  }

  async #signal(incremental: IncrementalSnapshot, columns: readonly string[], cells: readonly Cell[]): Promise<void> {
    const [id, type, data] = ['id', 'type', 'data'].map(name => cells[columns.indexOf(name)])
    const { log } = this.#context
    if (typeof id !== 'string' || typeof type !== 'string' || (typeof data !== 'string' && data !== null))
      return log.warn({ table: this.#config['signal.data.collection'] }, 'the table of signals must have the columns id, type and data')
    if (type === 'execute-snapshot' && this.#serverVersion < messagesSince)
      return log.warn({ signal: id }, 'incremental snapshots need PostgreSQL 14')
    const captured = async () => (await this.#tables.captured()).map(({ schema, name }) => `${schema}.${name}`)
    await obey({ id, type, data }, incremental, captured, log)
  }

  async poll(isSafe: boolean): Promise<SourceRecord[]> {
    await this.#measure()
    const records = this.#snapshot !== null ? await this.#pollSnapshot(this.#snapshot) : await this.#pollStream()
    // A snapshot that was asked for, and that no stored offset knows of, must be asked for again after a crash.
    const isReadingSafe = this.#incremental?.reading === null || this.#incremental?.reading === this.#safeReading
    if (isSafe && records.length === 0 && isReadingSafe) this.#confirm()
    return records
  }

  async #pollSnapshot(snapshot: AsyncGenerator<SourceRecord[]>): Promise<SourceRecord[]> {
    const { value, done } = await snapshot.next()
    if (done !== true) {
      const last = value.at(-1)
      if (last !== undefined) this.#position = positionOf(last.sourceOffset)
      return value
    }
    this.#snapshot = null
    await this.#snapshotClient?.end()
    this.#context.log.info({}, 'the snapshot is done')
    if (!this.#isFinished) await this.#startStream(await this.#connect('replication'))
    return []
  }

  async #pollStream(): Promise<SourceRecord[]> {
    const [stream, changes] = [this.#stream, this.#changes]
    if (this.#isFinished || stream === null || changes === null) {
      await pause(this.#context.system, this.#config['poll.interval.ms'], this.#context.signal)
      return []
    }
    await this.#incremental?.step()
    const records = await stream.poll().catch(error => {
      throw missingPublication(this.#config, error)
    })
    this.#position = changes.position
    return records
  }

  /** How much WAL the slot keeps. */
  async #measure(): Promise<void> {
    const now = this.#context.system.clock.monotonic()
    if (now - this.#measuredMs < this.#config['lag.interval.ms']) return
    this.#measuredMs = now
    const lag = await slotLag(this.#sql, this.#config)
    if (lag === null) return
    this.#context.gauge('slot_lag_bytes', lag.bytes)
    this.#context.gauge('slot_kept_wal_bytes', lag.keptBytes)
    const warnBytes = this.#config['lag.warn.bytes']
    if (warnBytes > 0 && lag.keptBytes >= warnBytes)
      this.#context.log.warn({ slot: this.#config['slot.name'], ...lag }, 'the server keeps much WAL for this slot: its disk may fill')
  }

  /** What was handed on is in Kafka. */
  committed(): void {
    this.#safeReading = this.#incremental?.reading ?? null
    this.#confirm()
  }

  /** The server must not hear it sooner: what an aborted transaction of Kafka held would not be sent again. */
  #confirm(): void {
    if (this.#position !== null && this.#config['flush.lsn.source']) this.#replication?.confirm(this.#position.commit)
  }

  /** In order: the task will not go on soon. */
  async end(): Promise<void> {
    if (!this.#config['slot.drop.on.stop']) return
    await this.#replication?.close()
    await dropSlot(this.#sql, this.#config).catch(error => this.#context.log.warn({ err: error }, 'the slot could not be dropped'))
  }

  async close(): Promise<void> {
    await this.#replication?.close()
    this.#replication = null
    await Promise.all(this.#clients.map(client => client.end().catch(() => {}))) // it may be gone
  }
}

/** The server looks for the publication as it was when the change was made: one that is made anew is not seen by changes before. */
function missingPublication(config: Config, error: Error): Error {
  const [name, slot] = [config['publication.name'], config['slot.name']]
  if (!error.message.includes(`publication "${name}" does not exist`)) return error
  return new Error(
    `the publication ${name} was not there when changes of the slot ${slot} were made, so they cannot be read, also if it is there now. ` +
      'Drop the slot, and set snapshot.mode=when_needed to read all rows again',
    { cause: error },
  )
}

function lostChanges(position: Position, why: string): string {
  return (
    `${why}: the changes since ${lsnText(position.commit)} are gone. To read all rows again, set snapshot.mode=when_needed; to go on with what ` +
    'comes now, delete the offsets of the connector and set snapshot.mode=no_data'
  )
}
