/** One share group (KIP-932): the state in its records. Only `replay` changes it. */
import type { Int64 } from '../../../base.ts'
import { KafkaError, type Uuid } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import { noTarget, type Target } from '../consumer/partitions.ts'
import type { Group } from '../group-contract.ts'
import { Members } from '../members.ts'
import { bytesOf } from '../told.ts'
import {
  groupTombstones,
  type InitializedTopics,
  initializedRecord,
  memberTombstones,
  type ShareMember,
  type ShareRecord,
} from './share-records.ts'

const nothingInitialized: InitializedTopics = new Map()

export function newShareMember(memberId: string): ShareMember {
  return {
    memberId,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    rackId: null,
    clientId: '',
    clientHost: '',
    subscribedTopicNames: [],
    assigned: noTarget,
  }
}

export class ShareGroup implements Group {
  readonly type = 'Share'
  readonly protocolType = 'share'
  readonly groupId: string
  groupEpoch = 0
  metadataHash: Int64 = 0
  assignmentEpoch = 0
  assignmentTimestampMs: Int64 = 0
  initialized: InitializedTopics = nothingInitialized
  readonly members: Members<ShareMember>
  readonly targets = new Map<string, Target>()
  /** Soft, as in consumer groups. */
  comparedWith = { topicsVersion: -1, groupEpoch: 0 }
  /** Bytes of the metadata of all members. */
  toldBytes = 0

  constructor(groupId: string) {
    this.groupId = groupId
    this.members = new Members(groupId)
  }

  replay(record: ShareRecord): void {
    switch (record.type) {
      case 'epoch':
        this.groupEpoch = record.value?.epoch ?? 0
        this.metadataHash = record.value?.metadataHash ?? 0
        return
      case 'target-epoch':
        this.assignmentEpoch = record.value?.epoch ?? 0
        this.assignmentTimestampMs = record.value?.timestampMs ?? 0
        return
      case 'initialized':
        this.initialized = record.value ?? nothingInitialized
        return
      case 'target':
        if (record.value === null) this.targets.delete(record.memberId)
        else this.targets.set(record.memberId, record.value)
        return
      case 'member': {
        const before = this.members.get(record.memberId)?.subscribedTopicNames ?? []
        if (record.value === null) this.members.delete(record.memberId)
        else this.#put(record.memberId, record.value)
        this.toldBytes += bytesOf(record.value?.subscribedTopicNames ?? []) - bytesOf(before)
        return
      }
      case 'current':
        if (record.value !== null) this.#put(record.memberId, record.value)
    }
  }

  #put(memberId: string, value: Partial<ShareMember>): void {
    this.members.set(memberId, { ...(this.members.get(memberId) ?? newShareMember(memberId)), ...value })
  }

  get state(): 'Empty' | 'Stable' {
    return this.isEmpty ? 'Empty' : 'Stable'
  }

  get isEmpty(): boolean {
    return this.members.size === 0
  }

  /** It goes only when an administrator says so: the state of its partitions would stay behind. */
  get isDeletable(): boolean {
    return false
  }

  isSubscribedTo(topic: string): boolean {
    for (const { subscribedTopicNames } of this.members.values()) if (subscribedTopicNames.includes(topic)) return true
    return false
  }

  validateOffsetCommit(): void {
    throw this.#notHere()
  }

  /** Nothing is there, as Kafka says; commits and deletions are refused. */
  validateOffsetFetch(): void {}

  validateOffsetDelete(): void {
    throw this.#notHere()
  }

  validateDelete(): void {
    if (!this.isEmpty) throw new KafkaError('NON_EMPTY_GROUP', 'The group is not empty.')
  }

  retentionStart(): null {
    return null
  }

  /** Records that remove these topics from the group. */
  without(topicIds: ReadonlySet<Uuid>): LogRecord[] {
    const kept = new Map([...this.initialized].filter(([topicId]) => !topicIds.has(topicId)))
    return kept.size === this.initialized.size ? [] : [initializedRecord(this.groupId, kept)]
  }

  tombstones(): LogRecord[] {
    const members = new Set([...this.members.keys(), ...this.targets.keys()])
    return [...[...members].flatMap(memberId => memberTombstones(this.groupId, memberId)), ...groupTombstones(this.groupId)]
  }

  kill(): void {}

  /** The offsets of a share group are with the share coordinator. */
  #notHere(): KafkaError {
    return new KafkaError('GROUP_ID_NOT_FOUND', `Group ${this.groupId} is not a consumer group.`)
  }
}
