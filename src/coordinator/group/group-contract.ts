/** What the offsets of a group need to know of it, whatever its protocol: classic now, KIP-848, share and streams groups later. */
import type { Uuid } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'

export interface StoredOffset {
  /** Where the record lies: a transactional commit must not overtake a later plain one. */
  recordOffset: number
  committedOffset: number
  /** -1: none. */
  leaderEpoch: number
  metadata: string
  commitTimestampMs: number
  /** -1: none; only clients before 2.1 set it. */
  expireTimestampMs: number
  topicId: Uuid
}

export interface Group {
  /** Kafka's GroupType. */
  readonly type: 'Classic'
  readonly groupId: string
  readonly state: string
  readonly protocolType: string | null
  /** May go once it stores no offsets. */
  readonly isDeletable: boolean
  validateOffsetCommit(memberId: string, groupInstanceId: string | null, generationId: number, transactional: boolean): void
  validateOffsetDelete(): void
  validateDelete(): void
  /** Offsets of these topics neither expire nor may be deleted. */
  isSubscribedTo(topic: string): boolean
  /** From when on an offset's retention counts; null: offsets do not expire now. */
  retentionStart(): ((offset: StoredOffset) => number) | null
  /** Records that remove the group, its offsets aside. */
  tombstones(): LogRecord[]
}
