/** Short names for the messages of StreamsGroupHeartbeat, and the validation of a request, with Kafka's messages. */
import { type apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { leaveEpoch, leaveStaticEpoch } from '../members.ts'
import type { StreamsInternalTopic } from './internal-topics.ts'
import { checkTopology } from './topology.ts'

export type StreamsHeartbeatRequest = MessageOf<typeof apis.streamsGroupHeartbeat.request>
export type StreamsHeartbeatResponse = InputOf<typeof apis.streamsGroupHeartbeat.response>

export interface StreamsHeartbeatResult {
  response: StreamsHeartbeatResponse
  /** What the caller should create, if the client may; the next heartbeat finds it. */
  missingInternalTopics: readonly StreamsInternalTopic[]
}

export function isLeaving({ memberEpoch }: StreamsHeartbeatRequest): boolean {
  return memberEpoch === leaveEpoch || memberEpoch === leaveStaticEpoch
}

/** Throws INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY. */
export function validateHeartbeat(request: StreamsHeartbeatRequest): void {
  const { memberEpoch, topology } = request
  refuseBlank(request.memberId, 'MemberId')
  refuseBlank(request.groupId, 'GroupId')
  refuseBlank(request.instanceId, 'InstanceId')
  refuseBlank(request.rackId, 'RackId')
  const { activeTasks, standbyTasks, warmupTasks } = request
  if (memberEpoch === 0) {
    if (request.rebalanceTimeoutMs === -1) throw invalid('RebalanceTimeoutMs must be provided in first request.')
    refuseTasks(activeTasks, 'ActiveTasks')
    refuseTasks(standbyTasks, 'StandbyTasks')
    refuseTasks(warmupTasks, 'WarmupTasks')
    if (topology === null) throw invalid('Topology must be non-null when (re-)joining.')
    checkTopology(topology)
  } else if (memberEpoch === leaveStaticEpoch) {
    if (request.instanceId === null) throw invalid("InstanceId can't be null.")
  } else if (memberEpoch < leaveStaticEpoch) {
    throw invalid(`MemberEpoch is ${memberEpoch}, but must be greater than or equal to -2.`)
  }
  const told = [activeTasks, standbyTasks, warmupTasks].filter(tasks => tasks !== null).length
  if (told !== 0 && told !== 3) throw invalid('If one task-type is non-null, all must be non-null.')
  if (memberEpoch !== 0 && topology !== null) throw invalid('Topology can only be provided when (re-)joining.')
}

function refuseBlank(value: string | null, what: string): void {
  if (value !== null && value.trim() === '') throw invalid(`${what} can't be empty.`)
}

function refuseTasks(tasks: readonly unknown[] | null, what: string): void {
  if (tasks !== null && tasks.length > 0) throw invalid(`${what} must be empty when (re-)joining.`)
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}
