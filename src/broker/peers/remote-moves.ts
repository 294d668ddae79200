/** What moves of partitions need of other brokers: that they answer, that they give partitions away, and how large theirs are. */
import type { Timers } from '../../base.ts'
import { apis, errorName, KafkaError } from '../../protocol.ts'
import { type AskedPartition, byTopic } from './asked-partition.ts'
import type { Peers } from './peers.ts'

export interface SizedPartition extends AskedPartition {
  readonly bytes: number
}

const preferred = 0
/** Any version will do. */
const apiVersionsVersion = 2
const electVersion = 2
const describeVersion = 4
const software = { clientSoftwareName: 'millrace', clientSoftwareVersion: 'broker' }
const answerWithinMs = 2_000

export class RemoteMoves {
  readonly #peers: Peers
  readonly #timers: Timers

  constructor(peers: Peers, timers: Timers) {
    this.#peers = peers
    this.#timers = timers
  }

  /** Whether the broker answers now. */
  answers(brokerId: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = this.#timers.after(answerWithinMs, () => resolve(false))
      this.#peers
        .request(brokerId, apis.apiVersions, apiVersionsVersion, software)
        .finally(() => timer.cancel())
        .then(
          () => resolve(true),
          () => resolve(false),
        )
    })
  }

  /** Has the broker, which leads these partitions, give them to their preferred leaders. One outcome per partition, in order. */
  async elect(brokerId: number, partitions: readonly AskedPartition[], timeoutMs: number): Promise<(KafkaError | null)[]> {
    const { errorCode, replicaElectionResults } = await this.#peers.request(brokerId, apis.electLeaders, electVersion, {
      electionType: preferred,
      topicPartitions: byTopic(partitions).map(([topic, indexes]) => ({ topic, partitions: indexes })),
      timeoutMs,
    })
    if (errorCode !== 0) throw new KafkaError(errorName(errorCode))
    const answers = new Map<string, KafkaError | null>()
    for (const { topic, partitionResult } of replicaElectionResults) {
      for (const { partitionId, errorCode: code, errorMessage } of partitionResult)
        answers.set(`${topic}-${partitionId}`, code === 0 ? null : new KafkaError(errorName(code), errorMessage ?? undefined))
    }
    return partitions.map(({ topic, partition }) => {
      const answer = answers.get(`${topic}-${partition}`)
      return answer === undefined
        ? new KafkaError('NETWORK_EXCEPTION', `Broker ${brokerId} did not answer for ${topic}-${partition}`)
        : answer
    })
  }

  /** Of all partitions that the broker has. */
  async sizes(brokerId: number): Promise<SizedPartition[]> {
    const { errorCode, results } = await this.#peers.request(brokerId, apis.describeLogDirs, describeVersion, { topics: null })
    if (errorCode !== 0) throw new KafkaError(errorName(errorCode))
    return results.flatMap(({ topics }) =>
      topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, partitionSize }) => ({ topic: name, partition: partitionIndex, bytes: Number(partitionSize) })),
      ),
    )
  }
}
