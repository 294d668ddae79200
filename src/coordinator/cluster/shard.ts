/**
 * The shard over `__cluster_metadata-0`: decides which records a change needs, by Kafka's rules, and keeps the resulting image.
 *
 * Hides the rules of Kafka's controller for topics, partitions, stored configs and producer ids. It does not touch partitions of the log:
 * the observer, which is notified of durable changes, opens and drops them.
 */
import { addInt64, type Int64, maxInt64 } from '../../base.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import type { Decision, LogRecord, Shard } from '../shard.ts'
import {
  endedSessionRecord,
  fencingRecords,
  leavingRecords,
  partitionChangeRecord,
  registrationRecord,
  successionRecords,
  unregistrationRecord,
} from './broker-changes.ts'
import { type QuotaAlteration, quotaRecords } from './client-quotas.ts'
import { attemptEach, type Deciding, decide, decideAtOnce, maxRecordsPerOperation } from './deciding.ts'
import { electionRecords } from './elections.ts'
import { type FeatureUpdate, featureRecords } from './feature-updates.ts'
import { type Change, ClusterImage, type TopicState } from './image.ts'
import {
  checkConfig,
  checkCreation,
  checkDeletion,
  checkMorePartitions,
  type InternalTopicName,
  internalTopics,
} from './internal-topics.ts'
import { decodeMetadataRecord, type MetadataRecord, newPartitionRecord } from './metadata-records.ts'
import { type Candidate, placeNewPartitions, placeTopic } from './placement.ts'
import { topicNameProblem } from './topic-names.ts'
import type {
  Admit,
  ClusterLimits,
  ConfigChange,
  CreatedTopic,
  EndedSession,
  NewPartitions,
  NewRegistration,
  NewTopic,
  PartitionChange,
  TopicRules,
} from './types.ts'

/** So that no step takes long. */
const electionsAtOnce = 1_000
const noConfigs: ReadonlyMap<string, string> = new Map()
/** Kafka's size of a block of producer ids. */
const producerIdBlockSize = 1_000

export interface ClusterShardOptions {
  brokerId: number
  rules: TopicRules
  limits: ClusterLimits
  newTopicId(): Uuid
  /** Called for every replayed record; `loading` until the end of the log is reached. */
  replayed(change: Change, offset: number, loading: boolean): void
  loaded(): void
}

export interface ProducerIdBlock {
  first: Int64
  count: number
}

export class ClusterShard implements Shard {
  readonly image = new ClusterImage()
  /** The image contains the records of the log before this offset. */
  nextOffset = 0
  readonly #options: ClusterShardOptions
  #loading = true

  constructor(options: ClusterShardOptions) {
    this.#options = options
  }

  replay(record: LogRecord, offset: number): void {
    if (record.value === null) throw new Error(`a record without a value in the metadata log at offset ${offset}`)
    this.nextOffset = offset + 1
    this.#options.replayed(this.image.replay(decodeMetadataRecord(record.value)), offset, this.#loading)
  }

  loaded(): void {
    this.#loading = false
    this.#options.loaded()
  }

  /** Nothing is parked in this shard. */
  unload(): void {}

  *createTopics(topics: readonly NewTopic[], validateOnly: boolean, admit?: Admit): Deciding<(CreatedTopic | KafkaError)[]> {
    const records: MetadataRecord[] = []
    const added = { topics: 0, partitions: 0 }
    let placed = this.image.topics.partitionCount
    const givenIds = new Set<Uuid>()
    const create = function* (this: ClusterShard, topic: NewTopic) {
      const { created, records: own } = yield* this.#createTopic(topic, givenIds, placed)
      this.#checkLimits(topic.name, added.topics + 1, added.partitions + created.numPartitions)
      admit?.(created.numPartitions)
      if (!internalTopics.has(topic.name)) {
        added.topics++
        added.partitions += created.numPartitions
      }
      placed += created.numPartitions
      for (const record of own) records.push(record)
      return created
    }
    const response = yield* attemptEach(topics, topic => create.call(this, topic))
    return yield* decide(records, response, validateOnly)
  }

  /** `placed`: partitions that have their place before it. */
  *#createTopic(
    topic: NewTopic,
    givenIds: Set<Uuid>,
    placed: number,
  ): Generator<void, { created: CreatedTopic; records: MetadataRecord[] }> {
    const { rules } = this.#options
    const { topics } = this.image
    checkCreation(topic.name)
    if (topics.byName.has(topic.name)) throw new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${topic.name}' already exists.`)
    const problem = topicNameProblem(topic.name)
    if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
    // The broker's own topics are created, whatever a client has created before: groups and transactions need them.
    const colliding = internalTopics.has(topic.name) ? null : topics.colliding(topic.name)
    if (colliding !== null) {
      throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Topic '${topic.name}' collides with existing topic: ${colliding}`)
    }
    const given = internalTopics.has(topic.name) ? rules.internalTopic(topic.name as InternalTopicName).configs : noConfigs
    const configs = new Map([...given, ...configsOf(topic)])
    rules.validateTopicConfigs(configs)
    this.#checkInternal(topic.name, given, configs)
    const placement = yield* placeTopic(topic, this.#candidates(), placed, rules)
    this.#checkLimits(topic.name, 1, placement.length)
    const id = this.#unusedId(givenIds)
    const records: MetadataRecord[] = [{ type: 'TopicRecord', name: topic.name, topicId: id }]
    for (const [name, value] of configs) {
      records.push({ type: 'ConfigRecord', resourceType: 'TOPIC', resourceName: topic.name, name, value })
    }
    for (const [partitionId, replicas] of placement.entries()) {
      yield
      records.push(this.#newPartition(id, partitionId, replicas))
    }
    const created = { id, numPartitions: placement.length, replicationFactor: placement[0]!.length, configs }
    return { created, records }
  }

  *deleteTopics(ids: readonly Uuid[], admit?: Admit): Deciding<(KafkaError | null)[]> {
    const records: MetadataRecord[] = []
    const response = yield* attemptEach(ids, topicId => {
      const topic = this.image.topics.byId.get(topicId)
      if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_ID')
      checkDeletion(topic.name)
      admit?.(topic.partitions.length)
      records.push({ type: 'RemoveTopicRecord', topicId })
      return null
    })
    return yield* decide(records, response)
  }

  *createPartitions(topics: readonly NewPartitions[], validateOnly: boolean, admit?: Admit): Deciding<(KafkaError | null)[]> {
    const records: MetadataRecord[] = []
    let added = 0
    const create = function* (this: ClusterShard, wanted: NewPartitions) {
      const topic = this.image.topics.byName.get(wanted.name)
      if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
      checkMorePartitions(topic.name)
      const placement = yield* this.#placeMore(topic, wanted, added)
      admit?.(placement.length)
      const from = topic.partitions.length
      for (const [index, replicas] of placement.entries()) {
        yield
        records.push(this.#newPartition(topic.id, from + index, replicas))
      }
      added += placement.length
      return null
    }
    const response = yield* attemptEach(topics, wanted => create.call(this, wanted))
    return yield* decide(records, response, validateOnly)
  }

  *#placeMore(topic: TopicState, wanted: NewPartitions, addedBefore: number): Generator<void, number[][]> {
    const has = topic.partitions.length
    if (wanted.count === has) throw new KafkaError('INVALID_PARTITIONS', `Topic already has ${has} partition(s).`)
    if (wanted.count < has) {
      throw new KafkaError(
        'INVALID_PARTITIONS',
        `The topic ${topic.name} currently has ${has} partition(s); ${wanted.count} would not be an increase.`,
      )
    }
    this.#checkLimits(topic.name, 0, addedBefore + wanted.count - has)
    const placed = this.image.topics.partitionCount + addedBefore
    return yield* placeNewPartitions(wanted, has, topic.partitions[0]!.replicas.length, this.#candidates(), placed)
  }

  /** A broker that is alone in its cluster is not registered. One that is about to stop is placed like one that has stopped. */
  #candidates(): readonly Candidate[] {
    const { brokers } = this.image
    if (brokers.byId.size === 0) return [{ id: this.#options.brokerId, rack: null, fenced: false }]
    return brokers.sorted().map(({ id, rack, fenced, leaving }) => ({ id, rack, fenced: fenced || leaving }))
  }

  #newPartition(topicId: Uuid, partition: number, replicas: number[]): MetadataRecord {
    const { byId } = this.image.brokers
    const mayLead = (id: number) => byId.get(id)?.fenced === false && byId.get(id)?.leaving === false
    const isr = byId.size === 0 ? replicas : replicas.filter(mayLead)
    return newPartitionRecord(topicId, partition, replicas, isr)
  }

  registerBroker(broker: NewRegistration): Decision<number> {
    // By default the offset of the record, as in Kafka.
    const { epoch = this.nextOffset } = broker
    return decideAtOnce([registrationRecord(this.image.brokers, broker, epoch), ...successionRecords(this.image, broker.id, epoch)], epoch)
  }

  /** With the first of the elections that follow from it; {@link electLeaders} makes the others. */
  endSession({ brokerId, epoch, avoid, unregister = false }: EndedSession): Decision<void> {
    const { brokers } = this.image
    const ended = endedSessionRecord(brokers, brokerId, epoch)
    const leaves = unregister && brokers.byId.get(brokerId)?.epoch === epoch
    if (ended === null && !leaves) return decideAtOnce([], undefined)
    const alive = new Set(brokers.alive())
    alive.delete(brokerId)
    const records: MetadataRecord[] = electionRecords(this.image, { alive, avoid }, electionsAtOnce)
    if (ended !== null) records.unshift(ended)
    if (leaves) records.push({ type: 'UnregisterBrokerRecord', brokerId, brokerEpoch: epoch })
    return decideAtOnce(records, undefined)
  }

  /** Returns how many were made; 0: no more are needed, or possible. */
  electLeaders(): Decision<number> {
    const records = electionRecords(this.image, { alive: new Set(this.image.brokers.alive()) }, electionsAtOnce)
    return decideAtOnce(records, records.length)
  }

  fenceBroker(id: number, fenced: boolean, epoch?: number): Decision<void> {
    return decideAtOnce(fencingRecords(this.image.brokers, id, fenced, epoch), undefined)
  }

  leaveBroker(id: number): Decision<void> {
    return decideAtOnce(leavingRecords(this.image.brokers, id), undefined)
  }

  unregisterBroker(id: number): Decision<void> {
    return decideAtOnce([unregistrationRecord(this.image, id)], undefined)
  }

  /** `together`: if one is refused, none is made. */
  *changePartitions(changes: readonly PartitionChange[], together: boolean): Deciding<(KafkaError | null)[]> {
    const records: MetadataRecord[] = []
    const response = yield* attemptEach(changes, change => {
      const record = partitionChangeRecord(this.image, this.#options.brokerId, change)
      if (record !== null) records.push(record)
      return null
    })
    const isRefused = together && response.some(outcome => outcome !== null)
    return yield* decide(isRefused ? [] : records, response)
  }

  *applyConfigs(changes: readonly ConfigChange[], validateOnly: boolean): Deciding<(KafkaError | null)[]> {
    const records: MetadataRecord[] = []
    const response = yield* attemptEach(changes, ({ type, name: resourceName, edit }) => {
      if (type === 'TOPIC' && !this.image.topics.byName.has(resourceName)) {
        throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${resourceName}' does not exist.`)
      }
      const current = this.image.configs.of(type, resourceName)
      const changes = edit(current)
      if (type === 'TOPIC') this.#checkInternal(resourceName, current, changedBy(current, changes))
      for (const [name, value] of changes) {
        // What is so already needs no record, as in Kafka.
        if ((current.get(name) ?? null) === value) continue
        records.push({ type: 'ConfigRecord', resourceType: type, resourceName, name, value })
      }
      return null
    })
    return yield* decide(records, response, validateOnly)
  }

  #checkInternal(topic: string, before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
    if (!internalTopics.has(topic)) return
    const { rules } = this.#options
    checkConfig(topic, rules.effectiveTopicConfig(before), rules.effectiveTopicConfig(after))
  }

  *alterQuotas(alterations: readonly QuotaAlteration[], validateOnly: boolean): Deciding<(KafkaError | null)[]> {
    const { records, outcomes } = yield* quotaRecords(this.image.quotas, alterations)
    return yield* decide(records, outcomes, validateOnly)
  }

  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Decision<void> {
    const records = featureRecords(this.image.features, updates, this.#options.brokerId)
    return decideAtOnce(validateOnly ? [] : records, undefined)
  }

  allocateProducerIds(): Decision<ProducerIdBlock> {
    const first = this.image.nextProducerId
    if (first > maxInt64 - BigInt(producerIdBlockSize))
      throw new KafkaError('UNKNOWN_SERVER_ERROR', `All producer ids are used up (next id: ${first})`)
    const nextProducerId = addInt64(first, producerIdBlockSize)
    const record: MetadataRecord = { type: 'ProducerIdsRecord', brokerId: this.#options.brokerId, brokerEpoch: 0, nextProducerId }
    return decideAtOnce([record], { first, count: producerIdBlockSize })
  }

  /** What every metadata log begins with. Nothing when a level was finalized before. */
  bootstrap(levels: ReadonlyMap<string, number>): Decision<void> {
    const records: MetadataRecord[] = []
    if (this.image.features.size === 0) {
      for (const [name, featureLevel] of levels) records.push({ type: 'FeatureLevelRecord', name, featureLevel })
    }
    return decideAtOnce(records, undefined)
  }

  #unusedId(given: Set<Uuid>): Uuid {
    for (;;) {
      const id = this.#options.newTopicId()
      if (this.image.topics.byId.has(id) || given.has(id)) continue
      given.add(id)
      return id
    }
  }

  /** Internal topics do not count, so that groups and transactions can start, however many topics there are. */
  #checkLimits(topic: string, moreTopics: number, morePartitions: number): void {
    const { limits } = this.#options
    if (morePartitions > maxRecordsPerOperation) {
      throw new KafkaError('POLICY_VIOLATION', 'Unable to perform excessively large batch operation.')
    }
    if (internalTopics.has(topic)) return
    const counted = this.#counted()
    if (counted.topics + moreTopics > limits.topics) {
      throw new KafkaError('POLICY_VIOLATION', `The limit cluster.max.topics=${limits.topics} is reached.`)
    }
    if (counted.partitions + morePartitions > limits.partitions) {
      throw new KafkaError(
        'POLICY_VIOLATION',
        `The request exceeds the limit cluster.max.partitions=${limits.partitions}; there are ${counted.partitions} partitions.`,
      )
    }
  }

  #counted(): { topics: number; partitions: number } {
    const { byId, byName, partitionCount } = this.image.topics
    const counted = { topics: byId.size, partitions: partitionCount }
    for (const name of internalTopics) {
      const internal = byName.get(name)
      if (internal === undefined) continue
      counted.topics--
      counted.partitions -= internal.partitions.length
    }
    return counted
  }
}

function changedBy(configs: ReadonlyMap<string, string>, changes: ReadonlyMap<string, string | null>): Map<string, string> {
  const after = new Map(configs)
  for (const [name, value] of changes) {
    if (value === null) after.delete(name)
    else after.set(name, value)
  }
  return after
}

function configsOf(topic: NewTopic): Map<string, string> {
  const nulls = topic.configs.filter(config => config.value === null).map(config => config.name)
  if (nulls.length > 0) throw new KafkaError('INVALID_CONFIG', `Null value not supported for topic configs: ${nulls.join(',')}`)
  return new Map(topic.configs.map(config => [config.name, config.value!]))
}
