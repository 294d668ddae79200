/**
 * Runs a source: what it gives goes to Kafka, and then, from where to go on.
 *
 * Without transactions at least once: offsets are stored after the records, from time to time. With them (KIP-618) records and offsets become visible
 * together, and an earlier instance of the task is fenced when this one begins.
 */
import { parseLossless, pause, readValues, stringifyLossless, type Timer } from '../../base.ts'
import type { Client, ClientError, Compression, RecordToSend, RecordWriter, TransactionalWriter } from '../../client.ts'
import {
  type ConnectorDefinition,
  type Offsets,
  RetriableError,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  type Struct,
} from '../../connector.ts'
import { commonKeys, type SourceValues } from '../connector-keys.ts'
import { canonical, encodeOffset, jsonOf } from '../stores/offset-store.ts'
import { withPrefix } from '../worker-config.ts'
import { Boundaries } from './boundaries.ts'
import { pauseAfter } from './errors.ts'
import { guardedSource } from './guard.ts'
import type { FoundOffset } from './messages.ts'
import { type OutRecord, openPipeline, type Pipeline } from './pipeline.ts'
import type { TaskRun } from './run.ts'
import { SourceTopics } from './topics.ts'

/** Records of one topic, and where they are among all. */
interface Share {
  readonly topic: string
  readonly some: OutRecord[]
  readonly at: number[]
}

/** Of a partition of the source: from where to go on. */
interface End {
  readonly partition: Struct
  readonly offset: Struct
}

/** What a poll has given. */
interface Delivery {
  readonly shares: readonly Share[]
  readonly ends: readonly End[]
  /** Of all records. */
  readonly count: number
  /** All of them, if the source wants to be told; otherwise null. */
  readonly told: readonly SourceRecord[] | null
}

type SourceDefinition = Extract<ConnectorDefinition, { kind: 'source' }>

/** Kafka names it, whatever the connector is. */
const javaSourceTask = 'org.apache.kafka.connect.runtime.WorkerSourceTask'
const idleMs = 1_000
const reconfigureMs = 500
/** As Kafka's producers for sources: what was given is sent when brokers are back. */
const patienceMs = Number.POSITIVE_INFINITY
/** Of records that are kept, because the source wants to be told when their offsets are stored. */
const mostPending = 10_000
/** Of one transaction that the connector has to end. */
const mostInTransaction = 1_000_000
const defaultTransactionTimeoutMs = 60_000
const compressions: readonly string[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Resolves when the task has ended because it was asked to. */
export async function runSource(run: TaskRun, definition: SourceDefinition): Promise<void> {
  const values = readValues(commonKeys.source, run.config)
  const pipeline = await openPipeline(run, values, definition.converter ?? null)
  try {
    await using source = new SourceRun(run, values, pipeline)
    await source.run(definition)
  } finally {
    pipeline.close()
  }
}

class SourceRun implements AsyncDisposable {
  readonly #run: TaskRun
  readonly #pipeline: Pipeline
  readonly #client: Client
  readonly #topics: SourceTopics
  readonly #known = new Set<string>()
  #intervalMs: number
  /** By partition of the source: the newest offset that is not stored. */
  readonly #offsets = new Map<string, End>()
  readonly #names = new WeakMap<Struct, string>()
  /** Keys under which offsets are stored already. */
  readonly #keys = new Map<string, Buffer>()
  /** How many records are sent whose offsets are not stored. */
  #pending = 0
  /** These, and where each of them is, for a source that wants to be told. */
  #untold: { readonly records: SourceRecord[]; readonly placed: (Offsets[number] | null)[] } = { records: [], placed: [] }
  readonly #producer: Readonly<Record<string, string>>
  #writer: RecordWriter | null = null
  /** The same; null: without transactions. */
  #transactions: TransactionalWriter | null = null
  /** What is on its way while the source is asked for more. */
  #sending: Promise<void> = Promise.resolve()
  readonly #boundaries: Boundaries | null
  #lastStoredMs: number
  #reconfiguring: Timer | null = null
  /** null: it is not open yet. */
  #task: SourceTask | null = null

  constructor(run: TaskRun, values: SourceValues, pipeline: Pipeline) {
    const { client, config, order, system } = run
    this.#run = run
    this.#pipeline = pipeline
    this.#client = client
    const { values: own } = order.worker
    // Where its records go elsewhere, or the worker is alone, there are none.
    const state = [own['config.storage.topic'], own['status.storage.topic'], own['offset.storage.topic'], order.offsetsTopic ?? '']
    this.#topics = new SourceTopics(client, config, own['topic.creation.enable'], order.offsetsTopic === null ? [] : state)
    this.#producer = { ...withPrefix(order.worker.properties, 'producer.'), ...withPrefix(config, 'producer.override.') }
    const decides = order.transactionalId !== null && values['transaction.boundary'].toLowerCase() === 'connector'
    this.#boundaries = decides ? new Boundaries() : null
    const flushMs = order.worker.values['offset.flush.interval.ms']
    if (order.transactionalId === null) this.#intervalMs = flushMs
    else if (values['transaction.boundary'].toLowerCase() === 'interval')
      this.#intervalMs = values['transaction.boundary.interval.ms'] ?? flushMs
    else this.#intervalMs = 0
    this.#lastStoredMs = system.clock.monotonic()
  }

  async run(definition: SourceDefinition): Promise<void> {
    const { control, config, tell, order, system } = this.#run
    const { transactionalId } = order
    // Before it looks where to go on: an earlier instance cannot move that any more.
    if (transactionalId === null) this.#writer = this.#client.openRecordWriter({ patienceMs, compression: this.#compression })
    else this.#writer = this.#transactions = await this.#openTransactions(transactionalId)
    if (definition.acknowledges === true) this.#intervalMs = 0
    const { guard } = this.#run
    const opening = guard.call('open', () => definition.open(readValues(definition.config, config) as never, this.#context()))
    const task = guardedSource(await opening, guard)
    this.#task = task
    let closing: Promise<void> | null = null
    const close = () => (closing ??= task.close().catch(error => this.#run.log.warn({ err: error }, 'a source could not be closed')))
    // A source that waits for something is not waited for.
    control.giveUpSignal.addEventListener('abort', close, { once: true })
    try {
      tell({ kind: 'state', state: control.paused ? 'PAUSED' : 'RUNNING' })
      while (!control.stopping) {
        if (control.paused) {
          if (this.#boundaries === null) await this.#store()
          tell({ kind: 'state', state: 'PAUSED' })
          while (control.paused && !control.stopping) await control.changed(system.timers, idleMs)
          if (!control.stopping) tell({ kind: 'state', state: 'RUNNING' })
        } else await this.#step()
      }
      // What the connector has not ended comes again.
      if (this.#boundaries === null) await this.#store()
    } finally {
      await close()
    }
  }

  #openTransactions(transactionalId: string): Promise<TransactionalWriter> {
    const transactionTimeoutMs = Number(this.#producer['transaction.timeout.ms'] ?? defaultTransactionTimeoutMs)
    return this.#client.openTransactionalWriter({ transactionalId, transactionTimeoutMs, patienceMs, compression: this.#compression })
  }

  get #compression(): Compression {
    const asked = this.#producer['compression.type'] ?? 'none'
    return compressions.includes(asked) ? (asked as Compression) : 'none'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // After a failure: nothing is under way when the next instance begins, and readers of committed records need not wait for it.
    await this.#sending.catch(() => {})
    await this.#transactions?.abort().catch(() => {})
    await this.#writer?.close()
  }

  async #step(): Promise<void> {
    const { system, metrics, control } = this.#run
    const records = await this.#poll()
    if (control.giveUpSignal.aborted) return
    if (records.length > 0) metrics.count('source_records_polled', records.length)
    if (this.#boundaries !== null) return this.#sendParts(this.#boundaries.parts(records))
    if (records.length > 0) await this.#send(records)
    else await this.#sending
    const isFull = this.#task?.committed !== undefined && this.#pending >= mostPending
    if (isFull || system.clock.monotonic() - this.#lastStoredMs >= this.#intervalMs) await this.#store()
  }

  async #sendParts(parts: ReturnType<Boundaries['parts']>): Promise<void> {
    for (const [records, end] of parts) {
      await this.#send(records)
      await this.#sending
      if (end === 'abort') {
        await this.#transactions!.abort()
        this.#forget()
      }
      if (end !== null) await this.#store()
      else if (this.#pending > mostInTransaction)
        throw new Error(`The connector has not ended its transaction after ${mostInTransaction} records`)
    }
  }

  async #poll(): Promise<readonly SourceRecord[]> {
    const { control, system, metrics, log } = this.#run
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#task!.poll()
      } catch (error) {
        if (!(error instanceof RetriableError) || control.stopping) throw error
        metrics.count('poll_retries')
        if (attempt === 0) log.warn({ err: error }, 'the source gives no records; it is asked again')
        await pause(system, pauseAfter(error, attempt), control.stopSignal)
        if (control.stopping) return []
      }
    }
  }

  /** Resolves when they are on their way, and those before them in Kafka. */
  async #send(records: readonly SourceRecord[]): Promise<void> {
    const byTopic = new Map<string, Share>()
    const ends: End[] = []
    let share: Share | undefined
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      // Of those that follow each other, the last one counts.
      if (records[index + 1]?.sourcePartition !== record.sourcePartition)
        ends.push({ partition: record.sourcePartition, offset: record.sourceOffset })
      const writing = this.#pipeline.write(record)
      const made = writing instanceof Promise ? await writing : writing
      if (made === null) continue
      if (share?.topic !== made.topic) {
        share = byTopic.get(made.topic) ?? { topic: made.topic, some: [], at: [] }
        byTopic.set(made.topic, share)
      }
      share.some.push(made)
      share.at.push(index)
    }
    await this.#sending
    // Records that nobody wants to be told of need not wait.
    const told = this.#task?.committed === undefined ? null : records
    this.#sending = this.#deliver({ shares: [...byTopic.values()], ends, count: records.length, told })
    // Whoever sends next, or stores offsets, hears of a failure.
    this.#sending.catch(() => {})
  }

  /** Those of one topic go together. Resolves when all are in Kafka. */
  async #deliver({ shares, ends, count, told }: Delivery): Promise<void> {
    let sent = 0
    const placed = told === null ? null : new Array<Offsets[number] | null>(count).fill(null)
    for (const { topic, some, at } of shares) {
      await this.#topics.require(topic)
      const refused = new Map<number, ClientError>()
      const written = await this.#writer!.send(topic, some, refused)
      if (placed !== null)
        for (const { partition, at: places, offset } of written)
          if (offset >= 0n)
            for (const [behind, place] of places.entries()) placed[at[place]!] = { topic, partition, offset: offset + BigInt(behind) }
      for (const error of refused.values()) await this.#refused(error)
      sent += some.length - refused.size
      if (!this.#known.has(topic)) {
        this.#known.add(topic)
        this.#run.tell({ kind: 'topic', topic })
      }
    }
    this.#run.metrics.count('source_records_written', sent)
    for (const end of ends) this.#offsets.set(this.#nameOf(end.partition), end)
    this.#pending += count
    for (const record of told ?? []) this.#untold.records.push(record)
    for (const place of placed ?? []) this.#untold.placed.push(place)
  }

  /** What a topic does not take for what it is, such as a record that is too large, is left out if errors are tolerated (KIP-779), here also in a transaction. */
  async #refused(error: ClientError): Promise<void> {
    await this.#pipeline.errors.report({ stage: 'KAFKA_PRODUCE', className: javaSourceTask, raw: null }, error)
  }

  /** Most sources use one object for all records of a partition. */
  #nameOf(partition: Struct): string {
    let name = this.#names.get(partition)
    if (name === undefined) this.#names.set(partition, (name = canonical(partition)))
    return name
  }

  /** With transactions: commits. Resolves when the offsets of what was sent are stored. */
  async #store(): Promise<void> {
    const { system, order } = this.#run
    await this.#sending
    this.#lastStoredMs = system.clock.monotonic()
    if (this.#offsets.size === 0) return
    const changes = [...this.#offsets.values()]
    if (order.offsetsTopic === null)
      await this.#run.ask(
        'store',
        stringifyLossless(changes.map(({ partition, offset }) => ({ partition: jsonOf(partition), offset: jsonOf(offset) }))),
      )
    else await this.#writer!.send(order.offsetsTopic, await this.#offsetRecords(changes))
    await this.#transactions?.commit()
    this.#offsets.clear()
    const { records, placed } = this.#untold
    this.#forget()
    await this.#task?.committed?.(records, placed)
  }

  #forget(): void {
    this.#pending = 0
    this.#untold = { records: [], placed: [] }
  }

  async #offsetRecords(changes: readonly End[]): Promise<RecordToSend[]> {
    const unknown = changes.map(({ partition }) => partition).filter(partition => !this.#keys.has(canonical(partition)))
    if (unknown.length > 0) await this.#find(unknown)
    return changes.map(({ partition, offset }) => ({ key: this.#keys.get(canonical(partition))!, value: encodeOffset(offset) }))
  }

  async #find(partitions: readonly Struct[]): Promise<(Struct | null)[]> {
    const found = parseLossless(await this.#run.ask('find', stringifyLossless(partitions.map(jsonOf)))) as FoundOffset[]
    for (const [index, { key }] of found.entries()) this.#keys.set(canonical(partitions[index]!), Buffer.from(key, 'base64'))
    return found.map(({ offset }) => offset as Struct | null)
  }

  #context(): SourceContext {
    return {
      ...this.#run.context,
      transaction: this.#boundaries,
      storedOffsets: partitions => this.#find(partitions),
      storeOffsets: async offsets => {
        // Offsets of records that are on their way come before these.
        await this.#sending
        for (const { sourcePartition: partition, sourceOffset: offset } of offsets)
          this.#offsets.set(this.#nameOf(partition), { partition, offset })
        // Not in the middle of a transaction that the connector has to end.
        if (this.#boundaries === null || this.#pending === 0) await this.#store()
      },
      reconfigure: () => {
        // However often it asks.
        this.#reconfiguring ??= this.#run.system.timers.after(reconfigureMs, () => {
          this.#reconfiguring = null
          this.#run.tell({ kind: 'reconfigure' })
        })
      },
    }
  }
}
