/**
 * Moves partitions between brokers of a cluster over a database: they leave the log in the transaction that writes the record of their next
 * leader. Appends wait meanwhile and are then refused, so that clients go to the new leader. Coordinators do not wait: they let go first, and their
 * clients look for the new one.
 */
import type { AppendMetadata, ClusterMetadata, DatabaseMetadataLog, PartitionKey } from '../../coordinator.ts'
import type { SharedLog } from '../../log.ts'
import { KafkaError, toKafkaError } from '../../protocol.ts'
import { releaseWith } from '../cluster.ts'
import type { Mover } from './mover.ts'

export interface SharedMoverOptions {
  brokerId: number
  log: Pick<SharedLog, 'prepareRelease' | 'releaseWith'>
  metadata: Pick<ClusterMetadata, 'catchUp' | 'changePartitions' | 'leaderOf' | 'letGo' | 'partition' | 'takeBack' | 'topicById'>
  metadataLog: DatabaseMetadataLog
}

export class SharedMover implements Mover {
  readonly #options: SharedMoverOptions

  constructor(options: SharedMoverOptions) {
    this.#options = options
  }

  async move(partitions: readonly PartitionKey[], to: number): Promise<(KafkaError | null)[]> {
    const { brokerId, metadata } = this.#options
    const isLedBy = (broker: number) => (key: PartitionKey) => metadata.leaderOf(key.topicId, key.partition) === broker
    // One that is not open yet is being taken over, and that would go on.
    const isOpen = ({ topicId, partition }: PartitionKey) => metadata.partition(topicId, partition) !== undefined
    const led = partitions.filter(key => isLedBy(brokerId)(key) && isOpen(key))
    const ofCoordinators = led.filter(({ topicId }) => metadata.topicById(topicId)?.internal === true)
    const refusals = await this.#release(led, ofCoordinators, to)
    const kept = ofCoordinators.filter(key => !isLedBy(to)(key))
    if (kept.length > 0) await metadata.takeBack(kept)
    const notMoved = (key: PartitionKey) =>
      refusals.get(key) ?? new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${brokerId} did not give it away.`)
    return partitions.map(key => (isLedBy(to)(key) ? null : notMoved(key)))
  }

  /**
   * Why some did not leave. What leaves the log must be what the records say: so where the metadata refuses one, all stay, and the others are tried
   * without it. Never rejects.
   */
  async #release(
    led: readonly PartitionKey[],
    ofCoordinators: readonly PartitionKey[],
    to: number,
  ): Promise<Map<PartitionKey, KafkaError>> {
    const { log, metadata } = this.#options
    const refusals = new Map<PartitionKey, KafkaError>()
    for (let left = led; left.length > 0; ) {
      let outcomes: (KafkaError | null)[]
      try {
        await log.prepareRelease(left)
        // Coordinators go on as long as they can.
        outcomes = await this.#give(left, to, () => metadata.letGo(ofCoordinators))
      } catch (error) {
        for (const key of left) refusals.set(key, toKafkaError(error))
        // They may have left all the same, after the change had been given up here.
        await metadata.catchUp().catch(() => {})
        break
      }
      for (const [index, outcome] of outcomes.entries()) if (outcome !== null) refusals.set(left[index]!, outcome)
      const others = left.filter(key => !refusals.has(key))
      if (others.length === left.length) break
      left = others
    }
    return refusals
  }

  /** What the metadata say to each; nothing has left if one of them is refused. */
  async #give(partitions: readonly PartitionKey[], to: number, freezing: () => void): Promise<(KafkaError | null)[]> {
    const { brokerId, log, metadata, metadataLog } = this.#options
    const changes = partitions.map(key => ({ ...key, from: brokerId, leader: to }))
    let outcomes: (KafkaError | null)[] = []
    const change = async (append: AppendMetadata) => {
      outcomes = await metadata.changePartitions(changes, append)
    }
    await releaseWith(log, partitions, metadataLog, change, freezing)
    return outcomes
  }
}
