/** The position of a share group in a partition, and its lag (KIP-1226). */
import type { Int64 } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import type { Broker } from '../dispatch/context.ts'

export interface ShareStanding {
  /** -1 while nothing was delivered. */
  startOffset: Int64
  leaderEpoch: number
  /** -1 when it is not known. */
  lag: number
}

/** Throws KafkaError. */
export async function shareStanding({ shares }: Broker, groupId: string, log: PartitionLog): Promise<ShareStanding> {
  const state = await shares.read({ groupId, topicId: log.topicId, partition: log.partition })
  if (state === null) return { startOffset: -1, leaderEpoch: 0, lag: -1 }
  const { startOffset, deliveryCompleteCount } = state
  const known = startOffset !== -1 && deliveryCompleteCount !== -1
  const passed = Math.max(Number(startOffset), log.logStartOffset)
  const lag = known ? Math.max(0, log.highWatermark - passed - deliveryCompleteCount) : -1
  return { startOffset, leaderEpoch: log.leaderEpoch, lag }
}
