/**
 * Moves partitions between brokers of a cluster over a database: they leave the log in the transaction that writes the record of their next
 * leader. Appends wait meanwhile and are then refused, so that clients go to the new leader. Coordinators do not wait: they let go first, and their
 * clients look for the new one.
 */
import type { ClusterMetadata, DatabaseMetadataLog, PartitionKey } from '../../coordinator.ts'
import type { SharedLog } from '../../log.ts'
import { KafkaError, toKafkaError } from '../../protocol.ts'
import { releaseWith } from '../cluster.ts'
import type { Mover } from './mover.ts'

export interface SharedMoverOptions {
  brokerId: number
  log: Pick<SharedLog, 'releaseWith'>
  metadata: Pick<ClusterMetadata, 'changePartitions' | 'leaderOf' | 'letGo' | 'takeBack' | 'topicById'>
  metadataLog: DatabaseMetadataLog
}

export class SharedMover implements Mover {
  readonly #options: SharedMoverOptions

  constructor(options: SharedMoverOptions) {
    this.#options = options
  }

  async move(partitions: readonly PartitionKey[], to: number): Promise<(KafkaError | null)[]> {
    const { brokerId, log, metadata, metadataLog } = this.#options
    const isLedBy = (broker: number) => (key: PartitionKey) => metadata.leaderOf(key.topicId, key.partition) === broker
    // What the log releases and what the records say must be the same partitions.
    const led = partitions.filter(isLedBy(brokerId))
    const changes = led.map(key => ({ ...key, from: brokerId, leader: to }))
    const refusals = new Map<PartitionKey, KafkaError>()
    const ofCoordinators = led.filter(({ topicId }) => metadata.topicById(topicId)?.internal === true)
    metadata.letGo(ofCoordinators)
    try {
      if (led.length > 0) {
        await releaseWith(log, led, metadataLog, async append => {
          const outcomes = await metadata.changePartitions(changes, append)
          outcomes.forEach((outcome, index) => {
            if (outcome !== null) refusals.set(led[index]!, outcome)
          })
        })
      }
    } catch (error) {
      for (const key of led) refusals.set(key, toKafkaError(error))
    }
    const kept = ofCoordinators.filter(key => !isLedBy(to)(key))
    if (kept.length > 0) await metadata.takeBack(kept)
    const notMoved = (key: PartitionKey) =>
      refusals.get(key) ?? new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${brokerId} did not give it away.`)
    return partitions.map(key => (isLedBy(to)(key) ? null : notMoved(key)))
  }
}
