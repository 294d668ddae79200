/** What this broker asks the leaders of other partitions: to take a batch of its own, and where a partition begins and ends. */
import { apis, errorName, KafkaError } from '../../protocol.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

/** Of a partition, for the lag of a group. */
export interface PartitionEnds {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly leaderEpoch: number
}

/** Topics by name. */
const produceVersion = 12
const listVersion = 7
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
