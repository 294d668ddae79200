/** The interface of a group that its offsets need, for all protocols: classic, KIP-848, share and streams. */
import type { Int64 } from '../../base.ts'
import type { ErrorName, Uuid } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'

export interface StoredOffset {
  /** Where the record lies: a transactional commit must not overtake a later plain one. */
  recordOffset: number
  committedOffset: Int64
  /** -1: none. */
  leaderEpoch: number
  metadata: string
  commitTimestampMs: Int64
  /** -1: none; only clients before 2.1 set it. */
  expireTimestampMs: Int64
  topicId: Uuid
}

/** What a commit is about, as far as the group has a say. */
export interface CommittedPartition {
  topic: string
  topicId: Uuid
  partition: number
}

export interface Group {
  /** Kafka's GroupType. */
  readonly type: 'Classic' | 'Consumer' | 'Share' | 'Streams'
  readonly groupId: string
  readonly state: string
  readonly protocolType: string | null
  readonly members: ReadonlyMap<string, unknown>
  /** May go once it stores no offsets. */
  readonly isDeletable: boolean
  validateOffsetCommit(
    memberId: string,
    groupInstanceId: string | null,
    generationId: number,
    transactional: boolean,
    apiVersion: number,
    partitions: Iterable<CommittedPartition>,
  ): void
  /** Without a member id the request is not a member's. */
  validateOffsetFetch(memberId: string | null, memberEpoch: number): void
  validateOffsetDelete(): void
  validateDelete(): void
  /** Offsets of these topics neither expire nor may be deleted. */
  isSubscribedTo(topic: string): boolean
  /** From when on an offset's retention counts; null: offsets do not expire now. */
  retentionStart(): ((offset: StoredOffset) => Int64) | null
  /** Records that remove the group, its offsets aside. */
  tombstones(): LogRecord[]
  /** Nobody will answer for this group any more. */
  kill(error: ErrorName): void
}
