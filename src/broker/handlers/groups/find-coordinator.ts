/**
 * FindCoordinator, v0–6.
 *
 * v0 supports only groups, v1 adds the key type, v4 (KIP-699) requests several keys at once, v5 is v4 (KIP-890), v6 adds share groups
 * (KIP-932). The coordinator is the broker that leads the key's partition of the internal topic; the first request creates the topic.
 */
import { inSlices } from '../../../base.ts'
import { offsetsTopicName, shareStateTopicName, transactionTopicName } from '../../../coordinator.ts'
import { apis, type ErrorName, errorCode, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'
import { nodeOf } from '../cluster/cluster-view.ts'

type Response = InputOf<typeof apis.findCoordinator.response>
type Coordinator = NonNullable<Response['coordinators']>[number]

const batchedFrom = 4
const groupType = 0
const transactionType = 1
const shareType = 2

export const findCoordinator = defineHandler<typeof apis.findCoordinator>({
  api: apis.findCoordinator,
  versions: [0, 6],
  access: [
    ['GROUP', 'DESCRIBE'],
    ['TRANSACTIONAL_ID', 'DESCRIBE'],
    ['CLUSTER', 'CLUSTER_ACTION'],
  ],
  cost: manyThings(function* (request) {
    request.coordinatorKeys = yield* distinct(request.coordinatorKeys)
  }),
  async handle(request, context) {
    const keys = context.version >= batchedFrom ? request.coordinatorKeys : [request.key]
    const found = await inSlices(context.broker.turns, keys, key => find(key, request.keyType, context))
    return response(found, context.version)
  },
  *fail(request, error, version) {
    const keys = version >= batchedFrom ? request.coordinatorKeys : [request.key]
    return response(yield* resultsOf(keys, key => noCoordinator(key, error)), version)
  },
})

async function find(key: string, keyType: number, context: RequestContext): Promise<Coordinator> {
  const { broker, connection } = context
  try {
    authorize(key, keyType, context)
    const { topic, partition } = await place(key, keyType, context)
    const leader = broker.metadata.topic(topic)?.partitions[partition]?.leader ?? -1
    const node = nodeOf(broker, leader, connection.listener)
    if (node === null) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `Nobody serves ${topic}-${partition} now`)
    return { key, nodeId: node.id, host: node.host, port: node.port, errorCode: 0, errorMessage: null }
  } catch (error) {
    return noCoordinator(key, toKafkaError(error))
  }
}

/** The partition that holds the key's state. */
async function place(key: string, keyType: number, { broker }: RequestContext): Promise<{ topic: string; partition: number }> {
  if (keyType === transactionType) return { topic: transactionTopicName, partition: await broker.transactions.locate(key) }
  if (keyType === shareType) return { topic: shareStateTopicName, partition: await broker.shares.locate(key) }
  return { topic: offsetsTopicName, partition: await broker.groups.locate(key) }
}

function authorize(key: string, keyType: number, context: RequestContext): void {
  if (keyType === groupType) {
    if (!context.allowed('DESCRIBE', 'GROUP', key)) refuse('GROUP_AUTHORIZATION_FAILED')
  } else if (keyType === transactionType) {
    if (!context.allowed('DESCRIBE', 'TRANSACTIONAL_ID', key)) refuse('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  } else if (keyType === shareType) {
    if (!context.allowed('CLUSTER_ACTION', 'CLUSTER', clusterName)) refuse('CLUSTER_AUTHORIZATION_FAILED')
  } else {
    throw new KafkaError('INVALID_REQUEST', `Unknown coordinator type ${keyType}`)
  }
}

function refuse(error: ErrorName): never {
  throw new KafkaError(error)
}

function noCoordinator(key: string, error: KafkaError): Coordinator {
  return { key, nodeId: -1, host: '', port: -1, errorCode: errorCode(error.name), errorMessage: error.message }
}

function response(coordinators: Coordinator[], version: number): Response {
  const { nodeId, host, port, errorCode, errorMessage } = coordinators[0] ?? noCoordinator('', new KafkaError('NONE'))
  return version >= batchedFrom
    ? { throttleTimeMs: 0, errorCode: 0, errorMessage: null, nodeId: 0, host: '', port: 0, coordinators }
    : { throttleTimeMs: 0, errorCode, errorMessage, nodeId, host, port, coordinators: [] }
}
