/** The description of a streams group in StreamsGroupDescribe. */
import type { apis, InputOf } from '../../../protocol.ts'
import type { ConfiguredTopology } from './internal-topics.ts'
import type { StreamsMember } from './member.ts'
import { noTarget, type Offsets, type StreamsGroup } from './streams-group.ts'
import type { Subtopology, TopicInfo, Topology } from './streams-records.ts'
import { compareText, type HeldTasks, listOf, type TaskSets } from './tasks.ts'

export type DescribedStreamsGroup = InputOf<typeof apis.streamsGroupDescribe.response>['groups'][number]

export const assignorName = 'sticky'

export function describeStreamsGroup(group: StreamsGroup): DescribedStreamsGroup {
  return {
    errorCode: 0,
    errorMessage: null,
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    topology: group.topology === null ? null : describeTopology(group.topology, group.configured),
    members: Array.from(group.members.values(), member => describeMember(group, member)),
    assignorName,
  }
}

/** With the partition counts that were decided, once they were. */
function describeTopology(topology: Topology, configured: ConfiguredTopology | null): DescribedStreamsGroup['topology'] {
  const decided = configured?.problem === null ? configured.subtopologies : null
  const subtopologies = [...topology.subtopologies]
    .sort((a, b) => compareText(a.subtopologyId, b.subtopologyId))
    .map(subtopology => describeSubtopology(subtopology, decided?.get(subtopology.subtopologyId) ?? subtopology))
  return { epoch: topology.epoch, subtopologies }
}

function describeSubtopology(
  { subtopologyId, sourceTopics, repartitionSinkTopics }: Subtopology,
  infos: { repartitionSourceTopics: readonly TopicInfo[]; stateChangelogTopics: readonly TopicInfo[] },
) {
  const byName = (topics: readonly TopicInfo[]) => [...topics].sort((a, b) => compareText(a.name, b.name))
  return {
    subtopologyId,
    sourceTopics: [...sourceTopics].sort(),
    repartitionSinkTopics: [...repartitionSinkTopics].sort(),
    stateChangelogTopics: byName(infos.stateChangelogTopics),
    repartitionSourceTopics: byName(infos.repartitionSourceTopics),
  }
}

function describeMember(group: StreamsGroup, member: StreamsMember): DescribedStreamsGroup['members'][number] {
  const offsets = group.taskOffsets.get(member.memberId)
  return {
    memberId: member.memberId,
    memberEpoch: member.memberEpoch,
    instanceId: member.instanceId,
    rackId: member.rackId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    topologyEpoch: member.topologyEpoch,
    processId: member.processId,
    userEndpoint: member.userEndpoint,
    clientTags: Array.from(member.clientTags, ([key, value]) => ({ key, value })),
    taskOffsets: listOffsets(offsets?.offsets),
    taskEndOffsets: listOffsets(offsets?.endOffsets),
    assignment: listTasks(member.assigned),
    targetAssignment: listTasks(group.targets.get(member.memberId) ?? noTarget),
    isClassic: false,
  }
}

function listTasks({ active, standby, warmup }: HeldTasks | TaskSets) {
  return { activeTasks: listOf(active), standbyTasks: listOf(standby), warmupTasks: listOf(warmup) }
}

function listOffsets(offsets: Offsets = new Map()) {
  return [...offsets]
    .sort(([one], [other]) => compareText(one, other))
    .flatMap(([subtopologyId, partitions]) =>
      [...partitions].sort(([one], [other]) => one - other).map(([partition, offset]) => ({ subtopologyId, partition, offset })),
    )
}
