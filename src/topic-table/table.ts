/** One partition is enough for what people configure, and gives all writes one order. */
import type { System, Timer } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
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
  readonly logger: Pick<Logger, 'warn'>
  readonly system: Pick<System, 'timers'>
  /** Called for each record in order, those that are there already and later ones. What it throws is logged, and the record counts as applied. */
  apply(record: TableRecord): void
}

export interface TopicTable {
  /** The offset after the last record that was applied. */
  readonly position: bigint
  /** null: a tombstone. Resolves to its offset when it is durable and has been applied here. Rejects with ClientError. */
  write(key: Buffer, value: Buffer | null): Promise<bigint>
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
const partition = 0

/** Resolves when all records that are there have been applied. Creates the topic if it is missing. */
export async function openTopicTable(options: TopicTableOptions): Promise<TopicTable> {
  await requireTopic(options)
  const table = new Follower(options)
  table.follow()
  await table.catchUp()
  return table
}

async function requireTopic({ client, topic }: TopicTableOptions): Promise<void> {
  try {
    const [found] = await client.topics([topic])
    if (found!.partitions.length !== 1) throw new WrongPartitions(topic, found!.partitions.length)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    await client.createTopic({ name: topic, partitions: 1, configs: new Map([['cleanup.policy', 'compact']]) }).catch(refused => {
      // Another instance was faster.
      if (!(refused instanceof ClientError) || refused.code !== 'TOPIC_ALREADY_EXISTS') throw refused
    })
    return
  }
  const configs = await client.configs({ type: 'TOPIC', name: topic })
  const policy = configs.find(({ name }) => name === 'cleanup.policy')?.value ?? 'compact'
  if (policy !== 'compact') throw new WrongPolicy(topic, policy)
}

interface Waiting {
  readonly position: bigint
  resolve(): void
  reject(error: Error): void
}

class Follower implements TopicTable {
  position = 0n
  readonly #options: TopicTableOptions
  readonly #stop = new AbortController()
  #following: Promise<void> = Promise.resolve()
  #waiting: Waiting[] = []
  #retry: Timer | null = null

  constructor(options: TopicTableOptions) {
    this.#options = options
  }

  async write(key: Buffer, value: Buffer | null): Promise<bigint> {
    const { client, topic } = this.#options
    const [placed] = await client.send(topic, [{ key, value, partition }], { acks: 'all' })
    const { offset } = placed!
    await this.#reached(offset + 1n)
    return offset
  }

  async catchUp(): Promise<void> {
    const { client, topic } = this.#options
    const ends = await client.offsets(topic, [partition], 'latest')
    await this.#reached(ends.get(partition)!)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#retry?.cancel()
    const closed = new ClientError('FAILED', `the table ${this.#options.topic} is closed`)
    for (const each of this.#waiting.splice(0)) each.reject(closed)
    await this.#following
  }

  follow(): void {
    this.#following = this.#read().catch(error => {
      if (this.#stop.signal.aborted) return
      const { logger, topic, system } = this.#options
      logger.warn({ topic, err: error }, 'cannot follow a topic; it is tried again')
      this.#retry = system.timers.after(retryMs, () => this.follow())
    })
  }

  async #read(): Promise<void> {
    const { client, topic } = this.#options
    const starts = await client.offsets(topic, [partition], 'earliest')
    const start = starts.get(partition)!
    if (start > this.position) this.position = start
    // What is at the end may be no record, but the marker of a transaction: only a read that ends there tells.
    const ends = await client.offsets(topic, [partition], 'latest')
    await this.#take(ends)
    if (this.#stop.signal.aborted) return
    if (ends.get(partition)! > this.position) this.position = ends.get(partition)!
    this.#settle()
    await this.#take(null)
  }

  async #take(until: ReadonlyMap<number, bigint> | null): Promise<void> {
    const { client, topic } = this.#options
    const from = new Map([[partition, this.position]])
    for await (const records of client.read({ topic, from, until, committedOnly: true, signal: this.#stop.signal })) {
      for (const record of records) this.#apply(record)
      this.#settle()
    }
  }

  #apply(record: TableRecord): void {
    try {
      this.#options.apply(record)
    } catch (error) {
      const { logger, topic } = this.#options
      logger.warn({ topic, offset: String(record.offset), err: error }, 'a record is not understood and ignored')
    }
    this.position = record.offset + 1n
  }

  #reached(position: bigint): Promise<void> {
    if (this.position >= position) return Promise.resolve()
    return new Promise((resolve, reject) => void this.#waiting.push({ position, resolve, reject }))
  }

  #settle(): void {
    const late = this.#waiting.filter(each => each.position > this.position)
    for (const each of this.#waiting) if (each.position <= this.position) each.resolve()
    this.#waiting = late
  }
}
