/**
 * MaxCompute sink, by the Tunnel: one upload session for each table and partition between two flushes, whose blocks appear together when it is committed.
 *
 * The offsets are committed after the sessions. With `session.directory`, who goes on after a worker that ended between the two asks for the sessions' status,
 * completes them and begins behind them. Without it, these records are uploaded again: then the columns `topic`, `partition` and `offset` tell which rows
 * are the same.
 */
import {
  DataError,
  defineSink,
  type Offsets,
  type OpenedPartition,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { pairOf } from '../entries.ts'
import type { HttpClient } from '../http-client/http-client.ts'
import { openHttpClient } from '../http-client/settings.ts'
import { missing, requireNone } from '../required.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { Columns } from './columns.ts'
import { Intents, Overtaken, type PendingUpload } from './intents.ts'
import { type Config, keys } from './keys.ts'
import { RecordStream } from './record-stream.ts'
import { LostUpload, Tunnel, type Upload } from './tunnel.ts'

const check = (config: Config) => missing(config, config.tunnel_endpoint === null ? ['endpoint'] : [])

export const maxcompute = defineSink({
  name: 'maxcompute',
  classes: ['com.aliyun.odps.kafka.connect.MaxComputeSinkConnector'],
  version: '1',
  summary: 'Uploads records to MaxCompute tables and their partitions, by the Tunnel.',
  example: {
    tunnel_endpoint: 'http://127.0.0.1:8081',
    project: 'p',
    table: 'tp',
    partition: 'pt=${timestamp:yyyyMMdd}',
    access_id: 'AKID',
    access_key: '${env:MAXCOMPUTE_ACCESS_KEY}',
  },
  config: keys,
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new MaxComputeTask(config, context)
  },
})

/** One session, with what is not uploaded of it. */
interface Target {
  readonly upload: Upload
  readonly columns: Columns
  stream: RecordStream
  /** That were uploaded. */
  blocks: number
}

const windows = { DAY: 'yyyy-MM-dd', HOUR: 'yyyy-MM-dd HH', MINUTE: 'yyyy-MM-dd HH:mm', NONE: null } as const
/** Records that are taken together, between two looks at the memory. */
const recordsAtOnce = 500
/** That are open at the same time; more are committed early. */
const mostSessions = 500

class MaxComputeTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: HttpClient
  readonly #tunnel: Tunnel
  readonly #batches = new Batches(recordsAtOnce)
  readonly #table: Template
  /** null: tables have no partitions. */
  readonly #partition: Template | null
  readonly #mapping: ReadonlyMap<string, readonly string[]>
  readonly #targets = new Map<string, Target>()
  /** By partition: the first record that is in no committed session. */
  readonly #first = new Map<string, Offsets[number]>()
  /** By partition: the one after the last that was taken. */
  readonly #next = new Map<string, Offsets[number]>()
  readonly #intents: Intents | null
  /** A flush failed when it was not known any more what is committed: it comes to its end before anything else. */
  #isCommitting = false

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#client = openHttpClient(config, context)
    this.#tunnel = new Tunnel(config, this.#client, context.system)
    const directory = config['session.directory']
    this.#intents = directory === '' ? null : new Intents({ ...context.system, directory, connector: context.connector })
    this.#table = parseTemplate(config.table)
    const window = windows[config.partition_window_type]
    const partition = config.partition !== '' ? config.partition : window === null ? null : `pt=\${timestamp:${window}@${config.time_zone}}`
    this.#partition = partition === null ? null : parseTemplate(partition)
    this.#mapping = new Map(
      config['column.mapping'].map(entry => {
        const [column, path] = pairOf(entry)
        return [column.toLowerCase(), path === '' ? [] : path.split('.')]
      }),
    )
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    if (this.#intents === null) return
    const offsets = await this.#intents.open(partitions, async upload => {
      try {
        await this.#tunnel.commit(upload, upload.blocks)
        return true
      } catch (error) {
        if (!(error instanceof LostUpload)) throw error
        this.#context.log.warn({ upload: upload.id, err: error }, 'an upload of an earlier run is lost: its records are read again')
        return false
      }
    })
    if (offsets.length > 0) this.#context.seek(offsets)
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#take(batch))
  }

  async #take(records: readonly SinkRecord[]): Promise<void> {
    if (this.#isCommitting || this.#targets.size >= mostSessions) await this.flush()
    // First what may have to be done again; then, in one go, what must not be.
    await this.#makeRoom()
    const refused: { record: SinkRecord; error: DataError }[] = []
    const places = new Map<SinkRecord, Target>()
    for (const record of records) {
      if (record.value === null) continue
      try {
        places.set(record, await this.#targetOf(record))
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    for (const record of records) {
      const { topic, partition, offset } = record.original
      const name = `${topic} ${partition}`
      if (!this.#first.has(name)) this.#first.set(name, { topic, partition, offset })
      this.#next.set(name, { topic, partition, offset: offset + 1n })
      const target = places.get(record)
      if (target === undefined) continue
      try {
        target.stream.write(target.columns.cellsOf(record))
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    for (const { record, error } of refused) await this.#context.report(record, error)
  }

  async #targetOf(record: SinkRecord): Promise<Target> {
    const table = this.#table.render(record)
    if (!/^\w+$/.test(table)) throw new DataError(`"${table.slice(0, 100)}" is no name of a table`)
    const partition = this.#partitionOf(record)
    const name = `${table} ${partition}`
    return this.#targets.get(name) ?? (await this.#begin(name, table, partition))
  }

  /** Nothing for a table that has none. */
  #partitionOf(record: SinkRecord): string {
    const text = this.#partition?.render(record) ?? ''
    // A partition is part of a path in the table's directory.
    if (/[/\\&'"#?%\n]/.test(text)) throw new DataError(`"${text.slice(0, 100)}" is no partition`)
    return text
  }

  async #begin(name: string, table: string, partition: string): Promise<Target> {
    const upload = await this.#tunnel.begin(table, partition)
    const target = { upload, columns: new Columns(upload.columns, this.#mapping), stream: new RecordStream(), blocks: 0 }
    this.#targets.set(name, target)
    return target
  }

  /** Uploads full blocks, and then the largest ones until few enough bytes are left. */
  async #makeRoom(): Promise<void> {
    const most = this.#config.buffer_size_kb * 1_024
    const block = this.#config['block.size.kb'] * 1_024
    const targets = [...this.#targets.values()].sort((a, b) => b.stream.size - a.stream.size)
    let kept = targets.reduce((sum, target) => sum + target.stream.size, 0)
    for (const target of targets) {
      if (target.stream.size < block && kept <= most) break
      kept -= target.stream.size
      await this.#uploadBlock(target)
    }
    this.#context.gauge('buffered_bytes', kept)
  }

  async #uploadBlock(target: Target): Promise<void> {
    if (target.stream.count === 0) return
    await this.#tunnel.upload(target.upload, target.blocks, target.stream.snapshot())
    target.blocks++
    target.stream = new RecordStream()
  }

  async flush(): Promise<undefined> {
    for (const target of this.#targets.values()) await this.#uploadBlock(target)
    const pending = [...this.#targets.values()].filter(({ blocks }) => blocks > 0)
    if (pending.length > 0) {
      const uploads = pending.map(({ upload: { table, partition, id }, blocks }) => ({ table, partition, id, blocks }))
      await this.#note(uploads)
      // Called again after a failure, it finds which are committed.
      for (const { upload, blocks } of pending) await this.#tunnel.commit(upload, blocks)
      await this.#intents?.end()
      this.#isCommitting = false
    }
    this.#targets.clear()
    this.#first.clear()
    return undefined
  }

  async #note(uploads: readonly PendingUpload[]): Promise<void> {
    this.#isCommitting = true
    try {
      await this.#intents?.begin(uploads, [...this.#next.values()])
    } catch (error) {
      if (error instanceof Overtaken) this.#isCommitting = false
      throw error
    }
  }

  /** What is in no committed session is thrown away, and read again for the partitions that stay. */
  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#isCommitting) await this.flush()
    for (const { topic, partition } of partitions) {
      this.#first.delete(`${topic} ${partition}`)
      this.#next.delete(`${topic} ${partition}`)
    }
    const isPending = this.#targets.size > 0
    this.#targets.clear()
    this.#batches.forget()
    const rest: Offsets = [...this.#first.values()]
    this.#first.clear()
    for (const each of rest) this.#next.set(`${each.topic} ${each.partition}`, each)
    if (isPending && rest.length > 0) this.#context.seek(rest)
  }

  async close(): Promise<void> {
    this.#targets.clear()
    this.#client.close()
  }
}
