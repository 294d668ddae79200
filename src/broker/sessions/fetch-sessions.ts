/**
 * Incremental fetch sessions (KIP-227): the broker remembers which partitions a consumer reads, so that requests and responses contain
 * only changes. Limited by `max.incremental.fetch.session.cache.slots` and by the number of partitions of all sessions; a client that
 * gets no slot sends full fetches, which is always correct. A session is not tied to a connection: a client can resume it after a reconnect.
 */
import type { Clock, Int64, Random } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import type { Uuid } from '../../protocol.ts'
import { initialEpoch, nextEpoch } from './session-epochs.ts'
import { SessionPartitions } from './session-partitions.ts'
import type { ToldError } from './told-errors.ts'

/** One partition that a consumer reads, and the last response about it. */
export interface FetchPartition extends ToldError {
  /** null while only the id is known and no such topic exists. */
  topic: string | null
  /** The zero uuid before v13. */
  topicId: Uuid
  partition: number
  /** As the client sent it: any int64. */
  fetchOffset: Int64
  maxBytes: number
  currentLeaderEpoch: number
  lastFetchedEpoch: number
  /** Resolved by the fetch handler; looked up again when null or deleted. */
  log: PartitionLog | null
  toldHighWatermark: number
  toldLogStartOffset: number
}

export interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  epoch: number
  /** By `sessionKey`, in reading order: partitions that returned data move to the end. */
  readonly partitions: Map<string, FetchPartition>
  lastUsedMs: number
}

export type SessionError = 'FETCH_SESSION_ID_NOT_FOUND' | 'INVALID_FETCH_SESSION_EPOCH' | 'FETCH_SESSION_TOPIC_ID_ERROR'

/** A session unused for this long may lose its slot to a new one (Kafka: MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS). */
const evictableAfterMs = 120_000

export function sessionKey(topic: string | null, topicId: Uuid, partition: number, usesTopicIds: boolean): string {
  return usesTopicIds ? `${topicId}${partition}` : `${topic}/${partition}`
}

export class FetchSessions {
  readonly #slots: number
  readonly #clock: Clock
  readonly #random: Random
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>()
  readonly #partitions: SessionPartitions
  evictions = 0

  constructor(slots: number, clock: Clock, random: Random, mostPartitions?: number) {
    this.#slots = slots
    this.#partitions = new SessionPartitions(mostPartitions)
    this.#clock = clock
    this.#random = random
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Partitions remembered in all sessions. */
  get partitions(): number {
    return this.#partitions.total
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

  /** null: no slot is free, and the client must continue with full requests. */
  create(partitions: Map<string, FetchPartition>, usesTopicIds: boolean): FetchSession | null {
    if (partitions.size > this.#partitions.most) return null
    while (this.#sessions.size >= this.#slots || !this.#partitions.hasRoom(partitions.size)) if (!this.#evictOne()) return null
    let id: number
    do id = 1 + this.#random.below(2 ** 31 - 1)
    while (this.#sessions.has(id))
    const session = { id, usesTopicIds, epoch: nextEpoch(initialEpoch), partitions, lastUsedMs: this.#clock.monotonic() }
    this.#sessions.set(id, session)
    this.#partitions.count(session)
    return session
  }

  /** After its partitions were changed. A session that has become too large is dropped: its client starts another one, or continues without. */
  changed(session: FetchSession): void {
    if (!this.#sessions.has(session.id)) return
    this.#partitions.count(session)
    if (!this.#partitions.hasRoom(0)) this.remove(session.id)
  }

  remove(id: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    this.#sessions.delete(id)
    this.#partitions.forget(session)
  }

  #evictOne(): boolean {
    const [oldest] = this.#sessions.values()
    if (oldest === undefined || this.#clock.monotonic() - oldest.lastUsedMs < evictableAfterMs) return false
    this.remove(oldest.id)
    this.evictions++
    return true
  }
}
