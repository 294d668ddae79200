/** How a client's request finds a partition, and the errors that say why it cannot have it: one rule for all APIs but the hot ones. */
import type { PartitionLog } from '../log.ts'
import { KafkaError } from '../protocol.ts'
import type { RequestContext } from './handler.ts'

/** The partition, online and (unless -1) at the epoch that the client believes; throws KafkaError. KIP-320. */
export function clientPartition(context: RequestContext, topic: string, partition: number, currentLeaderEpoch = -1): PartitionLog {
  const log = context.broker.metadata.partitionByName(topic, partition)
  if (log === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
  if (log.offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', log.offline)
  if (currentLeaderEpoch >= 0 && currentLeaderEpoch < log.leaderEpoch) throw new KafkaError('FENCED_LEADER_EPOCH')
  if (currentLeaderEpoch > log.leaderEpoch) throw new KafkaError('UNKNOWN_LEADER_EPOCH')
  return log
}
