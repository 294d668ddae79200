/**
 * AddPartitionsToTxn, v0–5: adds partitions to a transaction before they are written. v0–3 come from clients, for one transaction;
 * v4–5 are sent between brokers, for several, and may only ask whether partitions have been added (KIP-890). Either all partitions of a
 * transaction are added, or none. v2 returns PRODUCER_FENCED (KIP-588). v4–5 need CLUSTER_ACTION only, as in Kafka: the broker that asks has
 * checked the permissions of the producer. They may name `__consumer_offsets`, where a group's offsets are committed.
 */
import { inSlices, runInSlices } from '../../../base.ts'
import { belongsToBroker, offsetsTopicName, type TransactionalProducer } from '../../../coordinator.ts'
import { apis, type ErrorName, errorCode, type InputOf, type MessageOf, toKafkaError } from '../../../protocol.ts'
import { distinct, distinctPairs, manyThings, promptly } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { fencingError, producerAccess, requireTransactionalId } from './transaction-caller.ts'

type Request = MessageOf<typeof apis.addPartitionsToTxn.request>
type Response = InputOf<typeof apis.addPartitionsToTxn.response>
type Topics = Request['v3AndBelowTopics']
type TopicResults = NonNullable<Response['resultsByTopicV3AndBelow']>

const fencedFrom = 2
const batchedFrom = 4
/** `transaction.version` of the producer: only with 2 do brokers add partitions. */
const addedByBroker = 2

export const addPartitionsToTxn = defineHandler<typeof apis.addPartitionsToTxn>({
  api: apis.addPartitionsToTxn,
  versions: [0, 5],
  access: [...producerAccess, ['TOPIC', 'WRITE'], ['CLUSTER', 'CLUSTER_ACTION']],
  cost: promptly(
    manyThings(function* (request) {
      request.v3AndBelowTopics = yield* distinctPairs(request.v3AndBelowTopics, topic => topic.name, 'partitions')
      request.transactions = yield* distinct(request.transactions, transaction => transaction.transactionalId)
      for (const transaction of request.transactions)
        transaction.topics = yield* distinctPairs(transaction.topics, topic => topic.name, 'partitions')
    }),
  ),
  async handle(request, context): Promise<Response> {
    if (context.version < batchedFrom) {
      const producer = {
        transactionalId: request.v3AndBelowTransactionalId,
        producerId: request.v3AndBelowProducerId,
        producerEpoch: request.v3AndBelowProducerEpoch,
      }
      const topics = request.v3AndBelowTopics
      return { throttleTimeMs: 0, resultsByTopicV3AndBelow: await enter(producer, topics, false, context) }
    }
    requireCluster(context, 'CLUSTER_ACTION')
    const resultsByTransaction = await inSlices(context.broker.turns, request.transactions, async transaction => ({
      transactionalId: transaction.transactionalId,
      topicResults: await enter(transaction, transaction.topics, transaction.verifyOnly, context),
    }))
    return { throttleTimeMs: 0, errorCode: 0, resultsByTransaction }
  },
  *fail(request, error, version) {
    if (version >= batchedFrom) return { throttleTimeMs: 0, errorCode: error.code, resultsByTransaction: [] }
    return { throttleTimeMs: 0, resultsByTopicV3AndBelow: yield* all(request.v3AndBelowTopics, error.code) }
  },
})

async function enter(producer: TransactionalProducer, topics: Topics, verifyOnly: boolean, context: RequestContext): Promise<TopicResults> {
  try {
    const { transactionalId } = producer
    const ofBroker = context.version >= batchedFrom
    if (!ofBroker) requireTransactionalId(context, transactionalId)
    const refused = await refusals(topics, context)
    if (refused !== null) return refused
    if (verifyOnly) return await verified(producer, topics, context)
    const { transactions } = context.broker
    if (ofBroker) await transactions.addForBroker(producer, byTopic(topics), addedByBroker)
    else await transactions.addPartitions(producer, byTopic(topics), 0)
    return await runInSlices(context.broker.turns, all(topics, 0))
  } catch (error) {
    return runInSlices(context.broker.turns, all(topics, fencingError(toKafkaError(error), context.version, fencedFrom).code))
  }
}

/** The errors of all partitions when one of them cannot be entered. */
async function refusals(topics: Topics, context: RequestContext): Promise<TopicResults | null> {
  let refused = false
  const results = await inSlices(context.broker.turns, topics, ({ name, partitions }) => {
    const known = context.broker.metadata.topic(name)
    const allowed =
      context.version >= batchedFrom
        ? name === offsetsTopicName || !belongsToBroker(name)
        : !belongsToBroker(name) && context.allowed('WRITE', 'TOPIC', name)
    return {
      name,
      resultsByPartition: partitions.map(partitionIndex => {
        let error: ErrorName = 'OPERATION_NOT_ATTEMPTED'
        if (!allowed) error = 'TOPIC_AUTHORIZATION_FAILED'
        else if (known?.partitions[partitionIndex] === undefined) error = 'UNKNOWN_TOPIC_OR_PARTITION'
        if (error !== 'OPERATION_NOT_ATTEMPTED') refused = true
        return { partitionIndex, partitionErrorCode: errorCode(error) }
      }),
    }
  })
  return refused ? results : null
}

function verified(producer: TransactionalProducer, topics: Topics, { broker }: RequestContext): Promise<TopicResults> {
  return inSlices(broker.turns, topics, async ({ name, partitions }) => ({
    name,
    resultsByPartition: await inSlices(broker.turns, partitions, async partitionIndex => {
      try {
        await broker.transactions.verifyForBroker(producer, name, partitionIndex)
        return { partitionIndex, partitionErrorCode: 0 }
      } catch (error) {
        return { partitionIndex, partitionErrorCode: toKafkaError(error).code }
      }
    }),
  }))
}

function all(topics: Topics, partitionErrorCode: number): Generator<void, TopicResults> {
  return nestedResultsOf(
    topics,
    ({ partitions }) => partitions,
    partitionIndex => ({ partitionIndex, partitionErrorCode }),
    ({ name }, resultsByPartition) => ({ name, resultsByPartition }),
  )
}

function byTopic(topics: Topics): Map<string, Set<number>> {
  const partitions = new Map<string, Set<number>>()
  for (const topic of topics) {
    const known = partitions.get(topic.name)
    if (known === undefined) partitions.set(topic.name, new Set(topic.partitions))
    else for (const partition of topic.partitions) known.add(partition)
  }
  return partitions
}
