/** The records of `__consumer_offsets` for classic groups and offsets: written as by Kafka 4.4, read as written by all versions. */
import { ByteReader, type Int64, MalformedInput } from '../../base.ts'
import {
  classicGroupRecords,
  consumerProtocol,
  encodeRecordKey,
  encodeRecordValue,
  type Fields,
  type Message,
  type MessageOf,
  readMessage,
  recordIdOf,
  recordKeyOf,
  recordValueOf,
} from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import type { StoredOffset } from './group-contract.ts'

const { groupMetadata, legacyOffsetCommit, offsetCommit } = classicGroupRecords

type ValueOf<R> = R extends { value: Message<infer F extends Fields> } ? MessageOf<F> : never
export type GroupMetadata = ValueOf<typeof groupMetadata>
export type MemberMetadata = GroupMetadata['members'][number]
/** What a commit says; the log adds where it lies. */
export type NewOffset = Omit<StoredOffset, 'recordOffset'>

export type GroupRecord =
  | { type: 'offset'; groupId: string; topic: string; partition: number; value: StoredOffset | null }
  | { type: 'group'; groupId: string; value: GroupMetadata | null }

/** The newest that is not flexible: Kafka stays with it until a tagged field is needed. */
const groupMetadataVersion = 3
const offsetVersion = 4
/** The only one that can say when the offset expires. */
const offsetVersionWithExpiry = 1

export function offsetCommitRecord(groupId: string, topic: string, partition: number, offset: NewOffset): LogRecord {
  return {
    key: offsetKey(groupId, topic, partition),
    value: encodeRecordValue(offsetCommit, offset.expireTimestampMs === -1 ? offsetVersion : offsetVersionWithExpiry, {
      offset: offset.committedOffset,
      leaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      commitTimestamp: offset.commitTimestampMs,
      expireTimestamp: offset.expireTimestampMs,
      topicId: offset.topicId,
    }),
  }
}

export function offsetCommitTombstone(groupId: string, topic: string, partition: number): LogRecord {
  return { key: offsetKey(groupId, topic, partition), value: null }
}

export function groupMetadataRecord(groupId: string, value: GroupMetadata): LogRecord {
  return { key: groupKey(groupId), value: encodeRecordValue(groupMetadata, groupMetadataVersion, value) }
}

/** A group of which only its existence is known. */
export function emptyGroupMetadataRecord(groupId: string, currentStateTimestamp: Int64): LogRecord {
  return groupMetadataRecord(groupId, { protocolType: '', generation: 0, protocol: null, leader: null, currentStateTimestamp, members: [] })
}

export function groupMetadataTombstone(groupId: string): LogRecord {
  return { key: groupKey(groupId), value: null }
}

/** null: a kind of record that is of no concern to classic groups. */
export function decodeRecord(record: LogRecord): GroupRecord | null {
  switch (recordIdOf(record)) {
    case legacyOffsetCommit.id: {
      const { group, topic, partition } = recordKeyOf(legacyOffsetCommit, record)
      return { type: 'offset', groupId: group, topic, partition, value: storedOffset(record) }
    }
    case offsetCommit.id: {
      const { group, topic, partition } = recordKeyOf(offsetCommit, record)
      return { type: 'offset', groupId: group, topic, partition, value: storedOffset(record) }
    }
    case groupMetadata.id: {
      const { group } = recordKeyOf(groupMetadata, record)
      return { type: 'group', groupId: group, value: storedGroup(record) }
    }
    default:
      return null
  }
}

/** All topics that members subscribe to; null if the metadata of any member is not in the consumer protocol. */
export function subscribedTopicsOf(subscriptions: readonly Buffer[]): ReadonlySet<string> | null {
  const topics = new Set<string>()
  try {
    for (const subscription of subscriptions) {
      const reader = new ByteReader(subscription)
      reader.skip(2)
      // All versions begin like version 0, so those from the future can be read too.
      for (const topic of readMessage(consumerProtocol.subscription, 0, reader).topics) topics.add(topic)
    }
  } catch (error) {
    if (error instanceof MalformedInput) return null
    throw error
  }
  return topics
}

/** null for a tombstone. */
function storedOffset(record: LogRecord): StoredOffset | null {
  const value = recordValueOf(offsetCommit, record)
  if (value === null) return null
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } = value
  return {
    recordOffset: -1,
    committedOffset: offset,
    leaderEpoch,
    metadata,
    commitTimestampMs: commitTimestamp,
    expireTimestampMs: expireTimestamp,
    topicId,
  }
}

function storedGroup(record: LogRecord): GroupMetadata | null {
  const group = recordValueOf(groupMetadata, record)
  for (const member of group?.members ?? []) {
    // The bytes belong to the reader of the log, and would keep its whole buffer in memory.
    member.subscription = Buffer.from(member.subscription)
    member.assignment = Buffer.from(member.assignment)
  }
  return group
}

function offsetKey(group: string, topic: string, partition: number): Buffer {
  return encodeRecordKey(offsetCommit, { group, topic, partition })
}

function groupKey(group: string): Buffer {
  return encodeRecordKey(groupMetadata, { group })
}
