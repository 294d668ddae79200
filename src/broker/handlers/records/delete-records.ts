/**
 * DeleteRecords, v0–2 (KIP-107): raises the log start of partitions; -1 means the high watermark. Rejected for internal and for purely
 * compacted topics. The response is sent when the new starts are durable.
 */
import { type Int64, inSlices } from '../../../base.ts'
import { checkRecordDeletion } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { topicPartitions } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clientPartition, offsetInLog, whenVisible } from './client-partition.ts'

type Response = InputOf<typeof apis.deleteRecords.response>
type PartitionResult = Response['topics'][number]['partitions'][number]

const highWatermark = -1

export const deleteRecords = defineHandler<typeof apis.deleteRecords>({
  api: apis.deleteRecords,
  versions: [0, 2],
  access: [['TOPIC', 'DELETE']],
  onNewestMetadata: true,
  cost: topicPartitions,
  async handle(request, context) {
    const { turns } = context.broker
    const topics = await inSlices(turns, request.topics, async ({ name, partitions }) => ({
      name,
      partitions: await inSlices(turns, partitions, ({ partitionIndex, offset }) => deleteBefore(name, partitionIndex, offset, context)),
    }))
    return { throttleTimeMs: 0, topics }
  },
  *fail(request, error) {
    const topics = yield* nestedResultsOf(
      request.topics,
      ({ partitions }) => partitions,
      ({ partitionIndex }) => failed(partitionIndex, error),
      ({ name }, partitions) => ({ name, partitions }),
    )
    return { throttleTimeMs: 0, topics }
  },
})

async function deleteBefore(topic: string, partition: number, asked: Int64, context: RequestContext): Promise<PartitionResult> {
  try {
    if (!context.allowed('DELETE', 'TOPIC', topic)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
    const log = clientPartition(context, topic, partition)
    checkRecordDeletion(topic)
    const { cleanupPolicy } = log.config
    if (cleanupPolicy.compact && !cleanupPolicy.delete) {
      throw new KafkaError('POLICY_VIOLATION', `Records of partition ${topic}-${partition} can not be deleted due to the configured policy`)
    }
    await whenVisible(log, context)
    const offset = asked === highWatermark ? log.highWatermark : offsetInLog(log, asked)
    if (offset < 0) throw new KafkaError('OFFSET_OUT_OF_RANGE', `The offset ${offset} for partition ${topic}-${partition} is not valid`)
    if (offset > log.logStartOffset) await log.deleteBefore(offset)
    return { partitionIndex: partition, lowWatermark: log.logStartOffset, errorCode: 0 }
  } catch (error) {
    return failed(partition, toKafkaError(error))
  }
}

function failed(partition: number, error: KafkaError): PartitionResult {
  return { partitionIndex: partition, lowWatermark: -1, errorCode: error.code }
}
