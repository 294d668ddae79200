/** One partition is enough for what people configure, and gives all writes one order. Tables that are not about one thing may have more. */
import { pause, type System, type Timer } from '../base.ts'
import { type Client, ClientError, type Placed, type TopicInfo } from '../client.ts'
import type { Logger } from '../logger.ts'

export interface TableRecord {
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** It was applied before: the topic was deleted, and what it held is in it again. */
  readonly isAgain: boolean
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
  writeAll(records: readonly Row[]): Promise<void>
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
const unknownMs = 200
const firstAttempts = 10
/** Of failures in a row. */
const tellEach = 30
/** After which a process that has not made a topic again writes what it lacks. */
const restoreMs = 5_000
const maxWaitMs = 500
const maxBytes = 16_777_216

/** Who sends it at this moment may try again soon. */
class Deleted extends ClientError {
  constructor(topic: string) {
    super('UNKNOWN_TOPIC_OR_PARTITION', `the topic ${topic} was deleted; it is made again`)
  }
}

/**
 * Resolves when all records that are there have been applied. Creates the topic if it is missing.
 *
 * If somebody deletes the topic later, it is made again, and what this process knows is written to it, as far as others have not done so before.
 */
export async function openTopicTable(options: TopicTableOptions): Promise<TopicTable> {
  const { partitions } = await requireTopic(options)
  const table = new Follower(options, partitions)
  table.follow()
  try {
    await table.begin()
    return table
  } catch (error) {
    await table.close()
    throw error
  }
}

/** `isMade`: by this call. */
async function requireTopic(options: TopicTableOptions): Promise<{ readonly partitions: readonly number[]; readonly isMade: boolean }> {
  const { client, topic, partitions, replicas, system } = options
  const found = await describe(options)
  if (found === null)
    return client.createTopic({ name: topic, partitions: partitions ?? 1, replicas, configs: configsOf(options) }).then(
      () => ({ partitions: Array.from({ length: partitions ?? 1 }, (_, partition) => partition), isMade: true }),
      async refused => {
        if (!(refused instanceof ClientError) || refused.code !== 'TOPIC_ALREADY_EXISTS') throw refused
        // Another instance was faster; the broker that was asked does not know yet.
        await pause(system, unknownMs)
        return requireTopic(options)
      },
    )
  if (partitions === undefined && found.partitions.length !== 1) throw new WrongPartitions(topic, found.partitions.length)
  await requirePolicy(options)
  return { partitions: found.partitions, isMade: false }
}

function configsOf({ configs }: TopicTableOptions): Map<string, string> {
  return new Map(configs ?? []).set('cleanup.policy', 'compact')
}

/** null: there is none. */
async function describe({ client, topic }: TopicTableOptions): Promise<{ readonly id: string; readonly partitions: number[] } | null> {
  try {
    const [{ id, partitions }] = (await client.topics([topic])) as [TopicInfo]
    return { id, partitions: partitions.map(({ partition }) => partition) }
  } catch (error) {
    if (error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return null
    throw error
  }
}

async function requirePolicy({ client, topic }: TopicTableOptions): Promise<void> {
  const configs = await client.configs({ type: 'TOPIC', name: topic })
  const policy = configs.find(({ name }) => name === 'cleanup.policy')?.value ?? 'compact'
  if (policy !== 'compact') throw new WrongPolicy(topic, policy)
}

interface Waiting {
  readonly positions: Positions
  resolve(): void
  reject(error: Error): void
}

type Row = Pick<TableRecord, 'key' | 'value'>
type Positions = ReadonlyMap<number, bigint>

class Follower implements TopicTable {
  readonly #options: TopicTableOptions
  #positions: Map<number, bigint>
  /** What the topic amounts to, in the order in which it was written. */
  readonly #known = new Map<string, Row>()
  /** Of a topic that was made again: what was known and has not come back. */
  #lacking = new Map<string, Row>()
  /** When what is lacking is to be written: its time has come; null: it is not to be. */
  #restores: { isDue: boolean } | null = null
  /** Of the topic; empty: not known yet, or the cluster is too old for it. */
  #id = ''
  readonly #stop = new AbortController()
  #waiting: Waiting[] = []
  #retry: Timer | null = null
  /** In a row. */
  #failures = 0
  /** Records that are not understood. */
  #foreign = 0

  constructor(options: TopicTableOptions, partitions: readonly number[]) {
    this.#options = options
    this.#positions = new Map(partitions.map(partition => [partition, 0n]))
  }

  get position(): bigint {
    return this.#positions.get(0)!
  }

  async write(key: Buffer, value: Buffer | null): Promise<bigint> {
    const before = new Map(this.#positions)
    const [placed] = await this.#send([{ key, value }])
    const { partition, offset } = placed!
    await this.#requireSame(before, new Map([[partition, offset]]))
    await this.#reached(new Map([[partition, offset + 1n]]))
    return offset
  }

  async writeAll(records: readonly Row[]): Promise<void> {
    await this.#send(records)
    await this.catchUp()
  }

  #send(records: readonly Row[]): Promise<Placed[]> {
    const { client, topic } = this.#options
    const only = this.#positions.size === 1 ? 0 : undefined
    const sent = records.map(({ key, value }) => ({ key, value, partition: only }))
    return client.send(topic, sent, { acks: 'all', creates: false })
  }

  async catchUp(): Promise<void> {
    const before = new Map(this.#positions)
    const ends = await this.#ends()
    await this.#requireSame(before, ends)
    await this.#reached(ends)
  }

  /** Throws Deleted if `reached`, which should not be before what was read, is of another topic of this name. */
  async #requireSame(before: Positions, reached: Positions): Promise<void> {
    for (const [partition, offset] of reached)
      if (offset < before.get(partition)! && (await describe(this.#options))?.id !== this.#id) throw new Deleted(this.#options.topic)
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
        await pause({ timers }, retryMs)
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
  #ends(): Promise<Positions> {
    const { client, topic } = this.#options
    return client.offsets(topic, [...this.#positions.keys()], 'stable')
  }

  /** Positions go on behind markers of transactions, too, which are no records. */
  async #read(): Promise<void> {
    const { client, topic } = this.#options
    await this.#requireTopic()
    this.#advance(await client.offsets(topic, [...this.#positions.keys()], 'earliest'))
    const end = this.#restores === null ? null : await this.#ends()
    const reader = client.openReader()
    const close = () => void reader.close().catch(() => {})
    this.#stop.signal.addEventListener('abort', close, { once: true })
    try {
      while (!this.#stop.signal.aborted) {
        const positions = Array.from(this.#positions, ([partition, offset]) => ({ topic, partition, offset }))
        const { records, next, outOfRange } = await reader.poll({ positions, maxWaitMs, maxBytes, committedOnly: true })
        for (const record of records) this.#apply(record)
        this.#advance(new Map(next.map(({ partition, offset }) => [partition, offset])))
        if (this.#restores?.isDue === true && this.#has(end!)) await this.#restore()
        this.#settle()
        this.#failures = 0
        if (outOfRange.length > 0) throw new ClientError('OFFSET_OUT_OF_RANGE', `${topic} has lost records that were not read`)
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', close)
      close()
    }
  }

  /** Whether it is still the same one. If not, all of it is read. */
  async #requireTopic(): Promise<void> {
    const { client, topic, logger, system } = this.#options
    const found = await describe(this.#options)
    if (this.#id === '') this.#id = found?.id ?? ''
    if (found?.id === this.#id || this.#id === '') return
    // It was made by whoever wrote to it first, with the configuration of any topic.
    if (found !== null) await client.alterConfigs({ type: 'TOPIC', name: topic }, configsOf(this.#options))
    const { partitions, isMade } = await requireTopic(this.#options)
    const made = await describe(this.#options)
    if (made === null || made.id === this.#id) return
    logger.warn(
      { topic, records: this.#known.size },
      'a topic that the services need was deleted; it is made again, with what is known here',
    )
    this.#id = made.id
    this.#positions = new Map(partitions.map(partition => [partition, 0n]))
    this.#lacking = new Map(this.#known)
    // Whoever has made it writes first: what several write would be news to each of them.
    const restores = { isDue: isMade }
    this.#restores = restores
    if (!isMade) system.timers.after(restoreMs, () => (restores.isDue = true))
    for (const each of this.#waiting.splice(0)) each.reject(new Deleted(topic))
  }

  async #restore(): Promise<void> {
    if (this.#lacking.size > 0) await this.#send([...this.#lacking.values()])
    this.#restores = null
  }

  #advance(offsets: Positions): void {
    for (const [partition, offset] of offsets) if (offset > this.#positions.get(partition)!) this.#positions.set(partition, offset)
  }

  #apply({ offset, timestampMs, key, value, partition }: Omit<TableRecord, 'isAgain'> & { readonly partition: number }): void {
    try {
      this.#options.apply({ offset, timestampMs, key, value, isAgain: this.#keep(key, value) })
    } catch (error) {
      const { logger, topic } = this.#options
      // The first one, and each time that there are ten times as many: a topic may be full of them.
      if (/^10*$/.test(String(++this.#foreign)))
        logger.warn({ topic, offset: String(offset), records: this.#foreign, err: error }, 'a record is not understood and ignored')
    }
    this.#positions.set(partition, offset + 1n)
  }

  /** Whether it was known already. */
  #keep(key: Buffer | null, value: Buffer | null): boolean {
    if (key === null) return false
    const name = key.toString('latin1')
    const isAgain = this.#lacking.delete(name) && value !== null && this.#known.get(name)?.value?.equals(value) === true
    this.#known.delete(name)
    if (value !== null) this.#known.set(name, { key, value })
    return isAgain
  }

  #has(positions: Positions): boolean {
    for (const [partition, position] of positions) if (this.#positions.get(partition)! < position) return false
    return true
  }

  #reached(positions: Positions): Promise<void> {
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
