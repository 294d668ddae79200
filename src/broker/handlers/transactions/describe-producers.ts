/**
 * DescribeProducers, v0 (KIP-664): the producers that a partition remembers, and their open transactions.
 *
 * In Kafka every replica answers, and `kafka-transactions find-hanging --broker-id` asks one for all partitions that it has. Here only the
 * leader has the state, so that a replica asks the leader.
 */
import { inSlices, joinedKey } from '../../../base.ts'
import { topicNameProblem } from '../../../coordinator.ts'
import { apis, errorCode, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { isOfBroker } from '../../peers.ts'
import { clientPartition } from '../records/client-partition.ts'

type Response = InputOf<typeof apis.describeProducers.response>
type PartitionResponse = Response['topics'][number]['partitions'][number]

interface AtLeader {
  readonly leader: number
  readonly topic: string
  readonly partition: number
  /** Filled in when the leader has answered. */
  readonly answer: PartitionResponse
}

const notLeader = errorCode('NOT_LEADER_OR_FOLLOWER')

export const describeProducers = defineHandler<typeof apis.describeProducers>({
  api: apis.describeProducers,
  versions: [0, 0],
  access: [['TOPIC', 'READ']],
  cost: manyThings(function* (request) {
    request.topics = yield* distinctPairs(request.topics, topic => topic.name, 'partitionIndexes')
  }),
  async handle(request, context) {
    const { turns } = context.broker
    const atLeaders: AtLeader[] = []
    const topics = await inSlices(turns, request.topics, async ({ name, partitionIndexes }) => ({
      name,
      partitions: await inSlices(turns, partitionIndexes, partition => {
        const answer = describe(name, partition, context)
        const leader = answer.errorCode === notLeader ? leaderToAsk(name, partition, context) : null
        if (leader !== null) atLeaders.push({ leader, topic: name, partition, answer })
        return answer
      }),
    }))
    const byLeader = Map.groupBy(atLeaders, ({ leader }) => leader)
    await Promise.all(Array.from(byLeader, ([leader, asked]) => askLeader(leader, asked, context)))
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

/** null: nobody is asked. A broker that asks this one believed that it leads, and is told the error. */
function leaderToAsk(topic: string, partition: number, { broker, clientId }: RequestContext): number | null {
  const { self, metadata, peers } = broker
  const known = metadata.topic(topic)?.partitions[partition]
  if (known === undefined || peers === null || isOfBroker(clientId)) return null
  const { leader, replicas } = known
  return leader >= 0 && leader !== self.id && replicas.includes(self.id) ? leader : null
}

async function askLeader(leader: number, asked: readonly AtLeader[], { broker }: RequestContext): Promise<void> {
  try {
    const found = await broker.peers!.partitions.producers(leader, asked)
    await inSlices(broker.turns, asked, ({ topic, partition, answer }) =>
      Object.assign(answer, found.get(joinedKey(topic, String(partition)))),
    )
  } catch (error) {
    await inSlices(broker.turns, asked, ({ partition, answer }) => Object.assign(answer, failed(partition, toKafkaError(error))))
  }
}

function failed(partition: number, error: KafkaError): PartitionResponse {
  return { partitionIndex: partition, errorCode: error.code, errorMessage: error.message, activeProducers: [] }
}
