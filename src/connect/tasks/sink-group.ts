/**
 * The tasks of a sink as members of its consumer group, with Kafka's protocol for consumers.
 *
 * Partitions are given up before the group goes on, so that a task writes and commits what it has taken before another task reads there. Who assigns
 * spreads the partitions of all topics over all members; with members of Java, which know `range`, by their rule.
 */
import { linearRegExp, type System, type Timer } from '../../base.ts'
import { type ClassicMembership, type Client, ClientError } from '../../client.ts'
import type { Offsets, TopicPartition } from '../../connector.ts'
import { consumerProtocol, decodeConsumerProtocol, encodeVersioned } from '../../protocol.ts'

export interface SinkGroupOptions {
  readonly client: Client
  readonly group: string
  readonly topics: readonly string[]
  /** Instead of topics. */
  readonly pattern: string | null
  /** Of an earlier thread of the task, in whose place this one goes on: the group does not wait for the end of its session. '': none. */
  readonly memberId: string
  readonly joined: (memberId: string) => void
  readonly sessionTimeoutMs: number
  readonly heartbeatMs: number
  readonly rebalanceTimeoutMs: number
  /** How often new topics and partitions are looked for. */
  readonly refreshMs: number
  /** Aborted when it is to end: it does not wait for the others then. */
  readonly stopSignal: AbortSignal
  readonly system: Pick<System, 'clock' | 'timers'>
}

const missingRefreshMs = 2_000

/** By topic the number of its partitions. */
type Counts = ReadonlyMap<string, number>

export class SinkGroup {
  readonly #options: SinkGroupOptions
  readonly #matches: (topic: string) => boolean
  #memberId: string
  #membership: ClassicMembership | null = null
  #mustRejoin = false
  #hasLost = false
  /** So that the answer to a heartbeat of an earlier generation is not taken for one of this generation. */
  #joins = 0
  #timer: Timer | null = null
  #lastRefreshMs = 0
  /** What was there when this member joined. */
  #seen = ''
  #missing: readonly string[] = []
  #closed = false

  constructor(options: SinkGroupOptions) {
    this.#options = options
    this.#memberId = options.memberId
    const pattern = options.pattern === null ? null : linearRegExp(`^(?:${options.pattern})$`)
    const topics = new Set(options.topics)
    this.#matches = topic => (pattern === null ? topics.has(topic) : pattern.test(topic))
  }

  /** Partitions are to be given up, and `join` called. */
  get mustRejoin(): boolean {
    return this.#mustRejoin
  }

  /** Topics that it is to read and that are not there yet; they may come. */
  get missing(): readonly string[] {
    return this.#missing
  }

  askToRejoin(): void {
    this.#mustRejoin = true
  }

  /** The group has gone on without this member: others may read its partitions by now (Kafka's onPartitionsLost). Until `join`. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  /** The same, asked now: a task that stood still may be refused by its target before it hears of it. */
  async isOvertaken(): Promise<boolean> {
    if (this.#membership === null || this.#hasLost) return this.#hasLost
    try {
      await this.#options.client.heartbeatGroup(this.#membership)
    } catch (error) {
      if (error instanceof ClientError && forgetting.has(error.code)) this.#lost(error.code)
    }
    return this.#hasLost
  }

  /** Resolves when all members have joined, to what this one is to read: to nothing if it is to end, and has left the group meanwhile. */
  async join(): Promise<TopicPartition[]> {
    const { client, group, sessionTimeoutMs, rebalanceTimeoutMs, stopSignal } = this.#options
    this.#timer?.cancel()
    this.#joins++
    for (;;) {
      try {
        const counts = await this.#counts()
        this.#seen = JSON.stringify([...counts])
        this.#missing = [...counts].filter(([, partitions]) => partitions === 0).map(([topic]) => topic)
        this.#mustRejoin = false
        this.#hasLost = false
        const metadata = encodeVersioned(consumerProtocol.subscription, 0, { topics: [...counts.keys()] })
        const protocols = ['roundrobin', 'range'].map(name => ({ name, metadata }))
        const timeouts = { sessionTimeoutMs, rebalanceTimeoutMs }
        const asked = { group, protocolType: 'consumer', protocols, memberId: this.#memberId, ...timeouts, signal: stopSignal }
        const membership = await client.joinGroup(asked)
        this.#memberId = membership.memberId
        this.#options.joined(membership.memberId)
        const leads = membership.leader === membership.memberId
        const bytes = await client.syncGroup(membership, leads ? await this.#assign(membership) : new Map(), stopSignal)
        this.#membership = membership
        this.#beat()
        if (bytes.length === 0) return []
        const { assignedPartitions } = decodeConsumerProtocol(consumerProtocol.assignment, bytes)
        return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
      } catch (error) {
        if (stopSignal.aborted) return []
        if (!(error instanceof ClientError) || this.#closed) throw error
        if (forgetting.has(error.code)) this.#memberId = ''
        else if (error.code !== 'REBALANCE_IN_PROGRESS') throw error
      }
    }
  }

  /** Throws ClientError; when the group has gone on without this member, `join` is next. */
  async commit(offsets: Offsets): Promise<void> {
    if (this.#membership === null || offsets.length === 0) return
    try {
      await this.#options.client.commitAs(this.#membership, offsets)
    } catch (error) {
      if (error instanceof ClientError && (forgetting.has(error.code) || error.code === 'REBALANCE_IN_PROGRESS')) this.#lost(error.code)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    if (this.#membership !== null) await this.#options.client.leaveGroup(this.#membership).catch(() => {})
  }

  #lost(code: string): void {
    if (forgetting.has(code)) {
      this.#memberId = ''
      this.#hasLost = true
    }
    this.#mustRejoin = true
  }

  #beat(): void {
    const { system, heartbeatMs } = this.#options
    this.#timer?.cancel()
    this.#timer = system.timers.after(heartbeatMs, () => void this.#beatOnce())
  }

  /** Also while a rebalance waits for this member: it writes what it has taken, and is not to be removed meanwhile. */
  async #beatOnce(): Promise<void> {
    const { client, system, refreshMs } = this.#options
    const joins = this.#joins
    const isOver = () => this.#closed || this.#hasLost || joins !== this.#joins
    if (isOver() || this.#membership === null) return
    try {
      await client.heartbeatGroup(this.#membership)
      const dueMs = this.#missing.length > 0 ? Math.min(refreshMs, missingRefreshMs) : refreshMs
      const isDue = !this.#mustRejoin && system.clock.monotonic() - this.#lastRefreshMs >= dueMs
      if (isDue && JSON.stringify([...(await this.#counts())]) !== this.#seen && !isOver()) this.#mustRejoin = true
    } catch (error) {
      const code = error instanceof ClientError ? error.code : ''
      if (!isOver() && (code === 'REBALANCE_IN_PROGRESS' || forgetting.has(code))) this.#lost(code)
    }
    // A broker that is away for a moment is asked again: the session decides.
    if (!isOver()) this.#beat()
  }

  /** Of the topics that are there. */
  async #counts(): Promise<Counts> {
    const { client, topics, pattern, system } = this.#options
    this.#lastRefreshMs = system.clock.monotonic()
    const states = await client.topicStates()
    const found = new Map(
      states
        .filter(({ name, internal }) => !(internal && pattern !== null) && this.#matches(name))
        .map(each => [each.name, each.partitions]),
    )
    // Those that are missing are subscribed to all the same: they may come.
    for (const topic of topics) if (pattern === null && !found.has(topic)) found.set(topic, 0)
    return found
  }

  async #assign({ members, protocol }: ClassicMembership): Promise<Map<string, Buffer>> {
    const subscriptions = new Map(
      members.map(({ memberId, metadata }) => [memberId, new Set(decodeConsumerProtocol(consumerProtocol.subscription, metadata).topics)]),
    )
    const states = await this.#options.client.topicStates()
    const counts = new Map(states.map(each => [each.name, each.partitions]))
    const assigned = protocol === 'range' ? assignRanges(subscriptions, counts) : assignRoundRobin(subscriptions, counts)
    return new Map(
      Array.from(assigned, ([member, partitions]) => {
        const byTopic = Map.groupBy(partitions, each => each.topic)
        const assignedPartitions = Array.from(byTopic, ([topic, some]) => ({ topic, partitions: some.map(each => each.partition) }))
        return [member, encodeVersioned(consumerProtocol.assignment, 0, { assignedPartitions })]
      }),
    )
  }
}

const forgetting = new Set<string>(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])

type Subscriptions = ReadonlyMap<string, ReadonlySet<string>>
type Assigned = Map<string, TopicPartition[]>

/** Kafka's RangeAssignor. */
export function assignRanges(subscriptions: Subscriptions, counts: Counts): Assigned {
  const members = [...subscriptions.keys()].sort()
  const assigned: Assigned = new Map(members.map(member => [member, []]))
  for (const topic of topicsOf(subscriptions)) {
    const count = counts.get(topic) ?? 0
    const takers = members.filter(member => subscriptions.get(member)!.has(topic))
    const [each, more] = [Math.floor(count / takers.length), count % takers.length]
    let next = 0
    for (const [index, member] of takers.entries())
      for (let left = each + (index < more ? 1 : 0); left > 0; left--) assigned.get(member)!.push({ topic, partition: next++ })
  }
  return assigned
}

/** Kafka's RoundRobinAssignor. */
export function assignRoundRobin(subscriptions: Subscriptions, counts: Counts): Assigned {
  const members = [...subscriptions.keys()].sort()
  const assigned: Assigned = new Map(members.map(member => [member, []]))
  let turn = 0
  for (const topic of topicsOf(subscriptions))
    for (let partition = 0; partition < (counts.get(topic) ?? 0); partition++) {
      while (!subscriptions.get(members[turn % members.length]!)!.has(topic)) turn++
      assigned.get(members[turn++ % members.length]!)!.push({ topic, partition })
    }
  return assigned
}

function topicsOf(subscriptions: Subscriptions): string[] {
  return [...new Set(Array.from(subscriptions.values(), topics => [...topics]).flat())].sort()
}
