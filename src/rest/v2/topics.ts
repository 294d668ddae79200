/** v2: brokers, topics and partitions. */
import { Type } from 'typebox'
import type { PartitionInfo } from '../../client.ts'
import { noPartition } from '../errors.ts'
import type { Rest } from '../rest.ts'
import { endsOf } from '../v3/partitions.ts'
import { errors, Int64, idIn, Nullable } from '../v3/schemas.ts'

const Replica = Type.Object({ broker: Type.Integer(), leader: Type.Boolean(), in_sync: Type.Boolean() })
const Partition = Type.Object({ partition: Type.Integer(), leader: Type.Integer(), replicas: Type.Array(Replica) })
const Topic = Type.Object({
  name: Type.String(),
  configs: Type.Record(Type.String(), Nullable(Type.String())),
  partitions: Type.Array(Partition),
})
const InTopic = Type.Object({ topic: Type.String() })
const InPartition = Type.Object({ topic: Type.String(), partition: Type.String() })

export function topicRoutes(rest: Rest): void {
  const { app } = rest
  app.get('/', { schema: { response: { 200: Type.Object({}) } } }, () => ({}))
  app.post('/', { schema: { response: { 200: Type.Object({}) } } }, () => ({}))
  app.get('/brokers', { schema: { response: { 200: Type.Object({ brokers: Type.Array(Type.Integer()) }), ...errors } } }, async request => {
    const { cluster } = await rest.cluster(request)
    return { brokers: cluster.brokers.map(each => each.id).sort((a, b) => a - b) }
  })
  app.get('/topics', { schema: { response: { 200: Type.Array(Type.String()), ...errors } } }, request => rest.client(request).topicNames())
  app.get('/topics/:topic', { schema: { params: InTopic, response: { 200: Topic, ...errors } } }, async request => {
    const client = rest.client(request)
    const name = request.params.topic
    const [[topic], configs] = await Promise.all([client.topics([name]), client.configs({ type: 'TOPIC', name })])
    return {
      name,
      configs: Object.fromEntries(configs.map(each => [each.name, each.value])),
      partitions: topic!.partitions.map(partitionData),
    }
  })
  app.get(
    '/topics/:topic/partitions',
    { schema: { params: InTopic, response: { 200: Type.Array(Partition), ...errors } } },
    async request => {
      const [topic] = await rest.client(request).topics([request.params.topic])
      return topic!.partitions.map(partitionData)
    },
  )
  app.get(
    '/topics/:topic/partitions/:partition',
    { schema: { params: InPartition, response: { 200: Partition, ...errors } } },
    async request => partitionData(await find(rest, request, request.params)),
  )
  app.get(
    '/topics/:topic/partitions/:partition/offsets',
    {
      schema: {
        params: InPartition,
        response: { 200: Type.Object({ beginning_offset: Int64, end_offset: Int64 }), ...errors },
      },
    },
    async request => {
      const { partition } = await find(rest, request, request.params)
      const { earliest, latest } = await endsOf(rest, request, request.params.topic, partition)
      return { beginning_offset: earliest, end_offset: latest }
    },
  )
}

async function find(
  rest: Rest,
  request: Parameters<Rest['client']>[0],
  params: { topic: string; partition: string },
): Promise<PartitionInfo> {
  const [topic] = await rest.client(request).topics([params.topic])
  const id = idIn(params.partition)
  const found = topic!.partitions.find(each => each.partition === id)
  if (found === undefined) throw noPartition()
  return found
}

function partitionData({ partition, leader, replicas, isr }: PartitionInfo) {
  return { partition, leader, replicas: replicas.map(broker => ({ broker, leader: broker === leader, in_sync: isr.includes(broker) })) }
}
