/** Committing, fetching, deleting and expiring offsets: Kafka's rules over the state in `offsets.ts`. */
import { ageOf, type ClockHistory, type Int64, millisSince, saturatingAdd } from '../../base.ts'
import { type ErrorName, errorCode, KafkaError, type Uuid, zeroUuid } from '../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../shard.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { CommittedPartition, Group, StoredOffset } from './group-contract.ts'
import type { Offsets } from './offsets.ts'
import { offsetCommitRecord, offsetCommitTombstone } from './records.ts'
import type { GroupSettings } from './settings.ts'

/** Topics have names here; ids are looked up by the handler. */
export interface CommitTopic {
  name: string
  topicId: Uuid
  partitions: readonly CommitPartition[]
}

export interface CommitPartition {
  partitionIndex: number
  committedOffset: Int64
  committedLeaderEpoch: number
  committedMetadata: string | null
  /** -1: now. Only v1 sends it. */
  commitTimestamp: Int64
}

export interface OffsetCommit {
  groupId: string
  memberId: string
  groupInstanceId: string | null
  generationId: number
  /** -1: `offsets.retention.minutes`. */
  retentionTimeMs: Int64
  topics: readonly CommitTopic[]
}

export interface TopicResult {
  name: string
  partitions: { partitionIndex: number; errorCode: number }[]
}

/** Who fetches offsets: members of KIP-848 and streams groups send their id and epoch; others send null and -1. */
export interface OffsetReader {
  memberId: string | null
  memberEpoch: number
}

export interface TopicPartitions {
  name: string
  partitionIndexes: readonly number[]
}

/** `topicId`: all zero means any topic of that name. */
export interface AskedTopic extends TopicPartitions {
  topicId: Uuid
}

export interface FetchedTopic {
  name: string
  partitions: FetchedOffset[]
}

export interface FetchedOffset {
  partitionIndex: number
  committedOffset: Int64
  committedLeaderEpoch: number
  metadata: string
  errorCode: number
}

/** The records of a commit, and its results if the group accepts it. */
export type PreparedCommit = Decision<TopicResult[]>

/** Records made in one step. */
const preparedAtOnce = 64

/** In steps, because a request may name a hundred thousand partitions. The group may change meanwhile: it decides afterwards, in one step. */
export function* prepareCommit(request: OffsetCommit, now: number, mostMetadata: number): Generator<void, PreparedCommit> {
  const { groupId, retentionTimeMs } = request
  const expireTimestampMs = retentionTimeMs === -1 ? -1 : saturatingAdd(now, retentionTimeMs)
  const records: LogRecord[] = []
  const response: TopicResult[] = []
  let prepared = 0
  for (const { name, topicId, partitions } of request.topics) {
    const results: TopicResult['partitions'] = []
    response.push({ name, partitions: results })
    for (const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata, commitTimestamp } of partitions) {
      if (++prepared % preparedAtOnce === 0) yield
      const metadata = committedMetadata ?? ''
      if (metadata.length > mostMetadata) {
        results.push({ partitionIndex, errorCode: errorCode('OFFSET_METADATA_TOO_LARGE') })
        continue
      }
      results.push({ partitionIndex, errorCode: 0 })
      records.push(
        offsetCommitRecord(groupId, name, partitionIndex, {
          committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata,
          commitTimestampMs: commitTimestamp === -1 ? now : commitTimestamp,
          expireTimestampMs,
          topicId,
        }),
      )
    }
  }
  return { records, response }
}

/** KIP-848 gave commits to a group that does not exist an error of their own. */
const groupIdNotFoundFrom = 9

export interface CommitsOptions {
  context: ShardContext
  settings: GroupSettings
  offsets: Offsets
  find(groupId: string): Group | undefined
  findClassic(groupId: string): ClassicGroup | undefined
  keepAlive(group: ClassicGroup, memberId: string): void
}

export class Commits {
  readonly #options: CommitsOptions
  readonly #offsets: Offsets

  constructor(options: CommitsOptions) {
    this.#options = options
    this.#offsets = options.offsets
  }

  /** `prepared`: what `prepareCommit` made of the request. */
  commit(request: OffsetCommit, apiVersion: number, prepared: PreparedCommit): Decision<TopicResult[]> {
    const { groupId, memberId, generationId } = request
    const group = this.#options.find(groupId)
    if (group !== undefined)
      group.validateOffsetCommit(memberId, request.groupInstanceId, generationId, false, apiVersion, partitionsOf(request))
    // Without a generation it is a commit without membership; replaying it makes the group.
    else if (generationId >= 0) {
      const error = apiVersion >= groupIdNotFoundFrom ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
      throw new KafkaError(error, `Group ${groupId} not found`)
    }
    const classic = this.#options.findClassic(groupId)
    if (classic !== undefined && (classic.state === 'Stable' || classic.state === 'PreparingRebalance')) {
      this.#options.keepAlive(classic, memberId)
    }
    return prepared
  }

  /** KIP-447: the member and its generation are checked if the client sends them; only heartbeats keep it alive. */
  commitTransactional(request: OffsetCommit, prepared: PreparedCommit): Decision<TopicResult[]> {
    const { groupId, memberId, generationId } = request
    const group = this.#options.find(groupId)
    if (group === undefined && generationId >= 0) throw new KafkaError('ILLEGAL_GENERATION', `Group ${groupId} not found`)
    try {
      group?.validateOffsetCommit(memberId, request.groupInstanceId, generationId, true, -1, partitionsOf(request))
    } catch (error) {
      // Producers know no epochs of members.
      if (!(error instanceof KafkaError) || error.name !== 'STALE_MEMBER_EPOCH') throw error
      throw new KafkaError('ILLEGAL_GENERATION', error.message)
    }
    return prepared
  }

  /** `topics: null` asks for all. With `requireStable` an offset that an open transaction may change is an error (KIP-447). */
  fetch(groupId: string, topics: readonly AskedTopic[] | null, requireStable: boolean, reader: OffsetReader): FetchedTopic[] {
    this.#options.find(groupId)?.validateOffsetFetch(reader.memberId, reader.memberEpoch)
    const stored = this.#offsets.ofGroup(groupId)
    if (topics === null) {
      return Array.from(stored, ([name, partitions]) => ({
        name,
        partitions: Array.from(partitions, ([index, offset]) => this.#fetched(groupId, name, index, offset, requireStable)),
      }))
    }
    return topics.map(({ name, topicId, partitionIndexes }) => {
      const partitions = stored.get(name)
      // Offsets committed for a deleted topic do not apply to a new one of the same name.
      const found = (index: number) => {
        const offset = partitions?.get(index)
        return offset !== undefined && mayBe(offset.topicId, topicId) ? offset : undefined
      }
      return { name, partitions: partitionIndexes.map(index => this.#fetched(groupId, name, index, found(index), requireStable)) }
    })
  }

  /** How many offsets of the group are stored. */
  count(groupId: string): number {
    let count = 0
    for (const partitions of this.#offsets.ofGroup(groupId).values()) count += partitions.size
    return count
  }

  #fetched(groupId: string, topic: string, partitionIndex: number, offset: StoredOffset | undefined, stable: boolean): FetchedOffset {
    if (stable && this.#offsets.hasPending(groupId, topic, partitionIndex)) return noOffset(partitionIndex, 'UNSTABLE_OFFSET_COMMIT')
    if (offset === undefined) return noOffset(partitionIndex)
    return {
      partitionIndex,
      committedOffset: offset.committedOffset,
      committedLeaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      errorCode: 0,
    }
  }

  delete(groupId: string, topics: readonly TopicPartitions[]): Decision<TopicResult[]> {
    const group = this.#options.find(groupId)
    if (group === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} not found`)
    group.validateOffsetDelete()
    const records: LogRecord[] = []
    const response = topics.map(({ name, partitionIndexes }) => {
      const subscribed = group.isSubscribedTo(name)
      const partitions = partitionIndexes.map(partitionIndex => {
        if (subscribed) return { partitionIndex, errorCode: errorCode('GROUP_SUBSCRIBED_TO_TOPIC') }
        if (this.#offsets.get(groupId, name, partitionIndex) || this.#offsets.hasPending(groupId, name, partitionIndex)) {
          records.push(offsetCommitTombstone(groupId, name, partitionIndex))
        }
        return { partitionIndex, errorCode: 0 }
      })
      return { name, partitions }
    })
    return { records, response }
  }

  /** Tombstones of what the group stores, at most `most`. */
  deleteAll(groupId: string, most: number): LogRecord[] {
    const records: LogRecord[] = []
    for (const [topic, partition] of this.#offsets.partitionsOf(groupId)) {
      if (records.length === most) break
      records.push(offsetCommitTombstone(groupId, topic, partition))
    }
    return records
  }

  /** Tombstones of what is stored of the topic, at most `most`. One would also take what was committed for a new topic of its name. */
  topicDeleted({ name, id }: { name: string; id: Uuid }, most: number): LogRecord[] {
    const records: LogRecord[] = []
    for (const [groupId, partition] of this.#offsets.partitionsOfTopic(name)) {
      if (records.length === most) break
      const offsets = [...this.#offsets.allOf(groupId, name, partition)]
      if (offsets.every(({ topicId }) => mayBe(topicId, id))) records.push(offsetCommitTombstone(groupId, name, partition))
    }
    return records
  }

  /** Tombstones of what has been kept long enough, at most `most`; of the group too, when nothing is left that it is needed for. */
  expire(group: Group, most: number): LogRecord[] {
    const { groupId } = group
    const records: LogRecord[] = []
    const topics = this.#offsets.ofGroup(groupId)
    if (topics.size > 0 && !this.#expireOffsets(group, records, most)) return records
    if (group.isDeletable && !this.#offsets.hasOpenTransaction(groupId)) records.push(...group.tombstones())
    return records
  }

  /** True when nothing of the group remains. */
  #expireOffsets(group: Group, records: LogRecord[], most: number): boolean {
    const { groupId } = group
    const start = group.retentionStart()
    if (start === null) return false
    const history = this.#options.context.clock.history()
    const retentionMs = this.#options.settings.offsetsRetentionMinutes * 60_000
    let all = true
    for (const [topic, partitions] of this.#offsets.ofGroup(groupId)) {
      const subscribed = group.isSubscribedTo(topic)
      for (const [partition, offset] of partitions) {
        if (records.length === most) return false
        if (!subscribed && isExpired(offset, start(offset), retentionMs, history) && !this.#offsets.hasPending(groupId, topic, partition)) {
          records.push(offsetCommitTombstone(groupId, topic, partition))
        } else all = false
      }
    }
    return all
  }
}

/** Old clients send a retention time; for all others `offsets.retention.minutes` applies, from the time when the group no longer needs the offset. */
function isExpired(offset: StoredOffset, unneededMs: Int64, retentionMs: number, history: ClockHistory): boolean {
  const { expireTimestampMs, commitTimestampMs } = offset
  if (expireTimestampMs === -1) return ageOf(unneededMs, history) >= retentionMs
  return ageOf(commitTimestampMs, history) >= millisSince(commitTimestampMs, expireTimestampMs)
}

function* partitionsOf({ topics }: OffsetCommit): Generator<CommittedPartition> {
  for (const { name, topicId, partitions } of topics) {
    for (const { partitionIndex } of partitions) yield { topic: name, topicId, partition: partitionIndex }
  }
}

/** Whether both ids mean the same topic; zero matches any. */
function mayBe(one: Uuid, other: Uuid): boolean {
  return one === other || one === zeroUuid || other === zeroUuid
}

function noOffset(partitionIndex: number, error: ErrorName = 'NONE'): FetchedOffset {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: errorCode(error) }
}
