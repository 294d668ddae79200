/** One partition is enough for what people configure, and gives all writes one order. Tables that are not about one thing may have more. */
import type { System, Timer } from '../base.ts'
import { type Client, ClientError, type Placed } from '../client.ts'
import type { Logger } from '../logger.ts'

export interface TableRecord {
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
}

export interface TopicTableOptions {
  readonly client: Client
  readonly topic: string
  /** Where the topic is missing. If it is given, the topic may have any number of them; records with one key are in order. Default: one. */
  readonly partitions?: number
  /** Where the topic is missing; default: the broker's. */
  readonly replicas?: number | undefined
  /** Where the topic is missing, besides `cleanup.policy`. */
  readonly configs?: ReadonlyMap<string, string>
  readonly logger: Pick<Logger, 'warn'>
  readonly system: Pick<System, 'timers'>
  /** Called for each record in order, those that are there already and later ones. What it throws is logged, and the record counts as applied. */
  apply(record: TableRecord): void
}

export interface TopicTable {
  /** The offset after the last record that was applied, of the first partition. */
  readonly position: bigint
  /** null: a tombstone. Resolves to its offset when it is durable and has been applied here. Rejects with ClientError. */
  write(key: Buffer, value: Buffer | null): Promise<bigint>
  /** Several, in one request. */
  writeAll(records: readonly Pick<TableRecord, 'key' | 'value'>[]): Promise<void>
  /** Resolves when all that is durable now has been applied here. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

/** The topic exists, but would lose or keep the wrong records. */
class WrongPolicy extends Error {
  constructor(topic: string, policy: string) {
    super(
      `The topic ${topic} has cleanup.policy=${policy}, which would lose what is stored in it. Run: millrace topic alter ${topic} --set cleanup.policy=compact`,
    )
    this.name = 'WrongPolicy'
  }
}

/** All records have one order only if they are in one partition. */
class WrongPartitions extends Error {
  constructor(topic: string, partitions: number) {
    super(
      `The topic ${topic} has ${partitions} partitions; it must have one. Copy its records to a topic with one partition, in order of their time`,
    )
    this.name = 'WrongPartitions'
  }
}

const retryMs = 1_000
const firstAttempts = 10
/** Of failures in a row. */
const tellEach = 30
const maxWaitMs = 500
const maxBytes = 16_777_216

/** Resolves when all records that are there have been applied. Creates the topic if it is missing. */
export async function openTopicTable(options: TopicTableOptions): Promise<TopicTable> {
  const table = new Follower(options, await requireTopic(options))
  table.follow()
  await table.begin()
  return table
}

async function requireTopic(options: TopicTableOptions): Promise<readonly number[]> {
  const { client, topic, partitions, replicas, configs } = options
  let found: readonly number[]
  try {
    found = (await client.topics([topic]))[0]!.partitions.map(({ partition }) => partition)
    if (partitions === undefined && found.length !== 1) throw new WrongPartitions(topic, found.length)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    const policies = new Map(configs ?? []).set('cleanup.policy', 'compact')
    return client.createTopic({ name: topic, partitions: partitions ?? 1, replicas, configs: policies }).then(
      () => Array.from({ length: partitions ?? 1 }, (_, partition) => partition),
      refused => {
        // Another instance was faster.
        if (!(refused instanceof ClientError) || refused.code !== 'TOPIC_ALREADY_EXISTS') throw refused
        return requireTopic(options)
      },
    )
  }
  await requirePolicy(options)
  return found
}

async function requirePolicy({ client, topic }: TopicTableOptions): Promise<void> {
  const configs = await client.configs({ type: 'TOPIC', name: topic })
  const policy = configs.find(({ name }) => name === 'cleanup.policy')?.value ?? 'compact'
  if (policy !== 'compact') throw new WrongPolicy(topic, policy)
}

interface Waiting {
  readonly positions: ReadonlyMap<number, bigint>
  resolve(): void
  reject(error: Error): void
}

class Follower implements TopicTable {
  readonly #options: TopicTableOptions
  readonly #positions: Map<number, bigint>
  readonly #stop = new AbortController()
  #waiting: Waiting[] = []
  #retry: Timer | null = null
  /** In a row. */
  #failures = 0

  constructor(options: TopicTableOptions, partitions: readonly number[]) {
    this.#options = options
    this.#positions = new Map(partitions.map(partition => [partition, 0n]))
  }

  get position(): bigint {
    return this.#positions.get(0)!
  }

  async write(key: Buffer, value: Buffer | null): Promise<bigint> {
    const [placed] = await this.#send([{ key, value }])
    const { partition, offset } = placed!
    await this.#reached(new Map([[partition, offset + 1n]]))
    return offset
  }

  async writeAll(records: readonly Pick<TableRecord, 'key' | 'value'>[]): Promise<void> {
    await this.#send(records)
    await this.catchUp()
  }

  #send(records: readonly Pick<TableRecord, 'key' | 'value'>[]): Promise<Placed[]> {
    const { client, topic } = this.#options
    const only = this.#positions.size === 1 ? 0 : undefined
    const sent = records.map(({ key, value }) => ({ key, value, partition: only }))
    return client.send(topic, sent, { acks: 'all' })
  }

  async catchUp(): Promise<void> {
    await this.#reached(await this.#ends())
  }

  /** For the first time: a topic that was just made is not known to each broker yet. */
  async begin(): Promise<void> {
    const { timers } = this.#options.system
    for (let attempt = 1; ; attempt++)
      try {
        return await this.catchUp()
      } catch (error) {
        const isFresh = error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION'
        if (!isFresh || attempt === firstAttempts) throw error
        await new Promise<void>(resolve => timers.after(retryMs, resolve))
      }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#retry?.cancel()
    for (const each of this.#waiting.splice(0)) each.reject(this.#closed())
    // A fetch under way, which nobody listens to any more, ends with the client.
  }

  follow(): void {
    void this.#read().catch(error => {
      if (this.#stop.signal.aborted) return
      const { logger, topic, system } = this.#options
      // Brokers may be away for long.
      if (this.#failures++ % tellEach === 0) logger.warn({ topic, err: error }, 'cannot follow a topic; it is tried again')
      this.#retry = system.timers.after(retryMs, () => this.follow())
    })
  }

  /** Of what readers of committed records see: behind it there may be the records of a transaction that never ends. */
  #ends(): Promise<Map<number, bigint>> {
    const { client, topic } = this.#options
    return client.offsets(topic, [...this.#positions.keys()], 'stable')
  }

  /** Positions go on behind markers of transactions, too, which are no records. */
  async #read(): Promise<void> {
    const { client, topic } = this.#options
    this.#advance(await client.offsets(topic, [...this.#positions.keys()], 'earliest'))
    const reader = client.openReader()
    const close = () => void reader.close().catch(() => {})
    this.#stop.signal.addEventListener('abort', close, { once: true })
    try {
      while (!this.#stop.signal.aborted) {
        const positions = Array.from(this.#positions, ([partition, offset]) => ({ topic, partition, offset }))
        const { records, next, outOfRange } = await reader.poll({ positions, maxWaitMs, maxBytes, committedOnly: true })
        for (const record of records) this.#apply(record)
        this.#advance(new Map(next.map(({ partition, offset }) => [partition, offset])))
        this.#settle()
        this.#failures = 0
        if (outOfRange.length > 0) throw new ClientError('OFFSET_OUT_OF_RANGE', `${topic} has lost records that were not read`)
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', close)
      close()
    }
  }

  #advance(offsets: ReadonlyMap<number, bigint>): void {
    for (const [partition, offset] of offsets) if (offset > this.#positions.get(partition)!) this.#positions.set(partition, offset)
  }

  #apply(record: TableRecord & { readonly partition: number }): void {
    try {
      this.#options.apply(record)
    } catch (error) {
      const { logger, topic } = this.#options
      logger.warn({ topic, offset: String(record.offset), err: error }, 'a record is not understood and ignored')
    }
    this.#positions.set(record.partition, record.offset + 1n)
  }

  #has(positions: ReadonlyMap<number, bigint>): boolean {
    for (const [partition, position] of positions) if (this.#positions.get(partition)! < position) return false
    return true
  }

  #reached(positions: ReadonlyMap<number, bigint>): Promise<void> {
    if (this.#has(positions)) return Promise.resolve()
    if (this.#stop.signal.aborted) return Promise.reject(this.#closed())
    return new Promise((resolve, reject) => void this.#waiting.push({ positions, resolve, reject }))
  }

  #closed(): ClientError {
    return new ClientError('FAILED', `the table ${this.#options.topic} is closed`)
  }

  #settle(): void {
    const late = this.#waiting.filter(each => !this.#has(each.positions))
    for (const each of this.#waiting) if (this.#has(each.positions)) each.resolve()
    this.#waiting = late
  }
}
