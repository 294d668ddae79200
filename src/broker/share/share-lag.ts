/** The position of a share group in a partition, and its lag (KIP-1226). */
import type { Int64 } from '../../base.ts'
import type { TopicPartition } from '../../coordinator.ts'
import type { Uuid } from '../../protocol.ts'
import type { Broker } from '../dispatch/context.ts'

export interface ShareStanding {
  /** -1 while nothing was delivered. */
  startOffset: Int64
  leaderEpoch: number
  /** -1 when it is not known, as where the partition is on another broker. */
  lag: number
}

/** Throws KafkaError. */
export async function shareStanding({ shares }: Broker, groupId: string, topicId: Uuid, partition: TopicPartition): Promise<ShareStanding> {
  const state = await shares.read({ groupId, topicId, partition: partition.index })
  if (state === null) return { startOffset: -1, leaderEpoch: 0, lag: -1 }
  const { startOffset, deliveryCompleteCount } = state
  const { leaderEpoch, log } = partition
  if (log === null || startOffset === -1 || deliveryCompleteCount === -1) return { startOffset, leaderEpoch, lag: -1 }
  const passed = Math.max(Number(startOffset), log.logStartOffset)
  return { startOffset, leaderEpoch, lag: Math.max(0, log.highWatermark - passed - deliveryCompleteCount) }
}
