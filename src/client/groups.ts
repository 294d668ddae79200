/** Groups of all protocols, in one form. */

import type { Int64 } from '../base.ts'
import { ClientError, toClientError } from '../channel.ts'
import { apis, consumerProtocol, decodeConsumerProtocol, type MessageOf } from '../protocol.ts'
import type { PartitionName } from './administration.ts'
import type { Client } from './client.ts'
import { type Ask, type Requests, refuse } from './requests.ts'
import { refusePartition } from './topics.ts'
import type { GroupInfo, GroupListing, GroupMember, GroupOffset, GroupTask, PartitionOffset } from './types.ts'

type GroupMethods = Pick<
  Client,
  | 'groups'
  | 'group'
  | 'groupOffsets'
  | 'stableOffsets'
  | 'manyGroupOffsets'
  | 'setShareGroupOffsets'
  | 'deleteGroupOffsets'
  | 'deleteShareGroupOffsets'
  | 'deleteGroup'
  | 'coordinator'
>

export function groupMethods(ask: Ask): GroupMethods {
  return {
    groups: () => ask(listGroups),
    group: (name, type) => ask(requests => describeGroup(requests, name, type)),
    groupOffsets: (name, type) =>
      ask(requests => (type === 'share' ? shareOffsets(requests, name) : committedOffsets(requests, name, false))),
    stableOffsets: name => ask(requests => committedOffsets(requests, name, true)),
    manyGroupOffsets: groups => ask(requests => manyGroupOffsets(requests, groups)),
    setShareGroupOffsets: (name, offsets) => ask(requests => setShareGroupOffsets(requests, name, offsets)),
    deleteGroupOffsets: (name, partitions) => ask(requests => deleteGroupOffsets(requests, name, partitions)),
    deleteShareGroupOffsets: (name, topics) => ask(requests => deleteShareGroupOffsets(requests, name, topics)),
    deleteGroup: name => ask(requests => deleteGroup(requests, name)),
    coordinator: name => ask(requests => requests.coordinator(name, 0)),
  }
}

async function listGroups(requests: Requests): Promise<GroupListing[]> {
  const found: GroupListing[] = []
  for (const node of await requests.nodes()) found.push(...(await groupsOf(requests, { node })))
  return found.sort((a, b) => (a.group < b.group ? -1 : 1))
}

/** Those that one broker coordinates. */
async function groupsOf(requests: Requests, to: { node: number } | { group: string }): Promise<GroupListing[]> {
  const { errorCode, groups } = await requests.ask(apis.listGroups, { statesFilter: [], typesFilter: [] }, to)
  refuse(errorCode)
  return groups.map(({ groupId, groupState, protocolType, groupType }) => ({
    group: groupId,
    state: groupState,
    protocolType,
    type: groupType.toLowerCase(),
  }))
}

async function describeGroup(requests: Requests, name: string, known: string | undefined): Promise<GroupInfo> {
  const type = known ?? (await groupsOf(requests, { group: name })).find(each => each.group === name)?.type
  switch (type) {
    case 'consumer':
      return describeConsumerGroup(requests, name)
    case 'share':
      return describeShareGroup(requests, name)
    case 'streams':
      return describeStreamsGroup(requests, name)
    default:
      // Also for a group that is not listed: the answer says whether it is missing or forbidden.
      return describeClassicGroup(requests, name)
  }
}

function noGroup(name: string): ClientError {
  return new ClientError('GROUP_ID_NOT_FOUND', `group not found: ${name}`)
}

/** The requested group. */
function only<Group extends { errorCode: number; errorMessage: string | null }>(groups: readonly Group[], name: string): Group {
  const [found] = groups
  if (found === undefined) throw noGroup(name)
  refuse(found.errorCode, found.errorMessage)
  return found
}

async function describeClassicGroup(requests: Requests, name: string): Promise<GroupInfo> {
  const response = await requests.ask(apis.describeGroups, { groups: [name], includeAuthorizedOperations: false }, { group: name })
  const [described] = response.groups
  // Brokers before 4.0 describe what does not exist as Dead.
  if (described === undefined || described.groupState === 'Dead') throw noGroup(name)
  const found = only([described], name)
  const assigned = found.protocolType === 'consumer' ? classicAssignment : () => []
  return {
    group: name,
    type: 'classic',
    state: found.groupState,
    protocolType: found.protocolType,
    protocol: found.protocolData,
    epoch: null,
    members: found.members.map(member => ({
      id: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      host: member.clientHost,
      partitions: assigned(member.memberAssignment),
      tasks: [],
    })),
  }
}

function classicAssignment(bytes: Buffer): GroupMember['partitions'] {
  // While members join, nothing is assigned.
  if (bytes.length === 0) return []
  const { assignedPartitions } = decodeConsumerProtocol(consumerProtocol.assignment, bytes)
  return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
}

type NewMember = Pick<
  MessageOf<typeof apis.consumerGroupDescribe.response>['groups'][number]['members'][number],
  'memberId' | 'clientId' | 'clientHost' | 'assignment'
>

function toMember(member: NewMember, instanceId: string | null): GroupMember {
  const { memberId: id, clientId, clientHost: host, assignment } = member
  const partitions = assignment.topicPartitions.flatMap(each => each.partitions.map(partition => ({ topic: each.topicName, partition })))
  return { id, instanceId, clientId, host, partitions, tasks: [] }
}

async function describeConsumerGroup(requests: Requests, name: string): Promise<GroupInfo> {
  const { groups } = await requests.ask(
    apis.consumerGroupDescribe,
    { groupIds: [name], includeAuthorizedOperations: false },
    { group: name },
  )
  const { groupState: state, assignorName, groupEpoch, members } = only(groups, name)
  return {
    ...{ group: name, type: 'consumer', state, protocolType: 'consumer', protocol: assignorName, epoch: groupEpoch },
    members: members.map(member => toMember(member, member.instanceId)),
  }
}

async function describeShareGroup(requests: Requests, name: string): Promise<GroupInfo> {
  const { groups } = await requests.ask(apis.shareGroupDescribe, { groupIds: [name], includeAuthorizedOperations: false }, { group: name })
  const { groupState: state, assignorName, groupEpoch, members } = only(groups, name)
  return {
    ...{ group: name, type: 'share', state, protocolType: 'share', protocol: assignorName, epoch: groupEpoch },
    members: members.map(member => toMember(member, null)),
  }
}

async function describeStreamsGroup(requests: Requests, name: string): Promise<GroupInfo> {
  const request = { groupIds: [name], includeAuthorizedOperations: false }
  const { groups } = await requests.ask(apis.streamsGroupDescribe, request, { group: name })
  const { groupState: state, assignorName, groupEpoch, members, topology } = only(groups, name)
  const sources = new Map(
    (topology?.subtopologies ?? []).map(each => [
      each.subtopologyId,
      [...each.sourceTopics, ...each.repartitionSourceTopics.map(topic => topic.name)],
    ]),
  )
  return {
    ...{ group: name, type: 'streams', state, protocolType: 'streams', protocol: assignorName ?? '', epoch: groupEpoch },
    members: members.map(({ memberId: id, instanceId, clientId, clientHost: host, assignment }) => {
      const tasks = tasksOf(assignment)
      const active = tasks.filter(each => each.role === 'active')
      // A task of a subtopology reads this partition of each of its topics.
      const partitions = active.flatMap(({ subtopology, partition }) =>
        (sources.get(subtopology) ?? []).map(topic => ({ topic, partition })),
      )
      return { id, instanceId, clientId, host, partitions, tasks }
    }),
  }
}

type StreamsAssignment = MessageOf<typeof apis.streamsGroupDescribe.response>['groups'][number]['members'][number]['assignment']

function tasksOf({ activeTasks, standbyTasks, warmupTasks }: StreamsAssignment): GroupTask[] {
  const roles = [
    ['active', activeTasks],
    ['standby', standbyTasks],
    ['warm-up', warmupTasks],
  ] as const
  return roles.flatMap(([role, tasks]) =>
    tasks.flatMap(({ subtopologyId: subtopology, partitions }) => partitions.map(partition => ({ role, subtopology, partition }))),
  )
}

async function committedOffsets(requests: Requests, name: string, areStable: boolean): Promise<GroupOffset[]> {
  // Older brokers have no such question.
  const requireStable = areStable && (await requests.speaks(apis.offsetFetch, 7))
  // From version 10 on topics have only ids.
  const names = await requests.ask(apis.offsetFetch, { ...(await offsetsQuestion(requests, name)), requireStable }, { group: name }, 9)
  const [ofGroup] = names.groups
  refuse(ofGroup?.errorCode ?? names.errorCode)
  return committedIn(ofGroup?.topics ?? names.topics)
}

interface CommittedTopic {
  readonly name: string
  readonly partitions: readonly { partitionIndex: number; committedOffset: Int64; metadata: string | null; errorCode: number }[]
}

function committedIn(topics: readonly CommittedTopic[]): GroupOffset[] {
  return topics.flatMap(({ name: topic, partitions }) =>
    partitions
      .filter(({ committedOffset, errorCode }) => {
        refuse(errorCode)
        return committedOffset >= 0
      })
      .map(({ partitionIndex, committedOffset, metadata }) => ({
        ...{ topic, partition: partitionIndex, offset: BigInt(committedOffset) },
        ...{ lag: null, metadata: metadata ?? '' },
      })),
  )
}

/** Several groups at once since version 8. */
async function offsetsQuestion(requests: Requests, name: string) {
  return (await requests.speaks(apis.offsetFetch, 8)) ? { groups: [{ groupId: name, topics: null }] } : { groupId: name, topics: null }
}

async function shareOffsets(requests: Requests, name: string): Promise<GroupOffset[]> {
  const { groups } = await requests.ask(apis.describeShareGroupOffsets, { groups: [{ groupId: name, topics: null }] }, { group: name })
  return startsIn(only(groups, name).topics)
}

type SharedTopics = MessageOf<typeof apis.describeShareGroupOffsets.response>['groups'][number]['topics']

function startsIn(topics: SharedTopics): GroupOffset[] {
  return topics.flatMap(({ topicName: topic, partitions }) =>
    partitions.flatMap(({ partitionIndex: partition, startOffset, lag, errorCode, errorMessage }) => {
      refuse(errorCode, errorMessage)
      if (startOffset < 0) return []
      return [{ topic, partition, offset: BigInt(startOffset), lag: lag < 0 ? null : BigInt(lag), metadata: '' }]
    }),
  )
}

/** Of one request. */
const mostGroups = 100

type Named = Pick<GroupListing, 'group' | 'type'>

async function manyGroupOffsets(requests: Requests, groups: readonly Named[]): Promise<Map<string, GroupOffset[] | ClientError>> {
  const found = new Map<string, GroupOffset[] | ClientError>()
  // Several groups at once since version 8.
  const most = (await requests.speaks(apis.offsetFetch, 8)) ? mostGroups : 1
  for (let at = 0; at < groups.length; at += most) {
    const some = groups.slice(at, at + most)
    const coordinators = await requests.coordinators(
      some.map(each => each.group),
      0,
    )
    const asking: Promise<void>[] = []
    for (const [node, ofNode] of Map.groupBy(some, ({ group }) => coordinators.get(group) ?? noGroup(group)))
      if (typeof node !== 'number') for (const { group } of ofNode) found.set(group, node)
      else {
        const failed = (error: unknown) => {
          const why = toClientError(error, `broker ${node}`)
          for (const { group } of ofNode) found.set(group, why)
        }
        asking.push(askOffsets(requests, node, ofNode, found).catch(failed))
      }
    await Promise.all(asking)
  }
  return found
}

/** Of groups of one coordinator. What one of them refuses does not affect the others. */
async function askOffsets(
  requests: Requests,
  node: number,
  groups: readonly Named[],
  found: Map<string, GroupOffset[] | ClientError>,
): Promise<void> {
  const settle = (name: string, offsets: () => GroupOffset[]) => {
    try {
      found.set(name, offsets())
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      found.set(name, error)
    }
  }
  const shared = groups.filter(each => each.type === 'share').map(({ group }) => ({ groupId: group, topics: null }))
  if (shared.length > 0) {
    const answer = await requests.ask(apis.describeShareGroupOffsets, { groups: shared }, { node })
    for (const each of answer.groups) settle(each.groupId, () => startsIn(only([each], each.groupId).topics))
  }
  const others = groups.filter(each => each.type !== 'share').map(({ group }) => ({ groupId: group, topics: null }))
  const [first] = others
  if (first === undefined) return
  if (!(await requests.speaks(apis.offsetFetch, 8))) {
    const answer = await requests.ask(apis.offsetFetch, first, { node })
    return settle(first.groupId, () => {
      refuse(answer.errorCode)
      return committedIn(answer.topics)
    })
  }
  const answer = await requests.ask(apis.offsetFetch, { groups: others }, { node }, 9)
  for (const { groupId, errorCode, topics } of answer.groups)
    settle(groupId, () => {
      refuse(errorCode)
      return committedIn(topics)
    })
}

async function setShareGroupOffsets(requests: Requests, groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
  const topics = Array.from(
    Map.groupBy(offsets, each => each.topic),
    ([topicName, rows]) => ({
      topicName,
      partitions: rows.map(({ partition, offset }) => ({ partitionIndex: partition, startOffset: Number(offset) })),
    }),
  )
  const response = await requests.ask(apis.alterShareGroupOffsets, { groupId, topics }, { group: groupId })
  refuse(response.errorCode, response.errorMessage)
  for (const { partitions } of response.responses) for (const { errorCode, errorMessage } of partitions) refuse(errorCode, errorMessage)
}

async function deleteGroupOffsets(requests: Requests, groupId: string, wanted: readonly PartitionName[]): Promise<void> {
  const topics = Array.from(
    Map.groupBy(wanted, each => each.topic),
    ([name, rows]) => ({ name, partitions: rows.map(({ partition: partitionIndex }) => ({ partitionIndex })) }),
  )
  const response = await requests.ask(apis.offsetDelete, { groupId, topics }, { group: groupId })
  refuse(response.errorCode)
  for (const { name, partitions } of response.topics)
    for (const { partitionIndex, errorCode } of partitions) refusePartition(name, partitionIndex, errorCode)
}

async function deleteShareGroupOffsets(requests: Requests, groupId: string, names: readonly string[]): Promise<void> {
  const request = { groupId, topics: names.map(topicName => ({ topicName })) }
  const response = await requests.ask(apis.deleteShareGroupOffsets, request, { group: groupId })
  refuse(response.errorCode, response.errorMessage)
  for (const { errorCode, errorMessage } of response.responses) refuse(errorCode, errorMessage)
}

async function deleteGroup(requests: Requests, name: string): Promise<void> {
  const { results } = await requests.ask(apis.deleteGroups, { groupsNames: [name] }, { group: name })
  for (const { errorCode } of results) refuse(errorCode)
}
