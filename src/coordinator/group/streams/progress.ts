/**
 * The progress of a streams group (KIP-1071): the topology is compared with the existing topics, changes increase the group's epoch, a new
 * epoch gets a new target assignment (delayed for a new group, and no more often than the assignment interval allows), and the member moves
 * towards it. Kafka 4.4 has warm-up tasks in its records and messages, but does not assign any yet; neither does Millrace.
 */
import type { Int64 } from '../../../base.ts'
import { KafkaError } from '../../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../../shard.ts'
import { timerKey } from '../../timer-key.ts'
import { type GroupTopics, topicsHash } from '../group-topics.ts'
import { type GroupSettings, nextAssignmentInMs, type StreamsGroupConfig } from '../settings.ts'
import { checkTold } from '../told.ts'
import type { StreamsHeartbeatRequest } from './heartbeat-request.ts'
import { type ConfiguredTopology, configureTopology } from './internal-topics.ts'
import { assignsTheSame, bytesTold, type StreamsMember, sameEntries, saysTheSame } from './member.ts'
import { reconcile } from './reconcile.ts'
import { type AssignorMember, assignSticky } from './sticky-assignor.ts'
import type { Offsets, StreamsGroup, TaskOffsets } from './streams-group.ts'
import {
  currentRecord,
  memberRecord,
  metadataRecord,
  type Topology,
  targetEpochRecord,
  targetRecord,
  topologyRecord,
} from './streams-records.ts'
import { hasTask, noTasks, sameTasks, type TaskIds, type TaskSets, tasksOf } from './tasks.ts'
import { requiredTopics, sameTopology } from './topology.ts'

/** Kafka's numbers in heartbeat responses. */
export const statusCodes = {
  STALE_TOPOLOGY: 0,
  MISSING_SOURCE_TOPICS: 1,
  INCORRECTLY_PARTITIONED_TOPICS: 2,
  MISSING_INTERNAL_TOPICS: 3,
  SHUTDOWN_APPLICATION: 4,
  ASSIGNMENT_DELAYED: 5,
  MISSING_CLIENT_TAGS: 6,
} as const

export interface Status {
  statusCode: number
  statusDetail: string
}

export interface Step {
  group: StreamsGroup
  before: StreamsMember
  /** With the member's current description. */
  after: StreamsMember
  request: StreamsHeartbeatRequest
  /** What the step writes is added here. */
  records: LogRecord[]
}

export interface Advanced {
  member: StreamsMember
  /** The tasks that the member reports; null if it reports none. */
  owned: TaskSets | null
  configured: ConfiguredTopology
  statuses: Status[]
  /** When the assignment comes that the member waits for; null for none. */
  dueInMs: number | null
}

export interface ProgressOptions {
  context: ShardContext
  settings: GroupSettings
  topics: GroupTopics
  find(groupId: string): StreamsGroup | undefined
}

const nothing: Decision<void> = { records: [], response: undefined }
const noOffsets: TaskOffsets = { offsets: new Map(), endOffsets: new Map() }

export class Progress {
  readonly #options: ProgressOptions
  readonly #context: ShardContext
  readonly #topics: GroupTopics
  /** Groups that wait for more members before their first assignment, and until when. */
  readonly #delayed = new Map<string, number>()

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#context = options.context
    this.#topics = options.topics
  }

  advance(step: Step): Advanced {
    const { group, before, after, request, records } = step
    const { groupId } = group
    const statuses: Status[] = []
    let changed = false
    if (!saysTheSame(before, after)) {
      checkTold(group.toldBytes, bytesTold(before), bytesTold(after), this.#options.settings.groupMaxMetadataBytes)
      records.push(memberRecord(groupId, after))
      // A static member that returns unchanged does not need a new assignment.
      changed = request.instanceId === null || !assignsTheSame(before, after)
    }
    const topology = topologyOf(step)
    if (group.topology !== null && after.topologyEpoch < group.topology.epoch) {
      const detail = `The member's topology epoch ${after.topologyEpoch} is behind the group's topology epoch ${group.topology.epoch}.`
      statuses.push({ statusCode: statusCodes.STALE_TOPOLOGY, statusDetail: detail })
    }
    const { configured, metadataHash } = this.#configure(group, topology)
    const ready = configured.problem === null
    if (ready) for (const tasks of ownedLists(request)) requireKnownTasks(tasks, configured)
    takeOffsets(group, request, configured)
    const config = this.#config(groupId)
    const assignmentConfigs = assignmentConfigsOf(config)
    const validatedTopologyEpoch = ready ? topology.epoch : -1
    const { metadata } = group
    changed ||= metadataHash !== metadata.metadataHash || validatedTopologyEpoch !== metadata.validatedTopologyEpoch
    changed ||= !sameEntries(assignmentConfigs, metadata.assignmentConfigs)
    const groupEpoch = changed ? group.groupEpoch + 1 : group.groupEpoch
    if (changed) {
      records.push(metadataRecord(groupId, { ...metadata, epoch: groupEpoch, metadataHash, validatedTopologyEpoch, assignmentConfigs }))
    }
    group.comparedWith = { topicsVersion: this.#topics.version, groupEpoch }
    if (group.isEmpty && config.initialRebalanceDelayMs > 0) this.#delay(groupId, config.initialRebalanceDelayMs)
    const { epoch, target, dueInMs, why } = this.#target(step, groupEpoch, configured)
    if (dueInMs !== null) statuses.push({ statusCode: statusCodes.ASSIGNMENT_DELAYED, statusDetail: why })
    const owned = ownedTasks(request)
    const member = reconcile(after, { epoch, target, runners: group.runners }, owned)
    if (member !== after) records.push(currentRecord(groupId, member))
    return { member, owned, configured, statuses, dueInMs }
  }

  /** What the topology comes to, looked at again only when topics came or went since. */
  #configure(group: StreamsGroup, topology: Topology): { configured: ConfiguredTopology; metadataHash: Int64 } {
    const { configured, comparedWith, metadata } = group
    const current = comparedWith.topicsVersion === this.#topics.version && group.groupEpoch >= comparedWith.groupEpoch
    if (group.topology !== null && configured !== null && current) return { configured, metadataHash: metadata.metadataHash }
    group.configured = configureTopology(topology, this.#topics)
    return { configured: group.configured, metadataHash: topicsHash(requiredTopics(topology), this.#topics) }
  }

  /** The target assignment and what it gives the member; `dueInMs` when a newer one is not due yet. */
  #target(
    { group, after, records }: Step,
    groupEpoch: number,
    configured: ConfiguredTopology,
  ): { epoch: number; target: TaskSets; dueInMs: number | null; why: string } {
    const epoch = group.assignmentEpoch
    const delayedUntil = this.#delayed.get(group.groupId)
    if (delayedUntil !== undefined) {
      const dueInMs = Math.max(0, delayedUntil - this.#context.clock.monotonic())
      return { epoch, target: noTasks, dueInMs, why: 'Assignment delayed due to the configured initial rebalance delay.' }
    }
    const target = group.targetOf(after) ?? noTasks
    if (epoch >= groupEpoch) return { epoch, target, dueInMs: null, why: '' }
    const { assignmentIntervalMs } = this.#config(group.groupId)
    const waitMs = nextAssignmentInMs(group.assignmentTimestampMs, assignmentIntervalMs, this.#context.clock.now())
    if (waitMs > 0) {
      return { epoch, target, dueInMs: waitMs, why: 'Assignment delayed due to the configured assignment interval.' }
    }
    const targets = this.#assign(group, group.members.after(after), groupEpoch, configured, records)
    return { epoch: groupEpoch, target: targets.get(after.memberId) ?? noTasks, dueInMs: null, why: '' }
  }

  #assign(
    group: StreamsGroup,
    members: readonly StreamsMember[],
    epoch: number,
    configured: ConfiguredTopology,
    records: LogRecord[],
  ): ReadonlyMap<string, TaskSets> {
    const { groupId } = group
    const targets =
      configured.problem !== null || configured.subtopologies === null
        ? new Map<string, TaskSets>()
        : assignSticky(
            members.map(member => assignorMember(member, group.taskOffsets.get(member.memberId)?.offsets)),
            Array.from(configured.subtopologies, ([subtopologyId, { taskCount, stateful }]) => ({ subtopologyId, taskCount, stateful })),
            this.#config(groupId).numStandbyReplicas,
          )
    for (const member of members) {
      const target = targets.get(member.memberId) ?? noTasks
      const old = group.targetOf(member)
      if (old === undefined || !sameTasks(old, target)) records.push(targetRecord(groupId, member.memberId, target))
    }
    records.push(targetEpochRecord(groupId, epoch, this.#context.clock.now()))
    return targets
  }

  #delay(groupId: string, delayMs: number): void {
    if (this.#delayed.has(groupId)) return
    this.#delayed.set(groupId, this.#context.clock.monotonic() + delayMs)
    this.#context.schedule(timerKey('streams-initial-rebalance', groupId), delayMs, () => {
      this.#delayed.delete(groupId)
      const group = this.#options.find(groupId)
      if (group === undefined || group.isEmpty || group.topology === null || group.groupEpoch <= group.assignmentEpoch) return nothing
      // Without an epoch's bump: what has changed since is found by the next heartbeat.
      const configured = group.configured ?? configureTopology(group.topology, this.#topics)
      const records: LogRecord[] = []
      this.#assign(group, [...group.members.values()], group.groupEpoch, configured, records)
      return { records, response: undefined }
    })
  }

  #config(groupId: string): StreamsGroupConfig {
    return this.#options.settings.streams.of(groupId)
  }
}

/** The group's topology, which its first member sends. Throws INVALID_REQUEST if the member's topology differs. */
function topologyOf({ group, request: { topology: told }, records }: Step): Topology {
  const { topology } = group
  if (told === null) {
    if (topology !== null) return topology
    throw new KafkaError('UNKNOWN_SERVER_ERROR', `The topology of group ${group.groupId} is unknown.`)
  }
  if (topology === null) {
    records.push(topologyRecord(group.groupId, told))
    return told
  }
  // A member of an older version of the application: it gets a status.
  if (topology.epoch > told.epoch) return topology
  if (!sameTopology(topology, told)) throw new KafkaError('INVALID_REQUEST', 'Topology updates are not supported yet.')
  return topology
}

function assignmentConfigsOf({ numStandbyReplicas, rackAwareAssignmentTags }: StreamsGroupConfig): Map<string, string> {
  const configs = new Map([['num.standby.replicas', String(numStandbyReplicas)]])
  if (rackAwareAssignmentTags.length > 0) configs.set('rack.aware.assignment.tags', rackAwareAssignmentTags.join(','))
  return configs
}

function requireKnownTasks(lists: readonly TaskIds[], { subtopologies }: ConfiguredTopology): void {
  for (const { subtopologyId, partitions } of lists) {
    const subtopology = subtopologies?.get(subtopologyId)
    if (subtopology === undefined) {
      throw new KafkaError('INVALID_REQUEST', `Subtopology ${subtopologyId} does not exist in the topology.`)
    }
    const { taskCount } = subtopology
    const unknown = partitions.find(partition => partition < 0 || partition >= taskCount)
    if (unknown === undefined) continue
    const message = `Task ${unknown} for subtopology ${subtopologyId} is invalid. Number of tasks for this subtopology: ${taskCount}`
    throw new KafkaError('INVALID_REQUEST', message)
  }
}

function ownedLists({ activeTasks, standbyTasks, warmupTasks }: StreamsHeartbeatRequest): (readonly TaskIds[])[] {
  return [activeTasks ?? [], standbyTasks ?? [], warmupTasks ?? []]
}

function ownedTasks({ activeTasks, standbyTasks, warmupTasks }: StreamsHeartbeatRequest): TaskSets | null {
  if (activeTasks === null || standbyTasks === null || warmupTasks === null) return null
  return { active: tasksOf(activeTasks), standby: tasksOf(standbyTasks), warmup: tasksOf(warmupTasks) }
}

/** Of tasks that exist; a member may tell of as many others as it likes. */
function takeOffsets(
  group: StreamsGroup,
  { memberId, taskOffsets, taskEndOffsets }: StreamsHeartbeatRequest,
  configured: ConfiguredTopology,
) {
  if (taskOffsets === null && taskEndOffsets === null) return
  const { offsets, endOffsets } = group.taskOffsets.get(memberId) ?? noOffsets
  group.taskOffsets.set(memberId, {
    offsets: taskOffsets === null ? offsets : offsetsOf(taskOffsets, configured),
    endOffsets: taskEndOffsets === null ? endOffsets : offsetsOf(taskEndOffsets, configured),
  })
}

function offsetsOf(list: NonNullable<StreamsHeartbeatRequest['taskOffsets']>, { subtopologies }: ConfiguredTopology): Offsets {
  const offsets = new Map<string, Map<number, Int64>>()
  for (const { subtopologyId, partition, offset } of list) {
    if (hasTask(offsets, subtopologyId, partition)) {
      const message = `Task offsets contain a duplicate entry for subtopology ${subtopologyId} and partition ${partition}.`
      throw new KafkaError('INVALID_REQUEST', message)
    }
    if (partition < 0 || partition >= (subtopologies?.get(subtopologyId)?.taskCount ?? 0)) continue
    const partitions = offsets.get(subtopologyId)
    if (partitions === undefined) offsets.set(subtopologyId, new Map([[partition, offset]]))
    else partitions.set(partition, offset)
  }
  return offsets
}

function assignorMember({ memberId, processId, assigned }: StreamsMember, taskOffsets: Offsets = noOffsets.offsets): AssignorMember {
  const active = new Map(Array.from(assigned.active, ([id, epochs]) => [id, new Set(epochs.keys())] as const))
  return { memberId, processId, active, standby: assigned.standby, taskOffsets }
}
