/**
 * WriteTxnMarkers, v1–2: ends transactions on single partitions. The coordinator of this broker writes its markers directly; this API is for
 * other coordinators, and for operators who abort hanging transactions (`kafka-transactions abort`). v2 contains the transaction version: with
 * version 2, the epoch of the marker must be higher than that of the records it ends (KIP-1228).
 */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, type MessageOf, toKafkaError } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'

type Marker = MessageOf<typeof apis.writeTxnMarkers.request>['markers'][number]
type Result = InputOf<typeof apis.writeTxnMarkers.response>['markers'][number]

export const writeTxnMarkers = defineHandler<typeof apis.writeTxnMarkers>({
  api: apis.writeTxnMarkers,
  versions: [1, 2],
  access: [
    ['CLUSTER', 'ALTER'],
    ['CLUSTER', 'CLUSTER_ACTION'],
  ],
  cost: manyThings(null),
  async handle(request, context) {
    const allowed = context.allowed('ALTER', 'CLUSTER', clusterName) || context.allowed('CLUSTER_ACTION', 'CLUSTER', clusterName)
    if (!allowed) throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED')
    return { markers: await inSlices(context.broker.turns, request.markers, marker => result(marker, context)) }
  },
  *fail(request, error) {
    const markers: Result[] = []
    for (const { producerId, topics } of request.markers) {
      const results = yield* nestedResultsOf(
        topics,
        ({ partitionIndexes }) => partitionIndexes,
        partitionIndex => ({ partitionIndex, errorCode: error.code }),
        ({ name }, partitions) => ({ name, partitions }),
      )
      markers.push({ producerId, topics: results })
      yield
    }
    return { markers }
  },
})

async function result(marker: Marker, context: RequestContext): Promise<Result> {
  const { turns } = context.broker
  const topics = await inSlices(turns, marker.topics, async ({ name, partitionIndexes }) => ({
    name,
    partitions: await inSlices(turns, partitionIndexes, async partitionIndex => ({
      partitionIndex,
      errorCode: await write(marker, name, partitionIndex, context),
    })),
  }))
  return { producerId: marker.producerId, topics }
}

async function write(marker: Marker, topic: string, partition: number, { broker }: RequestContext): Promise<number> {
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult: committed, transactionVersion } = marker
  try {
    if (producerId === -1) throw new KafkaError('INVALID_REQUEST', 'The producer id of a transaction marker must not be negative')
    const known = broker.metadata.topic(topic)?.partitions[partition]
    if (known?.log === null) throw new KafkaError('NOT_LEADER_OR_FOLLOWER')
    if (transactionVersion >= 2) checkEpoch(marker, topic, partition, broker)
    await broker.transactions.writeMarker(topic, partition, { producerId, producerEpoch, coordinatorEpoch, committed })
    return 0
  } catch (error) {
    const told = toKafkaError(error)
    return unavailable.has(told.name) ? new KafkaError('NOT_LEADER_OR_FOLLOWER').code : told.code
  }
}

/** Errors of a coordinator that mean that its partition is unavailable. */
const unavailable = new Set(['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS', 'NOT_COORDINATOR'])

function checkEpoch({ producerId, producerEpoch }: Marker, topic: string, partition: number, broker: RequestContext['broker']): void {
  const producers = broker.metadata.partitionByName(topic, partition)?.producers() ?? []
  const known = producers.find(producer => producer.producerId === producerId && producer.currentTransactionStartOffset >= 0)
  if (known === undefined || known.producerEpoch < producerEpoch) return
  throw new KafkaError('INVALID_PRODUCER_EPOCH', `Epoch ${producerEpoch} of the marker is not above ${known.producerEpoch}`)
}
