/** Connections to one server, from the first look at it until they break: a snapshot if one is due, then the binlog. */
import type { Connection } from 'mysql2/promise'
import { pause } from '../../base.ts'
import { RetriableError, type SourceContext, type SourceRecord } from '../../connector.ts'
import { included } from '../change-data/lists.ts'
import { RecordStream } from '../change-data/record-stream.ts'
import { type ChangeSession, readsRows } from '../change-data/task.ts'
import { Binlog, type Frame } from './binlog.ts'
import { requireBinlog, type Server, tableOf } from './catalog.ts'
import { Changes, Shapes } from './changes.ts'
import { ask, connect, LostBinlog } from './connection.ts'
import type { Config } from './keys.ts'
import type { Place, Position } from './position.ts'
import { enterSnapshot, readSnapshot } from './snapshot.ts'

export class Session implements ChangeSession<Position> {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #connections: Connection[] = []
  #sql!: Connection
  #server!: Server
  #shapes!: Shapes
  #position: Position | null
  #snapshot: AsyncGenerator<SourceRecord[]> | null = null
  #snapshotPlace: Place | null = null
  #changes: Changes | null = null
  #binlog: Binlog | null = null
  #stream: RecordStream<Frame> | null = null

  constructor(config: Config, context: SourceContext, position: Position | null) {
    this.#config = config
    this.#context = context
    this.#position = position
  }

  get position(): Position | null {
    return this.#position
  }

  async #connect(): Promise<Connection> {
    const connection = await connect(this.#config)
    this.#connections.push(connection)
    return connection
  }

  /** All rows were read, maybe by an earlier task, and nothing else is wanted. */
  get #isFinished(): boolean {
    return this.#config['snapshot.mode'] === 'initial_only' && this.#position !== null
  }

  async open(): Promise<void> {
    if (this.#isFinished) return
    const { system, log } = this.#context
    this.#sql = await this.#connect()
    this.#server = await requireBinlog(this.#sql)
    this.#shapes = new Shapes(
      this.#config,
      this.#server,
      () => system.clock.now(),
      (fields, message) => log.warn(fields, message),
    )
    if (this.#position !== null) return this.#startBinlog()
    const connection = await this.#connect()
    const place = await enterSnapshot(connection, this.#server, this.#config)
    if (!readsRows(this.#config['snapshot.mode'])) {
      await ask(connection, 'commit')
      this.#position = { place, rows: 0, records: 0 }
      return this.#startBinlog()
    }
    log.info({ file: place.file, pos: place.pos }, 'a snapshot begins')
    this.#snapshotPlace = place
    this.#snapshot = readSnapshot({
      ...{ connection, config: this.#config, shapes: this.#shapes, place, system },
      isRead: included(this.#config['snapshot.include.collection.list'], []),
    })
  }

  async #startBinlog(): Promise<void> {
    const position = this.#position!
    const { system } = this.#context
    this.#binlog = await Binlog.start(this.#config, system, {
      place: position.place,
      serverId: this.#config['database.server.id'] || serverIdOf(this.#config['topic.prefix']),
      isCaptured: (database, table) => this.#shapes.isCaptured(database, table),
    })
    this.#changes = new Changes(this.#config, this.#shapes, (database, name) => tableOf(this.#sql, database, name), position)
    this.#stream = new RecordStream(this.#config, system, this.#binlog.frames, this.#changes, sql => ask(this.#sql, sql))
    this.#context.log.info({ ...position.place }, 'the stream of changes begins')
  }

  async poll(): Promise<SourceRecord[]> {
    try {
      return this.#snapshot !== null ? await this.#pollSnapshot(this.#snapshot) : await this.#pollBinlog()
    } catch (error) {
      if (!(error instanceof LostBinlog)) throw error
      if (this.#config['snapshot.mode'] !== 'when_needed') throw new Error(lostChanges(error, this.#position), { cause: error })
      this.#position = null
      throw new RetriableError('the server has dropped the binlog that is needed; all rows are read again', { cause: error })
    }
  }

  async #pollSnapshot(snapshot: AsyncGenerator<SourceRecord[]>): Promise<SourceRecord[]> {
    const { value, done } = await snapshot.next()
    if (done !== true) return value
    this.#snapshot = null
    this.#position = { place: this.#snapshotPlace!, rows: 0, records: 0 }
    this.#context.log.info({}, 'the snapshot is done')
    if (!this.#isFinished) await this.#startBinlog()
    return []
  }

  async #pollBinlog(): Promise<SourceRecord[]> {
    const { system } = this.#context
    const [stream, changes] = [this.#stream, this.#changes]
    if (stream === null || changes === null) {
      await pause(system, this.#config['poll.interval.ms'], this.#context.signal)
      return []
    }
    const records = await stream.poll()
    this.#position = changes.position
    if (changes.seconds !== null && records.length > 0)
      this.#context.gauge('binlog_lag_ms', Math.max(0, system.clock.now() - changes.seconds * 1_000))
    return records
  }

  /** The server need not know. */
  committed(): void {}

  async end(): Promise<void> {}

  async close(): Promise<void> {
    await this.#binlog?.close()
    this.#binlog = null
    for (const connection of this.#connections) connection.destroy()
  }
}

/** Large, so that it is hardly one of a real server. */
function serverIdOf(prefix: string): number {
  let hash = 0
  for (const character of prefix) hash = (Math.imul(hash, 31) + character.codePointAt(0)!) | 0
  return 0x4000_0000 + (hash & 0x3fff_ffff)
}

function lostChanges({ message }: Error, position: Position | null): string {
  const where = position === null ? '' : ` since ${position.place.gtids ?? `${position.place.file}:${position.place.pos}`}`
  return `the changes${where} cannot be read any more: ${message}. To read all rows again, set snapshot.mode=when_needed`
}
