/**
 * Incremental fetch sessions (KIP-227): the broker remembers which partitions a consumer reads, so that a request and its response name
 * only what changed. Bounded by `max.incremental.fetch.session.cache.slots` and in the partitions of all sessions together; a client that gets no slot fetches in full, which is always
 * correct. A session belongs to no connection: a client may resume it after a reconnect.
 */
import type { Clock, Random } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import type { Uuid } from '../protocol.ts'

/** One partition that a consumer reads, and what it was told last. */
export interface FetchPartition {
  /** null while only the id is known and no such topic exists. */
  topic: string | null
  /** The zero uuid before v13. */
  topicId: Uuid
  partition: number
  fetchOffset: number
  maxBytes: number
  currentLeaderEpoch: number
  lastFetchedEpoch: number
  /** Resolved by the fetch handler; looked up again when null or deleted. */
  log: PartitionLog | null
  toldHighWatermark: number
  toldLogStartOffset: number
  /** The last response carried an error for it. */
  toldError: boolean
}

export interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  epoch: number
  /** By `sessionKey`, in the order in which they are to be read: whoever got data moves to the end. */
  readonly partitions: Map<string, FetchPartition>
  lastUsedMs: number
}

export type SessionError = 'FETCH_SESSION_ID_NOT_FOUND' | 'INVALID_FETCH_SESSION_EPOCH' | 'FETCH_SESSION_TOPIC_ID_ERROR'

/** Session epoch of a request that wants none, or ends one. */
export const finalEpoch = -1
const initialEpoch = 0
/** Kafka bounds only the number of sessions; each may name as many partitions as a request does, whether they exist or not. */
const mostSessionPartitions = 200_000
/** A session unused for this long may lose its slot to a new one (Kafka: MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS). */
const evictableAfterMs = 120_000

export function sessionKey(topic: string | null, topicId: Uuid, partition: number, usesTopicIds: boolean): string {
  return usesTopicIds ? `${topicId}${partition}` : `${topic}/${partition}`
}

export class FetchSessions {
  readonly #slots: number
  readonly #clock: Clock
  readonly #random: Random
  readonly #mostPartitions: number
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>()
  /** Partitions remembered, by session; and in all of them. */
  readonly #counted = new Map<number, number>()
  #partitions = 0
  evictions = 0

  constructor(slots: number, clock: Clock, random: Random, mostPartitions = mostSessionPartitions) {
    this.#slots = slots
    this.#mostPartitions = mostPartitions
    this.#clock = clock
    this.#random = random
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Partitions remembered in all sessions. */
  get partitions(): number {
    return this.#partitions
  }

  /** The session that an incremental request continues; its epoch moves on. */
  resume(id: number, epoch: number, usesTopicIds: boolean): FetchSession | SessionError {
    const session = this.#sessions.get(id)
    if (session === undefined) return 'FETCH_SESSION_ID_NOT_FOUND'
    if (session.epoch !== epoch) return 'INVALID_FETCH_SESSION_EPOCH'
    if (session.usesTopicIds !== usesTopicIds) return 'FETCH_SESSION_TOPIC_ID_ERROR'
    session.epoch = nextEpoch(epoch)
    session.lastUsedMs = this.#clock.monotonic()
    this.#sessions.delete(id)
    this.#sessions.set(id, session)
    return session
  }

  /** null: no slot is free, the client must go on with full requests. */
  create(partitions: Map<string, FetchPartition>, usesTopicIds: boolean): FetchSession | null {
    if (this.#partitions + partitions.size > this.#mostPartitions) return null
    if (this.#sessions.size >= this.#slots && !this.#evictOne()) return null
    let id: number
    do id = 1 + this.#random.below(2 ** 31 - 1)
    while (this.#sessions.has(id))
    const session = { id, usesTopicIds, epoch: nextEpoch(initialEpoch), partitions, lastUsedMs: this.#clock.monotonic() }
    this.#sessions.set(id, session)
    this.#count(session)
    return session
  }

  /** After its partitions were changed. A session that has become too large is forgotten: its client begins another, or goes on without. */
  changed(session: FetchSession): void {
    if (!this.#sessions.has(session.id)) return
    this.#count(session)
    if (this.#partitions > this.#mostPartitions) this.remove(session.id)
  }

  remove(id: number): void {
    this.#sessions.delete(id)
    this.#partitions -= this.#counted.get(id) ?? 0
    this.#counted.delete(id)
  }

  #count({ id, partitions }: FetchSession): void {
    this.#partitions += partitions.size - (this.#counted.get(id) ?? 0)
    this.#counted.set(id, partitions.size)
  }

  #evictOne(): boolean {
    const [oldest] = this.#sessions.values()
    if (oldest === undefined || this.#clock.monotonic() - oldest.lastUsedMs < evictableAfterMs) return false
    this.remove(oldest.id)
    this.evictions++
    return true
  }
}

function nextEpoch(epoch: number): number {
  return epoch === 2 ** 31 - 1 ? 1 : epoch + 1
}
