/** `/v3/clusters/{cluster_id}/topics`: list, describe, create, delete, add partitions. Internal topics are listed, too. */
import { Type } from 'typebox'
import type { NewTopicSpec, TopicInfo } from '../../client.ts'
import { badRequestOf, invalidPayload } from '../errors.ts'
import type { Links } from '../links.ts'
import { type Operations, operationsOn } from '../operations.ts'
import type { Rest } from '../rest.ts'
import { sendLong } from './long-lists.ts'
import { errors, InCluster, InTopic, Int32, List, NoContent, Nullable, Relationship, Resource } from './schemas.ts'

const TopicData = Resource({
  cluster_id: Type.String(),
  topic_name: Type.String(),
  is_internal: Type.Boolean(),
  replication_factor: Type.Integer(),
  partitions_count: Type.Integer(),
  partitions: Relationship,
  configs: Relationship,
  partition_reassignments: Relationship,
  authorized_operations: Type.Array(Type.String()),
})
const NewTopic = Type.Object({
  topic_name: Type.String(),
  partitions_count: Type.Optional(Nullable(Int32)),
  replication_factor: Type.Optional(Nullable(Type.Integer({ minimum: -0x80_00, maximum: 0x7f_ff }))),
  replicas_assignments: Type.Optional(Nullable(Type.Record(Type.String(), Type.Array(Int32), { description: 'Brokers by partition' }))),
  configs: Type.Optional(Nullable(Type.Array(Type.Object({ name: Type.String(), value: Type.Optional(Nullable(Type.String())) })))),
  validate_only: Type.Optional(Nullable(Type.Boolean())),
})
const WithOperations = Type.Object({ include_authorized_operations: Type.Optional(Type.String()) })
const path = '/v3/clusters/:cluster_id/topics'

export function topicRoutes(rest: Rest): void {
  const { app } = rest
  app.get(
    path,
    { schema: { params: InCluster, querystring: WithOperations, response: { 200: List(TopicData), ...errors } } },
    async (request, reply) => {
      const { cluster_id } = request.params
      const links = await rest.links(request, cluster_id)
      const client = rest.client(request)
      const topics = await client.topics('all')
      const operations = await operationsOn(topics, client, request.query.include_authorized_operations)
      const data = function* () {
        for (const each of topics) yield topicData(cluster_id, described(each, operations), links)
      }
      return sendLong(rest.turns, reply, links.list('KafkaTopic', ['topics'], []), data())
    },
  )
  app.get(
    `${path}/:topic_name`,
    { schema: { params: InTopic, querystring: WithOperations, response: { 200: TopicData, ...errors } } },
    async request => {
      const { cluster_id, topic_name } = request.params
      const links = await rest.links(request, cluster_id)
      const client = rest.client(request)
      const topics = await client.topics([topic_name])
      const operations = await operationsOn(topics, client, request.query.include_authorized_operations)
      return topicData(cluster_id, described(topics[0]!, operations), links)
    },
  )
  createRoute(rest)
  app.patch(
    `${path}/:topic_name`,
    {
      schema: {
        params: InTopic,
        body: Type.Object({ partitions_count: Int32 }),
        response: { 200: TopicData, ...errors },
      },
    },
    async request => {
      const { cluster_id, topic_name } = request.params
      const links = await rest.links(request, cluster_id)
      const client = rest.client(request)
      await client.setPartitions(topic_name, request.body.partitions_count)
      const [topic] = await client.topics([topic_name])
      return topicData(cluster_id, described(topic!), links)
    },
  )
  app.delete(`${path}/:topic_name`, { schema: { params: InTopic, response: { 204: NoContent, ...errors } } }, async (request, reply) => {
    await rest.links(request, request.params.cluster_id)
    await rest.client(request).deleteTopics([request.params.topic_name])
    reply.code(204).send(null)
  })
}

function createRoute(rest: Rest): void {
  rest.app.post(
    path,
    { schema: { params: InCluster, body: NewTopic, response: { 200: TopicData, 201: TopicData, ...errors } } },
    async (request, reply) => {
      const { cluster_id } = request.params
      const { topic_name: name, partitions_count, replication_factor, replicas_assignments, configs, validate_only } = request.body
      if (!isTopicName(name)) throw invalidPayload('Invalid topic name.')
      const links = await rest.links(request, cluster_id)
      const assignments = new Map(Object.entries(replicas_assignments ?? {}).map(([id, brokers]) => [partitionIn(id), brokers]))
      const spec: NewTopicSpec = {
        name,
        ...(assignments.size > 0
          ? { assignments }
          : { partitions: partitions_count ?? undefined, replicas: replication_factor ?? undefined }),
        configs: new Map((configs ?? []).map(each => [each.name, each.value ?? null])),
        validateOnly: validate_only === true,
      }
      const { partitions, replicas } = await rest.client(request).createTopic(spec)
      // Who may not describe configs is not told: what was asked for is the best that is known.
      const told = (answer: number, asked: number | undefined) => (answer >= 0 ? answer : (asked ?? 0))
      const data = topicData(
        cluster_id,
        {
          ...{ name, isInternal: false, operations: [] },
          count: told(partitions, assignments.size || spec.partitions),
          replicas: told(replicas, assignments.values().next().value?.length ?? spec.replicas),
        },
        links,
      )
      reply.code(validate_only === true ? 200 : 201).header('location', data.metadata.self)
      return data
    },
  )
}

function partitionIn(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw badRequestOf(`replicas_assignments: ${text} is not a partition`)
  return Number(text)
}

/** Kafka's rule for names. */
function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
}

interface Described extends Pick<TopicInfo, 'name' | 'isInternal'> {
  operations: readonly string[]
  readonly count: number
  readonly replicas: number
}

function described({ name, isInternal, partitions }: TopicInfo, by: Operations = new Map()): Described {
  const operations = by.get(name) ?? []
  return { name, isInternal, operations, count: partitions.length, replicas: partitions[0]?.replicas.length ?? 0 }
}

function topicData(clusterId: string, { name, isInternal, operations, count, replicas }: Described, links: Links) {
  return {
    kind: 'KafkaTopic',
    metadata: links.metadata(['topics', name], [`topic=${name}`]),
    cluster_id: clusterId,
    topic_name: name,
    is_internal: isInternal,
    replication_factor: replicas,
    partitions_count: count,
    partitions: links.to('topics', name, 'partitions'),
    configs: links.to('topics', name, 'configs'),
    partition_reassignments: links.to('topics', name, 'partitions', '-', 'reassignment'),
    authorized_operations: [...operations],
  }
}
