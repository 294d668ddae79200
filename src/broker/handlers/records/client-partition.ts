/** Finds the partition of a client's request, or the error: one rule for all APIs except the hot ones. */
import type { Int64 } from '../../../base.ts'
import type { PartitionLog } from '../../../log.ts'
import { KafkaError, type Offset } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { absence } from '../cluster/cluster-view.ts'

/** The partition, online and (unless -1) at the epoch that the client expects; throws KafkaError. KIP-320. */
export function clientPartition(context: RequestContext, topic: string, partition: number, currentLeaderEpoch = -1): PartitionLog {
  const known = context.broker.metadata.topic(topic)?.partitions[partition]
  const log = known?.log ?? null
  if (log === null) throw new KafkaError(absence(known))
  if (log.offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', log.offline)
  if (currentLeaderEpoch !== -1 && currentLeaderEpoch < log.leaderEpoch) throw new KafkaError('FENCED_LEADER_EPOCH')
  if (currentLeaderEpoch > log.leaderEpoch) throw new KafkaError('UNKNOWN_LEADER_EPOCH')
  return log
}

/** An offset that a client asks for, where it can be one of a log; throws KafkaError. */
export function offsetInLog(log: PartitionLog, offset: Int64): Offset {
  if (typeof offset === 'number') return offset
  throw new KafkaError('OFFSET_OUT_OF_RANGE', `Offset ${offset} of ${log.topic}-${log.partition} is larger than any log can hold.`)
}

/** Up to where a reader with this isolation level may read. An unknown level is an error, so that no reader gets less isolation than it asked for. */
export function visibility(isolationLevel: number): 'high-watermark' | 'last-stable' {
  if (isolationLevel === 0) return 'high-watermark'
  if (isolationLevel === 1) return 'last-stable'
  throw new KafkaError('INVALID_REQUEST', `Unknown isolation level ${isolationLevel}`)
}

/** If one sync takes longer, the disk has a problem, and the response is what is visible now. */
const longestWaitMs = 1_000

/**
 * Resolves when all that is in the log now is visible. With `acks=1` a producer may be answered a sync earlier than readers see its
 * records; an end offset requested after that response must include them, as on one broker of Kafka.
 */
export function whenVisible(log: PartitionLog, context: RequestContext): Promise<void> | null {
  const end: Offset = log.logEndOffset
  if (log.highWatermark >= end) return null
  return new Promise(resolve => {
    const timer = context.broker.system.timers.after(longestWaitMs, () => {
      waiter.cancel()
      resolve()
    })
    const waiter = log.whenPast(end - 1, 'high-watermark', () => {
      timer.cancel()
      resolve()
    })
  })
}
