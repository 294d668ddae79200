/** Short names for the messages of the group APIs, and responses that contain only an error. */
import { type apis, type ErrorName, errorCode, type InputOf, type MessageOf } from '../../protocol.ts'

export type JoinGroupRequest = MessageOf<typeof apis.joinGroup.request>
export type JoinGroupResponse = InputOf<typeof apis.joinGroup.response>
export type SyncGroupRequest = MessageOf<typeof apis.syncGroup.request>
export type SyncGroupResponse = InputOf<typeof apis.syncGroup.response>
export type HeartbeatRequest = MessageOf<typeof apis.heartbeat.request>
export type LeaveGroupRequest = MessageOf<typeof apis.leaveGroup.request>
export type LeavingMember = LeaveGroupRequest['members'][number]
export type LeaveGroupResponse = MessageOf<typeof apis.leaveGroup.response>
export type DescribedGroup = InputOf<typeof apis.describeGroups.response>['groups'][number]
export type ListedGroup = InputOf<typeof apis.listGroups.response>['groups'][number]
export type DeletedGroup = InputOf<typeof apis.deleteGroups.response>['results'][number]
export type Protocol = JoinGroupRequest['protocols'][number]

/** Who sends a request, as far as groups care. */
export interface Caller {
  apiVersion: number
  clientId: string
  /** As Kafka shows it: `/127.0.0.1`. */
  clientHost: string
}

const noAssignment = Buffer.alloc(0)
/** A client id may be as long as a string of the protocol can be, in characters of three bytes. */
const longestPrefix = 10_000

/** The id of a classic member: its client id or instance id, and a UUID. */
export function memberIdFor(prefix: string, uuid: string): string {
  return `${prefix.slice(0, longestPrefix)}-${uuid}`
}

export function joinError(error: ErrorName, memberId: string): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: errorCode(error),
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  }
}

export function syncError(error: ErrorName): SyncGroupResponse {
  return { throttleTimeMs: 0, errorCode: errorCode(error), protocolType: null, protocolName: null, assignment: noAssignment }
}
