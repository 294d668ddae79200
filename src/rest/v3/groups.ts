/** `/v3/clusters/{cluster_id}/consumer-groups`: groups, their consumers and assignments, and how far they are behind. */
import { Type } from 'typebox'
import type { Client, GroupInfo, GroupMember } from '../../client.ts'
import { notFound } from '../errors.ts'
import type { Links } from '../links.ts'
import type { Asking, Rest } from '../rest.ts'
import { errors, InCluster, Int64, idIn, List, Nullable, Relationship, Resource } from './schemas.ts'

const inGroup = { cluster_id: Type.String(), consumer_group_id: Type.String() }
const InGroup = Type.Object(inGroup)
const InConsumer = Type.Object({ ...inGroup, consumer_id: Type.String() })
const InLag = Type.Object({ ...inGroup, topic_name: Type.String(), partition_id: Type.String() })
const InAssignment = Type.Object({ ...InLag.properties, consumer_id: Type.String() })
const GroupData = Resource({
  ...inGroup,
  is_simple: Type.Boolean(),
  partition_assignor: Type.String(),
  state: Type.String(),
  type: Type.String(),
  is_mixed_consumer_group: Type.Boolean(),
  coordinator: Relationship,
  consumers: Relationship,
  lag_summary: Relationship,
})
const consumer = { consumer_id: Type.String(), instance_id: Nullable(Type.String()), client_id: Type.String() }
const ConsumerData = Resource({ ...inGroup, ...consumer, assignments: Relationship })
const AssignmentData = Resource({
  ...{ ...inGroup, consumer_id: Type.String(), topic_name: Type.String(), partition_id: Type.Integer() },
  ...{ partition: Relationship, lag: Relationship },
})
const LagData = Resource({
  ...{ ...inGroup, topic_name: Type.String(), partition_id: Type.Integer(), ...consumer },
  ...{ current_offset: Int64, log_end_offset: Int64, lag: Int64 },
})
const SummaryData = Resource({
  ...inGroup,
  max_lag_consumer_id: Type.String(),
  max_lag_instance_id: Nullable(Type.String()),
  max_lag_client_id: Type.String(),
  max_lag_topic_name: Type.String(),
  max_lag_partition_id: Type.Integer(),
  max_lag: Int64,
  total_lag: Int64,
  max_lag_consumer: Relationship,
  max_lag_partition: Relationship,
})
const path = '/v3/clusters/:cluster_id/consumer-groups'
const groupPath = `${path}/:consumer_group_id`

/** A group as one request sees it. */
interface Found {
  readonly clusterId: string
  readonly group: GroupInfo
  readonly links: Links
  readonly client: Client
}

export function groupRoutes(rest: Rest): void {
  const { app } = rest
  app.get(path, { schema: { params: InCluster, response: { 200: List(GroupData), ...errors } } }, async request => {
    const { cluster_id } = request.params
    const links = await rest.links(request, cluster_id)
    const client = rest.client(request)
    const consuming = (await client.groups()).filter(isConsuming)
    const found = await Promise.all(consuming.map(each => described(client, each.group)))
    const data = found.filter(each => each !== null).map(async group => groupData({ clusterId: cluster_id, group, links, client }))
    return links.list('KafkaConsumerGroup', ['consumer-groups'], await Promise.all(data))
  })
  app.get(groupPath, { schema: { params: InGroup, response: { 200: GroupData, ...errors } } }, async request =>
    groupData(await requireGroup(rest, request, request.params)),
  )
  consumerRoutes(rest)
  lagRoutes(rest)
}

function consumerRoutes(rest: Rest): void {
  const { app } = rest
  const consumerPath = `${groupPath}/consumers/:consumer_id`
  app.get(`${groupPath}/consumers`, { schema: { params: InGroup, response: { 200: List(ConsumerData), ...errors } } }, async request => {
    const found = await requireGroup(rest, request, request.params)
    return found.links.list(
      'KafkaConsumer',
      ['consumer-groups', found.group.group, 'consumers'],
      found.group.members.map(each => consumerData(found, each)),
    )
  })
  app.get(consumerPath, { schema: { params: InConsumer, response: { 200: ConsumerData, ...errors } } }, async request => {
    const found = await requireGroup(rest, request, request.params)
    return consumerData(found, requireMember(found, request.params.consumer_id))
  })
  app.get(
    `${consumerPath}/assignments`,
    { schema: { params: InConsumer, response: { 200: List(AssignmentData), ...errors } } },
    async request => {
      const found = await requireGroup(rest, request, request.params)
      const member = requireMember(found, request.params.consumer_id)
      return found.links.list(
        'KafkaConsumerAssignment',
        ['consumer-groups', found.group.group, 'consumers', member.id, 'assignments'],
        member.partitions.map(each => assignmentData(found, member, each)),
      )
    },
  )
  app.get(
    `${consumerPath}/assignments/:topic_name/partitions/:partition_id`,
    { schema: { params: InAssignment, response: { 200: AssignmentData, ...errors } } },
    async request => {
      const { topic_name, partition_id, consumer_id } = request.params
      const found = await requireGroup(rest, request, request.params)
      const member = requireMember(found, consumer_id)
      const partition = idIn(partition_id)
      const assigned = member.partitions.find(each => each.topic === topic_name && each.partition === partition)
      if (assigned === undefined) throw notFound(`${topic_name}-${partition} is not assigned to ${consumer_id}.`)
      return assignmentData(found, member, assigned)
    },
  )
}

function lagRoutes(rest: Rest): void {
  const { app } = rest
  app.get(`${groupPath}/lags`, { schema: { params: InGroup, response: { 200: List(LagData), ...errors } } }, async request => {
    const found = await requireGroup(rest, request, request.params)
    const lags = await lagsOf(found)
    return found.links.list(
      'KafkaConsumerLag',
      ['consumer-groups', found.group.group, 'lags'],
      lags.map(each => lagData(found, each)),
    )
  })
  app.get(
    `${groupPath}/lags/:topic_name/partitions/:partition_id`,
    { schema: { params: InLag, response: { 200: LagData, ...errors } } },
    async request => {
      const { topic_name, partition_id } = request.params
      const found = await requireGroup(rest, request, request.params)
      const partition = idIn(partition_id)
      const lag = (await lagsOf(found)).find(each => each.topic === topic_name && each.partition === partition)
      if (lag === undefined) throw notFound(`Consumer group offsets of ${topic_name}-${partition} could not be found.`)
      return lagData(found, lag)
    },
  )
  app.get(`${groupPath}/lag-summary`, { schema: { params: InGroup, response: { 200: SummaryData, ...errors } } }, async request => {
    const found = await requireGroup(rest, request, request.params)
    return summaryData(found, await lagsOf(found))
  })
}

function isConsuming({ type, protocolType }: { type: string; protocolType: string }): boolean {
  return type !== 'share' && type !== 'streams' && (protocolType === 'consumer' || protocolType === '')
}

/** null: it is gone, or this principal may not see it. */
async function described(client: Client, name: string): Promise<GroupInfo | null> {
  try {
    return await client.group(name)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'GROUP_ID_NOT_FOUND' || code === 'GROUP_AUTHORIZATION_FAILED') return null
    throw error
  }
}

async function requireGroup(rest: Rest, request: Asking, params: { cluster_id: string; consumer_group_id: string }): Promise<Found> {
  const links = await rest.links(request, params.cluster_id)
  const client = rest.client(request)
  const group = await described(client, params.consumer_group_id)
  if (group === null) throw notFound(`Consumer Group ${params.consumer_group_id} could not be found.`)
  return { clusterId: params.cluster_id, group, links, client }
}

function requireMember({ group }: Found, id: string): GroupMember {
  const member = group.members.find(each => each.id === id)
  if (member === undefined) throw notFound(`Consumer ${id} could not be found.`)
  return member
}

interface Lag {
  readonly topic: string
  readonly partition: number
  readonly current: bigint
  readonly end: bigint
  readonly member: GroupMember | null
}

async function lagsOf({ client, group }: Found): Promise<Lag[]> {
  const committed = await client.groupOffsets(group.group, group.type)
  if (committed.length === 0) throw notFound('Consumer group offsets could not be found.')
  const owners = new Map(group.members.flatMap(member => member.partitions.map(each => [`${each.topic} ${each.partition}`, member])))
  const lags = Array.from(
    Map.groupBy(committed, each => each.topic),
    async ([topic, offsets]): Promise<Lag[]> => {
      const partitions = offsets.map(each => each.partition)
      const ends = await client.offsets(topic, partitions, 'stable')
      return offsets.map(({ partition, offset: current }) => ({
        ...{ topic, partition, current, end: ends.get(partition)! },
        member: owners.get(`${topic} ${partition}`) ?? null,
      }))
    },
  )
  return (await Promise.all(lags)).flat()
}

function stateOf(state: string): string {
  return state
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(' ', '_')
    .toUpperCase()
}

async function groupData({ clusterId, group, links, client }: Found) {
  const where = ['consumer-groups', group.group]
  return {
    kind: 'KafkaConsumerGroup',
    metadata: links.metadata(where, [`consumer-group=${group.group}`]),
    cluster_id: clusterId,
    consumer_group_id: group.group,
    is_simple: group.protocolType === '',
    partition_assignor: group.protocol,
    state: stateOf(group.state),
    type: group.type.toUpperCase(),
    is_mixed_consumer_group: false,
    coordinator: links.to('brokers', await client.coordinator(group.group)),
    consumers: links.to(...where, 'consumers'),
    lag_summary: links.to(...where, 'lag-summary'),
  }
}

function consumerData({ clusterId, group, links }: Found, { id, instanceId, clientId }: GroupMember) {
  const where = ['consumer-groups', group.group, 'consumers', id]
  return {
    kind: 'KafkaConsumer',
    metadata: links.metadata(where, [`consumer-group=${group.group}`, `consumer=${id}`]),
    cluster_id: clusterId,
    consumer_group_id: group.group,
    ...{ consumer_id: id, instance_id: instanceId, client_id: clientId },
    assignments: links.to(...where, 'assignments'),
  }
}

function assignmentData(
  { clusterId, group, links }: Found,
  { id }: GroupMember,
  { topic, partition }: { topic: string; partition: number },
) {
  return {
    kind: 'KafkaConsumerAssignment',
    metadata: links.metadata(
      ['consumer-groups', group.group, 'consumers', id, 'assignments', topic, 'partitions', partition],
      [`consumer-group=${group.group}`, `consumer=${id}`, `assignment=${topic}`, `partition=${partition}`],
    ),
    cluster_id: clusterId,
    consumer_group_id: group.group,
    ...{ consumer_id: id, topic_name: topic, partition_id: partition },
    partition: links.to('topics', topic, 'partitions', partition),
    lag: links.to('consumer-groups', group.group, 'lags', topic, 'partitions', partition),
  }
}

function lagData({ clusterId, group, links }: Found, { topic, partition, current, end, member }: Lag) {
  return {
    kind: 'KafkaConsumerLag',
    metadata: links.metadata(
      ['consumer-groups', group.group, 'lags', topic, 'partitions', partition],
      [`consumer-group=${group.group}`, `lag=${topic}`, `partition=${partition}`],
    ),
    cluster_id: clusterId,
    consumer_group_id: group.group,
    ...{ topic_name: topic, partition_id: partition, current_offset: current, log_end_offset: end, lag: end - current },
    ...{ consumer_id: member?.id ?? '', instance_id: member?.instanceId ?? null, client_id: member?.clientId ?? '' },
  }
}

function summaryData({ clusterId, group, links }: Found, lags: readonly Lag[]) {
  const behind = ({ current, end }: Lag) => end - current
  const most = lags.reduce((max, each) => (behind(each) > behind(max) ? each : max))
  const where = ['consumer-groups', group.group]
  return {
    kind: 'KafkaConsumerGroupLagSummary',
    metadata: links.metadata([...where, 'lag-summary'], [`consumer-group=${group.group}`, 'lag-summary']),
    cluster_id: clusterId,
    consumer_group_id: group.group,
    max_lag_consumer_id: most.member?.id ?? '',
    max_lag_instance_id: most.member?.instanceId ?? null,
    max_lag_client_id: most.member?.clientId ?? '',
    max_lag_topic_name: most.topic,
    max_lag_partition_id: most.partition,
    max_lag: behind(most),
    total_lag: lags.reduce((sum, each) => sum + behind(each), 0n),
    max_lag_consumer: links.to(...where, 'consumers', most.member?.id ?? ''),
    max_lag_partition: links.to('topics', most.topic, 'partitions', most.partition),
  }
}
