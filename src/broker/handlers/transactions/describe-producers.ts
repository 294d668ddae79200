/** DescribeProducers, v0 (KIP-664): the producers that a partition remembers, and their open transactions. */
import { inSlices } from '../../../base.ts'
import { topicNameProblem } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clientPartition } from '../records/client-partition.ts'

type Response = InputOf<typeof apis.describeProducers.response>
type PartitionResponse = Response['topics'][number]['partitions'][number]

export const describeProducers = defineHandler<typeof apis.describeProducers>({
  api: apis.describeProducers,
  versions: [0, 0],
  access: [['TOPIC', 'READ']],
  cost: manyThings(function* (request) {
    request.topics = yield* distinctPairs(request.topics, topic => topic.name, 'partitionIndexes')
  }),
  async handle(request, context) {
    const { turns } = context.broker
    const topics = await inSlices(turns, request.topics, async ({ name, partitionIndexes }) => ({
      name,
      partitions: await inSlices(turns, partitionIndexes, partition => describe(name, partition, context)),
    }))
    return { throttleTimeMs: 0, topics }
  },
  *fail(request, error) {
    const topics = yield* nestedResultsOf(
      request.topics,
      ({ partitionIndexes }) => partitionIndexes,
      partition => failed(partition, error),
      ({ name }, partitions) => ({ name, partitions }),
    )
    return { throttleTimeMs: 0, topics }
  },
})

function describe(topic: string, partition: number, context: RequestContext): PartitionResponse {
  try {
    const problem = topicNameProblem(topic)
    if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
    if (!context.allowed('READ', 'TOPIC', topic)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
    const log = clientPartition(context, topic, partition)
    return {
      partitionIndex: partition,
      errorCode: 0,
      activeProducers: log.producers().map(producer => ({
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        lastSequence: producer.lastSequence,
        lastTimestamp: producer.lastTimestampMs,
        coordinatorEpoch: producer.coordinatorEpoch,
        currentTxnStartOffset: producer.currentTransactionStartOffset,
      })),
    }
  } catch (error) {
    return failed(partition, toKafkaError(error))
  }
}

function failed(partition: number, error: KafkaError): PartitionResponse {
  return { partitionIndex: partition, errorCode: error.code, errorMessage: error.message, activeProducers: [] }
}
