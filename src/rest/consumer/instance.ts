/**
 * A consumer that lives between requests: its subscription or assignment, where it reads in each partition, and the records that were fetched and not
 * given yet.
 *
 * Operations run one after another, as in Kafka's consumer. It fetches only when asked for records, so that a slow reader holds nothing up.
 */
import { pause, type System, Turns } from '../../base.ts'
import {
  type Client,
  ClientError,
  type CommittedOffset,
  type Membership,
  type OwnPartition,
  type PartitionName,
  type PartitionOffset,
  type Reader,
  type ReceivedRecord,
} from '../../client.ts'
import { HttpError } from '../../http.ts'
import { Positions } from './positions.ts'

export interface InstanceOptions {
  readonly group: string
  /** Of keys and values, as the API names it. */
  readonly format: string
  readonly reset: 'earliest' | 'latest' | 'none'
  readonly autoCommit: boolean
  /** -1: a request waits for as many records as come in its time. */
  readonly minBytes: number
  readonly requestTimeoutMs: number
  readonly committedOnly?: boolean
}

export interface ReadLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly maxRecords?: number
}

/** Waits only where something has to be fetched first. */
export type Take<T> = (record: ReceivedRecord) => T | Promise<T>

const autoCommitMs = 5_000
/** Of one fetch, and so about what is kept for the next request. */
const mostFetchBytes = 4_194_304
const leastFetchBytes = 65_536
const mostWaitMs = 500
const pauseMs = 50
/** Topics that match a pattern are looked for at most so often. */
const patternMs = 5_000

export class ConsumerInstance {
  readonly options: InstanceOptions
  readonly #client: Client
  readonly #system: System
  readonly #turns: Turns
  readonly #reader: Reader
  #topics: string[] = []
  #pattern: RegExp | null = null
  #matchedMs = 0
  #membership: Promise<Membership> | null = null
  #manual: PartitionName[] = []
  /** Where the next fetch begins. */
  readonly #fetched = new Positions()
  /** Behind what has been given. */
  readonly #given = new Positions()
  /** As a member, when it last looked. */
  #own: readonly OwnPartition[] = []
  #buffer: ReceivedRecord[] = []
  #tail: Promise<unknown> = Promise.resolve()
  #committedMs: number
  #isClosed = false

  constructor(client: Client, system: System, options: InstanceOptions, turns = new Turns(system)) {
    this.options = options
    this.#client = client
    this.#system = system
    this.#turns = turns
    this.#reader = client.openReader()
    this.#committedMs = system.clock.monotonic()
  }

  /** One operation after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => {
      if (this.#isClosed) throw new HttpError(404, 40_403, 'Consumer instance not found.')
      return work()
    })
    this.#tail = done.catch(() => {})
    return done
  }

  subscribe(topics: readonly string[]): Promise<void> {
    return this.#alone(async () => {
      if (this.#manual.length > 0) throw exclusive()
      this.#pattern = null
      await this.#join(topics)
    })
  }

  /** Topics that come later are taken in when records are asked for. */
  subscribeToPattern(pattern: RegExp): Promise<void> {
    return this.#alone(async () => {
      if (this.#manual.length > 0) throw exclusive()
      this.#pattern = pattern
      await this.#join(await this.#matching(pattern))
    })
  }

  /** Internal topics are left out, as by Kafka's consumer. */
  async #matching(pattern: RegExp): Promise<string[]> {
    this.#matchedMs = this.#system.clock.monotonic()
    return (await this.#client.topicNames()).filter(each => !each.startsWith('__') && pattern.test(each))
  }

  async #join(topics: readonly string[]): Promise<void> {
    await this.#leave()
    this.#topics = [...topics]
    if (topics.length === 0) return
    this.#membership = this.#client.join({ group: this.options.group, topics })
    // Told to whoever reads next.
    this.#membership.catch(() => {})
  }

  async #lookForTopics(): Promise<void> {
    if (this.#pattern === null || this.#system.clock.monotonic() - this.#matchedMs < patternMs) return
    const found = await this.#matching(this.#pattern)
    if (found.length !== this.#topics.length || found.some((each, at) => each !== this.#topics[at])) await this.#join(found)
  }

  unsubscribe(): Promise<void> {
    return this.#alone(async () => {
      await this.#leave()
      this.#pattern = null
      this.#topics = []
      this.#manual = []
    })
  }

  get topics(): readonly string[] {
    return this.#topics
  }

  assign(partitions: readonly PartitionName[]): Promise<void> {
    return this.#alone(async () => {
      if (this.#topics.length > 0 || this.#pattern !== null) throw exclusive()
      const kept = Positions.of(partitions)
      this.#forget(this.#manual.filter(each => !kept.has(each)))
      this.#manual = kept.all().map(({ topic, partition }) => ({ topic, partition }))
    })
  }

  assignments(): Promise<PartitionName[]> {
    return this.#alone(async () => (await this.#assigned()).map(({ topic, partition }) => ({ topic, partition })))
  }

  seek(positions: readonly (PartitionName & { offset: bigint | 'earliest' | 'latest' | { timestampMs: bigint } })[]): Promise<void> {
    return this.#alone(async () => {
      const assigned = Positions.of(await this.#assigned())
      for (const { topic, partition } of positions)
        if (!assigned.has({ topic, partition }))
          throw new HttpError(409, 40_903, `Illegal state: No current assignment for partition ${topic}-${partition}`)
      const found = new Positions()
      for (const { topic, partition, offset } of positions) {
        const position = typeof offset === 'bigint' ? offset : (await this.#client.offsets(topic, [partition], offset)).get(partition)!
        found.set({ topic, partition }, position)
      }
      this.#forget(found.all())
      for (const each of found.all()) {
        this.#fetched.set(each, each.offset)
        this.#given.set(each, each.offset)
      }
    })
  }

  /** null: behind what has been given, of partitions that are its own. What the user names is committed whoever reads it, as by Kafka's consumer. */
  commit(offsets: readonly CommittedOffset[] | null): Promise<void> {
    return this.#alone(() => (offsets === null ? this.#commit(this.#given.all()) : this.#commitNamed(offsets)))
  }

  /** Of partitions that are its own now. */
  commitOwn(offsets: readonly CommittedOffset[]): Promise<void> {
    return this.#alone(() => this.#commit(offsets))
  }

  /** Records until a maximum is reached or the time is over, in the form that `take` gives them. */
  read<T>(limits: ReadLimits, take: Take<T>): Promise<T[]> {
    return this.#alone(() => this.#read(limits, take))
  }

  /** Behind what has been given. */
  get positions(): PartitionOffset[] {
    return this.#given.all()
  }

  async close(): Promise<void> {
    await this.#alone(async () => {
      await this.#leave()
      this.#isClosed = true
      await this.#reader.close()
    })
  }

  async #read<T>({ timeoutMs, maxBytes, maxRecords = Number.POSITIVE_INFINITY }: ReadLimits, take: Take<T>): Promise<T[]> {
    const { clock, timers } = this.#system
    const end = clock.monotonic() + timeoutMs
    await this.#lookForTopics()
    await this.#commitBefore()
    const taken: T[] = []
    let bytes = 0
    /** Until it is enough, or there are no more. */
    const isFull = async (): Promise<boolean> => {
      let next = 0
      let isEnough = false
      while (!isEnough && next < this.#buffer.length) {
        if (this.#turns.over) await this.#turns.next()
        const record = this.#buffer[next]!
        const size = (record.key?.length ?? 0) + (record.value?.length ?? 0)
        isEnough = taken.length >= maxRecords || (bytes + size >= maxBytes && bytes > 0)
        if (isEnough) break
        const given = this.#give(record, take, taken)
        isEnough = !(typeof given === 'boolean' ? given : await given)
        if (isEnough) break
        next++
        bytes += size
        isEnough = bytes >= maxBytes
      }
      this.#buffer = next === this.#buffer.length ? [] : this.#buffer.slice(next)
      const { minBytes } = this.options
      return isEnough || (minBytes >= 0 && bytes > minBytes)
    }
    for (;;) {
      if (await isFull()) break
      const left = end - clock.monotonic()
      if (left <= 0) break
      const waitMs = taken.length > 0 ? 0 : Math.min(mostWaitMs, Math.ceil(left))
      const isReading = await this.#fill(waitMs, maxBytes)
      // What is there now has been given.
      if (this.#buffer.length === 0 && taken.length > 0) break
      if (!isReading) await pause({ timers }, pauseMs)
    }
    return taken
  }

  /** False: what cannot be taken is left to the next request, whose answer is then its error. */
  #give<T>(record: ReceivedRecord, take: Take<T>, taken: T[]): boolean | Promise<boolean> {
    const given = (made: T) => {
      taken.push(made)
      this.#given.set(record, record.offset + 1n)
      return true
    }
    const refused = (error: unknown) => {
      if (taken.length === 0) throw error
      return false
    }
    try {
      const made = take(record)
      return made instanceof Promise ? made.then(given, refused) : given(made)
    } catch (error) {
      return refused(error)
    }
  }

  /** Fetches once. False: there is nothing to read from. What is fetched stays in memory until it is given, so it is no more than is wanted at once. */
  async #fill(maxWaitMs: number, wantedBytes: number): Promise<boolean> {
    const assigned = await this.#begin()
    if (assigned.length === 0) return false
    const positions = assigned.map(each => ({ ...each, offset: this.#fetched.get(each)! }))
    const { records, next, outOfRange } = await this.#reader.poll({
      positions,
      maxWaitMs,
      maxBytes: Math.min(mostFetchBytes, Math.max(wantedBytes, leastFetchBytes)),
      committedOnly: this.options.committedOnly === true,
    })
    for (const each of next) this.#fetched.set(each, each.offset)
    this.#buffer = this.#buffer.length === 0 ? records : [...this.#buffer, ...records]
    for (const each of outOfRange) this.#fetched.set(each, await this.#resetOf(each))
    return true
  }

  /** What is assigned now, each with a position. */
  async #begin(): Promise<PartitionName[]> {
    const assigned = await this.#assigned()
    const fresh = assigned.filter(each => !this.#fetched.has(each))
    if (fresh.length > 0) {
      const committed = new Positions()
      for (const each of await this.#client.groupOffsets(this.options.group, '')) committed.set(each, each.offset)
      for (const each of fresh) this.#fetched.set(each, committed.get(each) ?? (await this.#resetOf(each)))
    }
    return assigned
  }

  async #assigned(): Promise<PartitionName[]> {
    if (this.#membership === null) return this.#manual
    const joined = await Promise.race([this.#membership, this.#soon()])
    const own = joined?.assignments() ?? []
    const kept = new Set(own.map(tenureOf))
    // Others may have read them meanwhile.
    this.#forget(this.#own.filter(each => !kept.has(tenureOf(each))))
    this.#own = own
    return own
  }

  /** Who joins is not waited for longer than a request takes. */
  #soon(): Promise<null> {
    return new Promise(resolve => this.#system.timers.after(pauseMs, () => resolve(null)))
  }

  async #resetOf({ topic, partition }: PartitionName): Promise<bigint> {
    const { reset } = this.options
    if (reset === 'none')
      throw new ClientError('OFFSET_OUT_OF_RANGE', `${topic}-${partition} has no committed offset, and auto.offset.reset is none`)
    return (await this.#client.offsets(topic, [partition], reset)).get(partition)!
  }

  #forget(partitions: readonly PartitionName[]): void {
    if (partitions.length === 0) return
    for (const each of partitions) {
      this.#fetched.delete(each)
      this.#given.delete(each)
    }
    const gone = Positions.of(partitions)
    this.#buffer = this.#buffer.filter(each => !gone.has(each))
  }

  async #commit(offsets: readonly CommittedOffset[]): Promise<void> {
    this.#committedMs = this.#system.clock.monotonic()
    if (offsets.length === 0) return
    if (this.#membership === null) await this.#client.commit(this.options.group, offsets)
    else await (await this.#membership).commit(offsets)
  }

  /** Before a read, as by Kafka's consumer: who asks again has what was given before, and no record is taken yet that an error would lose. */
  async #commitBefore(): Promise<void> {
    if (!this.options.autoCommit || this.#system.clock.monotonic() - this.#committedMs < autoCommitMs) return
    try {
      await this.#commit(this.#given.all())
    } catch (error) {
      // It is committed later, or by others.
      if (!(error instanceof ClientError) || error.code !== 'REBALANCE_IN_PROGRESS') throw error
    }
  }

  async #commitNamed(offsets: readonly CommittedOffset[]): Promise<void> {
    if (this.#membership === null || offsets.length === 0) return this.#commit(offsets)
    const identity = (await this.#membership).identity()
    await this.#client.commitAs({ group: this.options.group, ...identity }, offsets)
  }

  async #leave(): Promise<void> {
    const membership = this.#membership
    try {
      if (this.options.autoCommit) await this.#commit(this.#given.all())
    } catch {
      // It goes in any case: whoever takes over reads again what was not committed.
    }
    this.#membership = null
    this.#own = []
    this.#fetched.clear()
    this.#given.clear()
    this.#buffer = []
    await membership?.then(
      each => each.close(),
      () => {},
    )
  }
}

function exclusive(): HttpError {
  return new HttpError(409, 40_903, 'Illegal state: Subscription to topics, partitions and pattern are mutually exclusive')
}

function tenureOf({ topic, partition, since }: OwnPartition): string {
  return `${topic} ${partition} ${since}`
}
