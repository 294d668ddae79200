/** One member of a streams group, as its records describe it; a change makes a new value. */
import { bytesOf } from '../told.ts'
import { type HeldTasks, noHeldTasks } from './tasks.ts'

/** Kafka's numbers in CurrentMemberAssignment records. */
export const memberStates = { STABLE: 1, UNREVOKED_TASKS: 2, UNRELEASED_TASKS: 3, UNKNOWN: 127 } as const
export type MemberState = keyof typeof memberStates

export interface Endpoint {
  host: string
  port: number
}

/** A member's description of itself. */
export interface MemberMetadata {
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly topologyEpoch: number
  /** Members of one process share its state directory. */
  readonly processId: string
  /** Where interactive queries reach it. */
  readonly userEndpoint: Endpoint | null
  readonly clientTags: ReadonlyMap<string, string>
}

/** What the coordinator has brought it to. */
export interface MemberProgress {
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly state: MemberState
  readonly assigned: HeldTasks
  readonly pendingRevocation: HeldTasks
}

export interface StreamsMember extends MemberMetadata, MemberProgress {
  readonly memberId: string
}

export function newMember(memberId: string): StreamsMember {
  return {
    memberId,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    state: 'STABLE',
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    rebalanceTimeoutMs: -1,
    topologyEpoch: -1,
    processId: '',
    userEndpoint: null,
    clientTags: new Map(),
    assigned: noHeldTasks,
    pendingRevocation: noHeldTasks,
  }
}

/** See `told.ts`. */
export function bytesTold(member: MemberMetadata | undefined): number {
  if (member === undefined) return 0
  const { processId, userEndpoint, rackId, clientTags } = member
  return (
    processId.length + (userEndpoint?.host.length ?? 0) + (rackId?.length ?? 0) + bytesOf(clientTags.keys()) + bytesOf(clientTags.values())
  )
}

/** The member's description is unchanged: no record is needed. */
export function saysTheSame(one: MemberMetadata, other: MemberMetadata): boolean {
  return (
    one.instanceId === other.instanceId &&
    one.clientId === other.clientId &&
    one.clientHost === other.clientHost &&
    one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    sameEndpoint(one.userEndpoint, other.userEndpoint) &&
    assignsTheSame(one, other)
  )
}

/** What an assignment may depend on is the same. */
export function assignsTheSame(one: MemberMetadata, other: MemberMetadata): boolean {
  return (
    one.topologyEpoch === other.topologyEpoch &&
    one.rackId === other.rackId &&
    one.processId === other.processId &&
    sameEntries(one.clientTags, other.clientTags)
  )
}

export function sameEndpoint(one: Endpoint | null, other: Endpoint | null): boolean {
  if (one === null || other === null) return one === other
  return one.host === other.host && one.port === other.port
}

export function sameEntries(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  if (one.size !== other.size) return false
  for (const [key, value] of one) if (other.get(key) !== value) return false
  return true
}

export function isReconciled({ state, memberEpoch }: MemberProgress, targetEpoch: number): boolean {
  return state === 'STABLE' && memberEpoch === targetEpoch
}
