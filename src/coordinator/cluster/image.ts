/**
 * The state of the cluster that its records describe, and the records that describe its state (a snapshot).
 *
 * Each family of records is one part with both directions, so that everything that can be replayed can also be written back. A record that
 * no part knows makes the replay fail: if it were skipped, it would be lost with the next snapshot.
 */
import type { Int64 } from '../../base.ts'
import type { Uuid } from '../../protocol.ts'
import { Brokers } from './brokers.ts'
import { QuotaState } from './client-quotas.ts'
import type {
  BrokerRecord,
  MetadataRecord,
  PartitionChangeRecord,
  PartitionRecord,
  QuotaRecord,
  SecurityRecord,
} from './metadata-records.ts'
import { SecurityState } from './security-state.ts'
import { collisionKey } from './topic-names.ts'
import type { ConfigResourceType } from './types.ts'

/** What a record changed, as far as others have to act on it. */
export type Change =
  | { kind: 'topic-created' | 'topic-deleted'; id: Uuid; name: string }
  | { kind: 'partition-added' | 'partition-changed'; name: string; record: PartitionRecord }
  | { kind: 'broker'; record: BrokerRecord }
  | { kind: 'config'; type: ConfigResourceType; name: string; key: string; value: string | null }
  | { kind: 'feature'; name: string; level: number }
  | { kind: 'security'; record: SecurityRecord }
  | { kind: 'quota'; record: QuotaRecord }
  | { kind: 'other' }

export interface TopicState {
  readonly name: string
  readonly id: Uuid
  /** By index; the record is what a snapshot writes. */
  readonly partitions: PartitionRecord[]
}

/** Of a PartitionChangeRecord. */
const noLeaderChange = -2
const sameRecoveryState = -1

const noConfigs: ReadonlyMap<string, string> = new Map()
const other: Change = { kind: 'other' }

export class ClusterImage {
  readonly topics = new Topics()
  readonly brokers = new Brokers()
  readonly configs = new Configs()
  readonly features = new Map<string, number>()
  readonly security = new SecurityState()
  readonly quotas = new QuotaState()
  nextProducerId: Int64 = 0
  /** Who took the last block, for the snapshot; null before the first. */
  #producerIds: MetadataRecord | null = null

  replay(record: MetadataRecord): Change {
    switch (record.type) {
      case 'TopicRecord':
        return this.topics.add(record.name, record.topicId)
      case 'PartitionRecord':
        return this.topics.setPartition(record)
      case 'PartitionChangeRecord':
        return this.topics.changePartition(record)
      case 'RemoveTopicRecord': {
        const change = this.topics.remove(record.topicId)
        this.configs.forget('TOPIC', change.name)
        return change
      }
      case 'ConfigRecord':
        return this.configs.set(record.resourceType, record.resourceName, record.name, record.value)
      case 'FeatureLevelRecord':
        if (record.featureLevel === 0) this.features.delete(record.name)
        else this.features.set(record.name, record.featureLevel)
        return { kind: 'feature', name: record.name, level: record.featureLevel }
      case 'ProducerIdsRecord':
        this.#producerIds = record
        this.nextProducerId = record.nextProducerId
        return other
      case 'RegisterBrokerRecord':
      case 'UnregisterBrokerRecord':
      case 'FenceBrokerRecord':
      case 'UnfenceBrokerRecord':
      case 'BrokerRegistrationChangeRecord':
        this.brokers.replay(record)
        return { kind: 'broker', record }
      case 'ClientQuotaRecord':
        this.quotas.replay(record)
        return { kind: 'quota', record }
      case 'NoOpRecord':
        return other
      default:
        this.security.replay(record)
        return { kind: 'security', record }
    }
  }

  /** Records that lead a new image to this state. Kafka wants the metadata.version first. */
  *records(): Generator<MetadataRecord> {
    const features = [...this.features].sort(([a], [b]) => Number(b === 'metadata.version') - Number(a === 'metadata.version'))
    for (const [name, featureLevel] of features) yield { type: 'FeatureLevelRecord', name, featureLevel }
    yield* this.brokers.records()
    yield* this.topics.records()
    yield* this.configs.records()
    yield* this.security.records()
    yield* this.quotas.records()
    if (this.#producerIds !== null) yield this.#producerIds
  }
}

class Topics {
  readonly byId = new Map<Uuid, TopicState>()
  readonly byName = new Map<string, TopicState>()
  partitionCount = 0
  readonly #collisions = new Map<string, Set<string>>()
  /** Whose lists the next record shares. */
  #latest: PartitionRecord | null = null

  /** A topic whose name collides with this one in '.' and '_'; null when there is none. */
  colliding(name: string): string | null {
    const key = collisionKey(name)
    const names = key === null ? undefined : this.#collisions.get(key)
    return names?.values().next().value ?? null
  }

  add(name: string, id: Uuid): Change {
    if (this.byName.has(name) || this.byId.has(id)) throw new Error(`topic ${name} (${id}) already exists`)
    const topic: TopicState = { name, id, partitions: [] }
    this.byName.set(name, topic)
    this.byId.set(id, topic)
    const key = collisionKey(name)
    if (key !== null) {
      const names = this.#collisions.get(key)
      if (names === undefined) this.#collisions.set(key, new Set([name]))
      else names.add(name)
    }
    return { kind: 'topic-created', id, name }
  }

  setPartition(record: PartitionRecord): Change {
    const topic = this.byId.get(record.topicId)
    if (topic === undefined) throw new Error(`a PartitionRecord for the unknown topic ${record.topicId}`)
    const isNew = record.partitionId === topic.partitions.length
    if (!isNew && topic.partitions[record.partitionId] === undefined) {
      throw new Error(`partition ${record.partitionId} of topic ${topic.name}, which has ${topic.partitions.length}`)
    }
    const shared = withListsOf(this.#latest, record)
    topic.partitions[record.partitionId] = this.#latest = shared
    if (isNew) this.partitionCount++
    return { kind: isNew ? 'partition-added' : 'partition-changed', name: topic.name, record: shared }
  }

  /** As Kafka's PartitionRegistration.merge. */
  changePartition(change: PartitionChangeRecord): Change {
    const before = this.byId.get(change.topicId)?.partitions[change.partitionId]
    if (before === undefined) throw new Error(`a change of the unknown partition ${change.topicId}-${change.partitionId}`)
    const { leader, leaderRecoveryState } = change
    const elected = leader !== noLeaderChange
    return this.setPartition({
      ...before,
      isr: change.isr ?? before.isr,
      replicas: change.replicas ?? before.replicas,
      removingReplicas: change.removingReplicas ?? before.removingReplicas,
      addingReplicas: change.addingReplicas ?? before.addingReplicas,
      directories: change.directories ?? before.directories,
      eligibleLeaderReplicas: change.eligibleLeaderReplicas ?? before.eligibleLeaderReplicas,
      lastKnownElr: change.lastKnownElr ?? before.lastKnownElr,
      leaderRecoveryState: leaderRecoveryState === sameRecoveryState ? before.leaderRecoveryState : leaderRecoveryState,
      leader: elected ? leader : before.leader,
      leaderEpoch: before.leaderEpoch + (elected ? 1 : 0),
      partitionEpoch: before.partitionEpoch + 1,
    })
  }

  remove(id: Uuid): Change & { kind: 'topic-deleted' } {
    const topic = this.byId.get(id)
    if (topic === undefined) throw new Error(`a record removes the unknown topic ${id}`)
    this.byId.delete(id)
    this.byName.delete(topic.name)
    this.partitionCount -= topic.partitions.length
    const key = collisionKey(topic.name)
    const names = key === null ? undefined : this.#collisions.get(key)
    if (names?.delete(topic.name) && names.size === 0) this.#collisions.delete(key!)
    return { kind: 'topic-deleted', id, name: topic.name }
  }

  *records(): Generator<MetadataRecord> {
    for (const topic of this.byId.values()) {
      yield { type: 'TopicRecord', name: topic.name, topicId: topic.id }
      yield* topic.partitions
    }
  }
}

/** The record with the lists of the other one where they are equal, as they almost always are: they take most of a record's memory. */
function withListsOf(other: PartitionRecord | null, record: PartitionRecord): PartitionRecord {
  if (other === null) return record
  return {
    ...record,
    replicas: shared(other.replicas, record.replicas),
    isr: shared(other.isr, record.isr),
    removingReplicas: shared(other.removingReplicas, record.removingReplicas),
    addingReplicas: shared(other.addingReplicas, record.addingReplicas),
    directories: shared(other.directories, record.directories),
  }
}

function shared<T>(other: T[], list: T[]): T[] {
  return list.length === other.length && list.every((each, index) => each === other[index]) ? other : list
}

/** Stored configs by resource. */
export class Configs {
  readonly #byType = new Map<ConfigResourceType, Map<string, Map<string, string>>>()

  of(type: ConfigResourceType, name: string): ReadonlyMap<string, string> {
    return this.#byType.get(type)?.get(name) ?? noConfigs
  }

  names(type: ConfigResourceType): string[] {
    return [...(this.#byType.get(type)?.keys() ?? [])].sort()
  }

  set(type: ConfigResourceType, name: string, key: string, value: string | null): Change {
    let resources = this.#byType.get(type)
    if (resources === undefined) this.#byType.set(type, (resources = new Map()))
    const before = resources.get(name)
    // A reader may hold the map: it stays as it was.
    const after = new Map(before)
    if (value === null) after.delete(key)
    else after.set(key, value)
    if (after.size === 0) resources.delete(name)
    else resources.set(name, after)
    return { kind: 'config', type, name, key, value }
  }

  forget(type: ConfigResourceType, name: string): void {
    this.#byType.get(type)?.delete(name)
  }

  copy(): Configs {
    const copy = new Configs()
    for (const [type, resources] of this.#byType) copy.#byType.set(type, new Map(resources))
    return copy
  }

  *records(): Generator<MetadataRecord> {
    for (const [resourceType, resources] of this.#byType) {
      for (const [resourceName, configs] of resources) {
        for (const [name, value] of configs) yield { type: 'ConfigRecord', resourceType, resourceName, name, value }
      }
    }
  }
}
