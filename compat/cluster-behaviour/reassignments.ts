/** Which replicas a partition has, and which of them leads it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorName } from '../../src/protocol.ts'
import type { Cases } from './case.ts'
import { eventually, same, type World } from './world.ts'

async function reassign(world: World, id: number, topic: string, partitionIndex: number, replicas: number[] | null): Promise<string> {
  const topics = [{ name: topic, partitions: [{ partitionIndex, replicas }] }]
  const answer = await world.ask(
    id,
    apis.alterPartitionReassignments,
    1,
    { timeoutMs: 10_000, allowReplicationFactorChange: true, topics },
    10_000,
  )
  return errorName(answer.errorCode || answer.responses[0]!.partitions[0]!.errorCode)
}

async function elect(world: World, id: number, electionType: number, topic: string, partition: number): Promise<string> {
  const topicPartitions = [{ topic, partitions: [partition] }]
  const answer = await world.ask(id, apis.electLeaders, 2, { electionType, topicPartitions, timeoutMs: 10_000 }, 10_000)
  return errorName(answer.errorCode || answer.replicaElectionResults[0]!.partitionResult[0]!.errorCode)
}

async function underWay(world: World, id: number, name: string): Promise<unknown> {
  const { topics } = await world.ask(id, apis.listPartitionReassignments, 0, { topics: [{ name, partitionIndexes: [0] }] })
  return topics.flatMap(({ partitions }) => partitions.map(({ addingReplicas, removingReplicas }) => [addingReplicas, removingReplicas]))
}

export const reassignments: Cases = {
  'reassignments/order-then-election': async world => {
    const topic = await world.spread()
    const leader = async () => (await world.partitions(2, topic))[0]!.leader
    same(await reassign(world, 3, topic, 0, [2, 1, 3]), 'NONE', 'a new order')
    await sleep(8_000)
    same(await leader(), 1, 'the leader after a new order')
    same((await world.partitions(2, topic))[0]!.replicas, [2, 1, 3], 'the replicas')
    same(await elect(world, 3, 0, topic, 0), 'NONE', 'ElectLeaders PREFERRED')
    same(await leader(), 2, 'the leader after the election, at another broker')
    return ''
  },

  'reassignments/refusals': async world => {
    const topic = await world.spread()
    same(await elect(world, 2, 0, topic, 0), 'ELECTION_NOT_NEEDED', 'a preferred election that is not needed')
    same(await elect(world, 2, 1, topic, 0), 'ELECTION_NOT_NEEDED', 'an unclean election that is not needed')
    same(await elect(world, 2, 0, topic, 9), 'UNKNOWN_TOPIC_OR_PARTITION', 'an election of no partition')
    for (const wrong of [[], [1, 1], [9], [1, 9]])
      same(await reassign(world, 2, topic, 0, wrong), 'INVALID_REPLICA_ASSIGNMENT', `to ${wrong}`)
    same(await reassign(world, 2, topic, 0, null), 'NO_REASSIGNMENT_IN_PROGRESS', 'nothing to cancel')
    same(await reassign(world, 2, topic, 9, [1]), 'UNKNOWN_TOPIC_OR_PARTITION', 'no such partition')
    const { errorCode } = await world.ask(2, apis.unregisterBroker, 0, { brokerId: 99 })
    same(errorName(errorCode), 'BROKER_ID_NOT_REGISTERED', 'UnregisterBroker of nobody')
    same(await reassign(world, 2, topic, 0, [3]), 'NONE', 'to another broker')
    same((await world.partitions(1, topic))[0]!.leader, 3, 'its leader when that is answered')
    return ''
  },

  'reassignments/to-a-broker-that-is-dead': async world => {
    const topic = await world.spread()
    await world.broker(3).end('SIGKILL')
    await eventually('it is not among the brokers', 5_000, async () => !(await world.view(1, [])).brokers.has(3))
    same(await reassign(world, 2, topic, 0, [2, 1, 3]), 'NONE', 'a new order')
    same(await elect(world, 1, 0, topic, 2), 'PREFERRED_LEADER_NOT_AVAILABLE', 'a preferred leader that is dead')
    const topics = [{ name: topic, partitions: [{ partitionIndex: 0, replicas: [3] }] }]
    const asked = { timeoutMs: 500, allowReplicationFactorChange: true, topics }
    const { responses } = await world.ask(1, apis.alterPartitionReassignments, 1, asked, 5_000)
    same(errorName(responses[0]!.partitions[0]!.errorCode), 'NONE', 'a reassignment to a broker that is dead')
    for (const id of [1, 2]) await eventually('it is under way', 1_000, async () => String(await underWay(world, id, topic)) !== '')
    same(await reassign(world, 2, topic, 0, null), 'NONE', 'its cancellation')
    same(await underWay(world, 2, topic), [], 'what is under way then')
    same(await reassign(world, 2, topic, 0, null), 'NO_REASSIGNMENT_IN_PROGRESS', 'another cancellation')
    await world.broker(3).start()
    await world.settled()
    return ''
  },
}
