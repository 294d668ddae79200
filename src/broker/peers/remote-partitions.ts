/** What this broker asks the leaders of other partitions: to take a batch of its own, and where a partition begins and ends. */
import { joinedKey } from '../../base.ts'
import { apis, errorName, KafkaError, type MessageOf } from '../../protocol.ts'
import { type AskedPartition, byTopic } from './asked-partition.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

/** Of a partition, for the lag of a group. */
export interface PartitionEnds {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly leaderEpoch: number
}

export type DescribedProducers = MessageOf<typeof apis.describeProducers.response>['topics'][number]['partitions'][number]

/** Topics by name. */
const produceVersion = 12
const listVersion = 7
const describeProducersVersion = 0
const earliest = -2
const latest = -1
const readUncommitted = 0
const noReplica = -1

export class RemotePartitions {
  readonly #leaders: Leaders
  readonly #peers: Peers
  readonly #timeoutMs: () => number

  constructor(leaders: Leaders, peers: Peers, timeoutMs: () => number) {
    this.#leaders = leaders
    this.#peers = peers
    this.#timeoutMs = timeoutMs
  }

  /** Resolves when the batch is durable. Throws KafkaError, NOT_LEADER_OR_FOLLOWER too when this broker leads the partition. */
  async produce(topic: string, partition: number, records: Buffer): Promise<void> {
    const { responses } = await this.#peers.request(this.#leaderOf(topic, partition), apis.produce, produceVersion, {
      transactionalId: null,
      acks: -1,
      timeoutMs: this.#timeoutMs(),
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    })
    const answer = responses[0]?.partitionResponses[0]
    if (answer === undefined) throw new KafkaError('NETWORK_EXCEPTION', `The leader of ${topic}-${partition} did not answer for it`)
    if (answer.errorCode !== 0) throw new KafkaError(errorName(answer.errorCode), answer.errorMessage ?? undefined)
  }

  async ends(topic: string, partition: number): Promise<PartitionEnds> {
    const [first, last] = await Promise.all([this.#offset(topic, partition, earliest), this.#offset(topic, partition, latest)])
    return { logStartOffset: first.offset, highWatermark: last.offset, leaderEpoch: last.leaderEpoch }
  }

  /** Of partitions that other brokers lead, by `joinedKey(topic, partition)`. Those of a broker that does not answer are missing. */
  async endsOfMany(partitions: readonly AskedPartition[]): Promise<Map<string, PartitionEnds>> {
    const byLeader = Map.groupBy(partitions, ({ topic, partition }) => this.#leaders.elsewhereNow(topic, partition))
    const found = new Map<string, PartitionEnds>()
    const ask = async ([leader, led]: [number | null, readonly AskedPartition[]]) => {
      if (leader === null) return
      const topics = byTopic(led)
      const [first, last] = await Promise.all([this.#offsets(leader, topics, earliest), this.#offsets(leader, topics, latest)])
      for (const [key, { offset, leaderEpoch }] of last) {
        const start = first.get(key)
        if (start !== undefined) found.set(key, { logStartOffset: start.offset, highWatermark: offset, leaderEpoch })
      }
    }
    await Promise.allSettled(Array.from(byLeader, ask))
    return found
  }

  /** What the leader knows of the producers of partitions, by `joinedKey(topic, partition)`. */
  async producers(leader: number, partitions: readonly AskedPartition[]): Promise<Map<string, DescribedProducers>> {
    const topics = byTopic(partitions).map(([name, partitionIndexes]) => ({ name, partitionIndexes }))
    const answer = await this.#peers.request(leader, apis.describeProducers, describeProducersVersion, { topics })
    const found = new Map<string, DescribedProducers>()
    for (const topic of answer.topics)
      for (const described of topic.partitions) found.set(joinedKey(topic.name, String(described.partitionIndex)), described)
    return found
  }

  async #offsets(leader: number, topics: ReturnType<typeof byTopic>, timestamp: number) {
    const answer = await this.#peers.request(leader, apis.listOffsets, listVersion, {
      replicaId: noReplica,
      isolationLevel: readUncommitted,
      topics: topics.map(([name, indexes]) => ({
        name,
        partitions: indexes.map(partitionIndex => ({ partitionIndex, timestamp })),
      })),
    })
    const offsets = new Map<string, { offset: number; leaderEpoch: number }>()
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode, offset, leaderEpoch } of partitions)
        if (errorCode === 0) offsets.set(joinedKey(name, String(partitionIndex)), { offset: Number(offset), leaderEpoch })
    }
    return offsets
  }

  async #offset(topic: string, partition: number, timestamp: number): Promise<{ offset: number; leaderEpoch: number }> {
    const { topics } = await this.#peers.request(this.#leaderOf(topic, partition), apis.listOffsets, listVersion, {
      replicaId: noReplica,
      isolationLevel: readUncommitted,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
    })
    const answer = topics[0]?.partitions[0]
    if (answer === undefined) throw new KafkaError('NETWORK_EXCEPTION', `The leader of ${topic}-${partition} did not answer for it`)
    if (answer.errorCode !== 0) throw new KafkaError(errorName(answer.errorCode))
    return { offset: Number(answer.offset), leaderEpoch: answer.leaderEpoch }
  }

  #leaderOf(topic: string, partition: number): number {
    const leader = this.#leaders.elsewhere(topic, partition)
    if (leader !== null) return leader
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${topic}-${partition} is not led by another broker`)
  }
}
