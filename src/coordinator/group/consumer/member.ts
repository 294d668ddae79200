/** One member of a KIP-848 group, as its records describe it; a change makes a new value. */
import type { Protocol } from '../requests.ts'
import { bytesOf } from '../told.ts'
import { type Held, noneHeld } from './partitions.ts'

/** Kafka's numbers in CurrentMemberAssignment records. */
export const memberStates = { STABLE: 1, UNREVOKED_PARTITIONS: 2, UNRELEASED_PARTITIONS: 3, UNKNOWN: 127 } as const
export type MemberState = keyof typeof memberStates

/** A member that speaks the classic protocol to a group of the new one, during a migration. */
export interface ClassicMember {
  sessionTimeoutMs: number
  supportedProtocols: readonly Protocol[]
}

export interface ConsumerMember {
  readonly memberId: string
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly rebalanceTimeoutMs: number
  readonly clientId: string
  readonly clientHost: string
  /** Sorted, each once. */
  readonly subscribedTopicNames: readonly string[]
  /** Empty: none. */
  readonly subscribedTopicRegex: string
  readonly serverAssignor: string | null
  readonly state: MemberState
  readonly assigned: Held
  readonly pendingRevocation: Held
  readonly classic: ClassicMember | null
}

export function newMember(memberId: string): ConsumerMember {
  return {
    memberId,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    clientId: '',
    clientHost: '',
    subscribedTopicNames: [],
    subscribedTopicRegex: '',
    serverAssignor: null,
    state: 'STABLE',
    assigned: noneHeld,
    pendingRevocation: noneHeld,
    classic: null,
  }
}

/** See `told.ts`. */
export function bytesTold(member: ConsumerMember | undefined): number {
  if (member === undefined) return 0
  let bytes = bytesOf(member.subscribedTopicNames) + member.subscribedTopicRegex.length
  for (const { name, metadata } of member.classic?.supportedProtocols ?? []) bytes += name.length + metadata.length
  return bytes
}

export function uniqueNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

/** In the same order. */
export function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index])
}

/** The member's description is unchanged: no record is needed. */
export function saysTheSame(one: ConsumerMember, other: ConsumerMember): boolean {
  return (
    one.instanceId === other.instanceId &&
    one.rackId === other.rackId &&
    one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.clientId === other.clientId &&
    one.clientHost === other.clientHost &&
    one.serverAssignor === other.serverAssignor &&
    subscribesTheSame(one, other) &&
    sameClassic(one.classic, other.classic)
  )
}

export function subscribesTheSame(one: ConsumerMember, other: ConsumerMember): boolean {
  return one.subscribedTopicRegex === other.subscribedTopicRegex && sameNames(one.subscribedTopicNames, other.subscribedTopicNames)
}

function sameClassic(one: ClassicMember | null, other: ClassicMember | null): boolean {
  if (one === null || other === null) return one === other
  return (
    one.sessionTimeoutMs === other.sessionTimeoutMs &&
    one.supportedProtocols.length === other.supportedProtocols.length &&
    one.supportedProtocols.every(({ name, metadata }, index) => {
      const counterpart = other.supportedProtocols[index]!
      return name === counterpart.name && metadata.equals(counterpart.metadata)
    })
  )
}

export function isReconciled(member: ConsumerMember, targetEpoch: number): boolean {
  return member.state === 'STABLE' && member.memberEpoch === targetEpoch
}
