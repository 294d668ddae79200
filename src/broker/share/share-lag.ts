/** The position of a share group in a partition, and its lag (KIP-1226). */
import type { Int64 } from '../../base.ts'
import type { SharePartitionKey, SharePosition, ShareStates } from '../../coordinator.ts'

export interface ShareStanding {
  /** -1 while nothing was delivered. */
  startOffset: Int64
  leaderEpoch: number
  /** -1 when it is not known, as where the partition is on another broker. */
  lag: number
}

/** Of the partition, as its leader knows them. */
interface Ends {
  readonly logStartOffset: number
  readonly highWatermark: number
}

/** Throws KafkaError. */
export async function shareStanding(
  states: Pick<ShareStates, 'position'>,
  key: SharePartitionKey,
  leaderEpoch: number,
  ends: Ends | null,
): Promise<ShareStanding> {
  return standingAt(await states.position(key), leaderEpoch, ends)
}

/** `ends`: null when they are not known. */
export function standingAt(position: SharePosition | null, leaderEpoch: number, ends: Ends | null): ShareStanding {
  if (position === null) return { startOffset: -1, leaderEpoch: 0, lag: -1 }
  const { startOffset, deliveryCompleteCount } = position
  if (ends === null || startOffset === -1 || deliveryCompleteCount === -1) return { startOffset, leaderEpoch, lag: -1 }
  const passed = Math.max(Number(startOffset), ends.logStartOffset)
  return { startOffset, leaderEpoch, lag: Math.max(0, ends.highWatermark - passed - deliveryCompleteCount) }
}
