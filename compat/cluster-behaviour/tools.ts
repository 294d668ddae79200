/** Kafka's own tools against several brokers. The suite `tools` has more of them; here are those whose answers depend on who leads what. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unique } from '../support/kit.ts'
import type { Report } from '../support/suite.ts'
import { runSteps, type Step, tool } from '../tools/step.ts'
import { eventually, type World } from './world.ts'

export async function useTools(world: World, report: Report): Promise<void> {
  const topic = unique('tools')
  const assignments = [
    [1, 2, 3],
    [2, 3, 1],
  ]
  await world.createTopic(1, topic, { assignments })
  await eventually('the topic is known', 2_000, async () => (await world.partitions(3, topic)).length === 2)
  const file = (name: string, content: object) => {
    const path = join(world.directory, name)
    writeFileSync(path, JSON.stringify(content))
    return path
  }
  const plan = (replicas: number[]) => ({ version: 1, partitions: [{ topic, partition: 0, replicas }] })
  const elected = file('election.json', { partitions: [{ topic, partition: 0 }] })
  const bootstrap = [...world.brokers.values()].map(({ port }) => `127.0.0.1:${port}`).join()
  await runSteps(
    steps(topic, {
      order: file('order.json', plan([3, 2, 1])),
      leave: file('leave.json', plan([2, 1])),
      back: file('back.json', plan([3, 2, 1])),
      elected,
    }),
    { bootstrap },
    report,
  )
}

function steps(topic: string, { order, leave, back, elected }: Record<'order' | 'leave' | 'back' | 'elected', string>): Step[] {
  const reassign = (action: '--execute' | '--verify', path: string): Step['command'] => [
    tool.reassign,
    '--reassignment-json-file',
    path,
    action,
  ]
  const describe = (leader: number, replicas: string): Pick<Step, 'command' | 'says'> => ({
    command: [tool.topics, '--describe', '--topic', topic],
    says: new RegExp(`Partition: 0\\s+Leader: ${leader}\\s+Replicas: ${replicas}\\s+Isr: ${replicas}`),
  })
  const done = new RegExp(`Reassignment of partition ${topic}-0 is completed`)
  const elect: Step['command'] = [tool.election, '--election-type', 'preferred', '--path-to-json-file', elected]
  return [
    { name: 'cluster/kafka-topics', ...describe(1, '1,2,3') },
    {
      name: 'cluster/kafka-reassign-partitions/order',
      command: reassign('--execute', order),
      says: /Successfully started partition reassignment/,
    },
    { name: 'cluster/kafka-reassign-partitions/verify', command: reassign('--verify', order), says: done },
    { name: 'cluster/kafka-topics/leader-stays', ...describe(1, '3,2,1') },
    {
      name: 'cluster/kafka-leader-election',
      command: elect,
      says: new RegExp(`Successfully completed leader election[\\s\\S]*${topic}-0`),
    },
    { name: 'cluster/kafka-topics/elected', ...describe(3, '3,2,1') },
    { name: 'cluster/kafka-leader-election/not-needed', command: elect, says: /Valid replica already elected/ },
    {
      name: 'cluster/kafka-reassign-partitions/leave',
      command: reassign('--execute', leave),
      says: /Successfully started partition reassignment/,
    },
    { name: 'cluster/kafka-reassign-partitions/verify-left', command: reassign('--verify', leave), says: done },
    { name: 'cluster/kafka-topics/left', ...describe(2, '2,1') },
    {
      name: 'cluster/kafka-reassign-partitions/throttled',
      command: [...reassign('--execute', back), '--throttle', '10000000'],
      says: /inter-broker throttle limit was set to 10000000 B\/s[\s\S]*Successfully started partition reassignment/,
    },
    {
      name: 'cluster/kafka-reassign-partitions/verify-throttled',
      command: reassign('--verify', back),
      says: new RegExp(`${done.source}[\\s\\S]*Clearing topic-level throttles`),
    },
    { name: 'cluster/kafka-topics/back', ...describe(2, '3,2,1') },
    {
      name: 'cluster/kafka-metadata-quorum/status',
      command: [tool.quorum, 'describe', '--status'],
      says: /LeaderId:\s+1[\s\S]*MaxFollowerLag:\s+0[\s\S]*CurrentObservers:.*2.*3/,
    },
    {
      name: 'cluster/kafka-metadata-quorum/replication',
      command: [tool.quorum, 'describe', '--replication'],
      says: /^1\s.*Leader[\s\S]*^2\s.*Observer[\s\S]*^3\s.*Observer/m,
    },
    { name: 'cluster/kafka-cluster/list-endpoints', command: [tool.clusterTool, 'list-endpoints'], says: /^1\s[\s\S]*^2\s[\s\S]*^3\s/m },
    {
      name: 'cluster/kafka-log-dirs',
      command: [tool.logDirs, '--describe', '--topic-list', topic],
      says: /"broker":1[\s\S]*"broker":2[\s\S]*"broker":3/,
    },
    {
      name: 'cluster/kafka-broker-api-versions',
      command: [tool.apiVersions],
      says: /^(?=[\s\S]*id: 1 rack: rack-1)(?=[\s\S]*id: 2 rack: rack-2)(?=[\s\S]*id: 3 rack: rack-3)/,
    },
    {
      name: 'cluster/kafka-configs/broker',
      command: [tool.configs, '--describe', '--all', '--entity-type', 'brokers', '--entity-name', '2'],
      says: /^\s+node\.id=2 /m,
    },
    { name: 'cluster/kafka-console-producer', command: [tool.producer, '--topic', topic], says: /^/, stdin: 'a\nb\nc\n' },
    {
      name: 'cluster/kafka-console-consumer',
      command: [tool.consumer, '--topic', topic, '--group', topic, '--from-beginning', '--max-messages', '3', '--timeout-ms', '30000'],
      says: /Processed a total of 3 messages/,
    },
    {
      name: 'cluster/kafka-consumer-groups',
      command: [tool.groups, '--describe', '--group', topic],
      says: new RegExp(`${topic}\\s+${topic}\\s+[01]\\s+\\d+\\s+\\d+\\s+0`),
    },
    {
      name: 'cluster/kafka-transactions/list',
      command: [tool.transactions, 'list'],
      says: /TransactionalId\s+Coordinator\s+ProducerId\s+TransactionState/,
    },
  ]
}
