/** Partitions of a topic, their replicas, offsets, and the moves under way. */
import { Type } from 'typebox'
import type { PartitionInfo, Reassignment } from '../../client.ts'
import { badRequestOf, noPartition, notFound } from '../errors.ts'
import type { Links } from '../links.ts'
import type { Asking, Rest } from '../rest.ts'
import { errors, InCluster, InPartition, InTopic, Int64, idIn, List, Relationship, Resource } from './schemas.ts'

const place = { cluster_id: Type.String(), topic_name: Type.String(), partition_id: Type.Integer() }
const PartitionData = Resource({ ...place, leader: Type.Optional(Relationship), replicas: Relationship, reassignment: Relationship })
const OffsetsData = Resource({ ...place, earliest_offset: Int64, latest_offset: Int64 })
const ReassignmentData = Resource({
  ...place,
  adding_replicas: Type.Array(Type.Integer()),
  removing_replicas: Type.Array(Type.Integer()),
  replicas: Relationship,
})
export const ReplicaData = Resource({
  ...place,
  broker_id: Type.Integer(),
  is_leader: Type.Boolean(),
  is_in_sync: Type.Boolean(),
  broker: Relationship,
})
const InReplica = Type.Object({ ...InPartition.properties, broker_id: Type.String() })
const OffsetType = Type.Object({ offset_type: Type.Optional(Type.String({ description: 'earliest_and_latest' })) })
const topicPath = '/v3/clusters/:cluster_id/topics/:topic_name/partitions'
const path = `${topicPath}/:partition_id`

export function partitionRoutes(rest: Rest): void {
  const { app } = rest
  app.get(topicPath, { schema: { params: InTopic, response: { 200: List(PartitionData), ...errors } } }, async request => {
    const { cluster_id, topic_name } = request.params
    const links = await rest.links(request, cluster_id)
    const [topic] = await rest.client(request).topics([topic_name])
    return links.list(
      'KafkaPartition',
      ['topics', topic_name, 'partitions'],
      topic!.partitions.map(each => partitionData(cluster_id, topic_name, each, links)),
    )
  })
  app.get(path, { schema: { params: InPartition, response: { 200: PartitionData, ...errors } } }, async request => {
    const { partition, links } = await requirePartition(rest, request, request.params)
    return partitionData(request.params.cluster_id, request.params.topic_name, partition, links)
  })
  app.get(
    `${path}/offset`,
    { schema: { params: InPartition, querystring: OffsetType, response: { 200: OffsetsData, ...errors } } },
    async request => {
      const { cluster_id, topic_name } = request.params
      const type = request.query.offset_type ?? 'earliest_and_latest'
      if (type !== 'earliest_and_latest') throw badRequestOf(`offset_type:${type} is invalid`)
      const { partition, links } = await requirePartition(rest, request, request.params)
      const { earliest, latest } = await endsOf(rest, request, topic_name, partition.partition)
      const where = ['topics', topic_name, 'partitions', partition.partition]
      return {
        kind: 'KafkaPartitionWithOffsets',
        metadata: links.metadata([...where, 'offset'], [...names(topic_name, partition.partition), `offset_type=${type}`]),
        ...{ cluster_id, topic_name, partition_id: partition.partition },
        ...{ earliest_offset: earliest, latest_offset: latest },
      }
    },
  )
  replicaRoutes(rest)
  reassignmentRoutes(rest)
}

function replicaRoutes(rest: Rest): void {
  rest.app.get(`${path}/replicas`, { schema: { params: InPartition, response: { 200: List(ReplicaData), ...errors } } }, async request => {
    const { cluster_id, topic_name } = request.params
    const { partition, links } = await requirePartition(rest, request, request.params)
    return links.list(
      'KafkaReplica',
      ['topics', topic_name, 'partitions', partition.partition, 'replicas'],
      partition.replicas.map(broker => replicaData(cluster_id, topic_name, partition, broker, links)),
    )
  })
  rest.app.get(
    `${path}/replicas/:broker_id`,
    { schema: { params: InReplica, response: { 200: ReplicaData, ...errors } } },
    async request => {
      const { cluster_id, topic_name, broker_id } = request.params
      const { partition, links } = await requirePartition(rest, request, request.params)
      const broker = idIn(broker_id)
      if (!partition.replicas.includes(broker)) throw notFound(`Replica on broker ${broker} cannot be found.`)
      return replicaData(cluster_id, topic_name, partition, broker, links)
    },
  )
}

function reassignmentRoutes(rest: Rest): void {
  const schema = { response: { 200: List(ReassignmentData), ...errors } }
  const list = async (request: Asking, clusterId: string, topic: string | null) => {
    const links = await rest.links(request, clusterId)
    const found = (await rest.client(request).reassignments()).filter(each => topic === null || each.topic === topic)
    return links.list(
      'KafkaReassignment',
      ['topics', topic ?? '-', 'partitions', '-', 'reassignment'],
      found.map(each => reassignmentData(clusterId, each, links)),
    )
  }
  rest.app.get('/v3/clusters/:cluster_id/topics/-/partitions/-/reassignment', { schema: { params: InCluster, ...schema } }, async request =>
    list(request, request.params.cluster_id, null),
  )
  rest.app.get(`${topicPath}/-/reassignment`, { schema: { params: InTopic, ...schema } }, async request => {
    const { cluster_id, topic_name } = request.params
    await rest.client(request).topics([topic_name])
    return list(request, cluster_id, topic_name)
  })
  rest.app.get(
    `${path}/reassignment`,
    { schema: { params: InPartition, response: { 200: ReassignmentData, ...errors } } },
    async request => {
      const { cluster_id, topic_name } = request.params
      const { partition, links } = await requirePartition(rest, request, request.params)
      const found = (await rest.client(request).reassignments()).find(
        each => each.topic === topic_name && each.partition === partition.partition,
      )
      if (found === undefined) throw notFound(`${topic_name}-${partition.partition} is not being reassigned.`)
      return reassignmentData(cluster_id, found, links)
    },
  )
}

export async function endsOf(rest: Rest, request: Asking, topic: string, partition: number): Promise<{ earliest: bigint; latest: bigint }> {
  const client = rest.client(request)
  const [earliest, latest] = await Promise.all([
    client.offsets(topic, [partition], 'earliest'),
    client.offsets(topic, [partition], 'latest'),
  ])
  return { earliest: earliest.get(partition)!, latest: latest.get(partition)! }
}

async function requirePartition(
  rest: Rest,
  request: Asking,
  params: { cluster_id: string; topic_name: string; partition_id: string },
): Promise<{ partition: PartitionInfo; links: Links }> {
  const links = await rest.links(request, params.cluster_id)
  const id = idIn(params.partition_id)
  const [topic] = await rest.client(request).topics([params.topic_name])
  const partition = topic!.partitions.find(each => each.partition === id)
  if (partition === undefined) throw noPartition()
  return { partition, links }
}

const names = (topic: string, partition: number) => [`topic=${topic}`, `partition=${partition}`]

function partitionData(clusterId: string, topic: string, { partition, leader }: PartitionInfo, links: Links) {
  const where = ['topics', topic, 'partitions', partition]
  return {
    kind: 'KafkaPartition',
    metadata: links.metadata(where, names(topic, partition)),
    cluster_id: clusterId,
    topic_name: topic,
    partition_id: partition,
    ...(leader < 0 ? {} : { leader: links.to(...where, 'replicas', leader) }),
    replicas: links.to(...where, 'replicas'),
    reassignment: links.to(...where, 'reassignment'),
  }
}

export function replicaData(clusterId: string, topic: string, { partition, leader, isr }: PartitionInfo, broker: number, links: Links) {
  return {
    kind: 'KafkaReplica',
    metadata: links.metadata(
      ['topics', topic, 'partitions', partition, 'replicas', broker],
      [...names(topic, partition), `replica=${broker}`],
    ),
    cluster_id: clusterId,
    topic_name: topic,
    partition_id: partition,
    broker_id: broker,
    is_leader: broker === leader,
    is_in_sync: isr.includes(broker),
    broker: links.to('brokers', broker),
  }
}

function reassignmentData(clusterId: string, { topic, partition, adding, removing }: Reassignment, links: Links) {
  const where = ['topics', topic, 'partitions', partition]
  return {
    kind: 'KafkaReassignment',
    metadata: links.metadata([...where, 'reassignment'], [...names(topic, partition), 'reassignment']),
    cluster_id: clusterId,
    topic_name: topic,
    partition_id: partition,
    adding_replicas: adding,
    removing_replicas: removing,
    replicas: links.to(...where, 'replicas'),
  }
}
