/** A member of a classic group: what it said when it joined, and the requests of it that wait. */
import { assert } from '../../base.ts'
import { type TimerKey, timerKey } from '../timer-key.ts'
import type { MemberMetadata } from './records.ts'
import type { JoinGroupResponse, Protocol, SyncGroupResponse } from './requests.ts'

export const noAssignment = Buffer.alloc(0)

/** The member's description from its join request. */
export interface MemberInit {
  memberId: string
  groupInstanceId: string | null
  clientId: string
  clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  protocolType: string
  protocols: readonly Protocol[]
}

export class Member {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly protocolType: string
  /** Key of the session timer: built once, because every heartbeat needs it. */
  readonly sessionKey: TimerKey
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  protocols: readonly Protocol[]
  assignment: Buffer = noAssignment
  awaitingJoin: PromiseWithResolvers<JoinGroupResponse> | null = null
  awaitingSync: PromiseWithResolvers<SyncGroupResponse> | null = null
  /** Joined, but has not yet seen the end of a rebalance: its session may end while it waits. */
  isNew = false

  constructor(groupId: string, init: MemberInit) {
    this.memberId = init.memberId
    this.groupInstanceId = init.groupInstanceId
    this.clientId = init.clientId
    this.clientHost = init.clientHost
    this.protocolType = init.protocolType
    this.sessionKey = sessionKey(groupId, init.memberId)
    this.rebalanceTimeoutMs = init.rebalanceTimeoutMs
    this.sessionTimeoutMs = init.sessionTimeoutMs
    this.protocols = init.protocols
  }

  metadata(protocolName: string): Buffer {
    const protocol = this.protocols.find(({ name }) => name === protocolName)
    assert(protocol, `member ${this.memberId} does not support protocol ${protocolName}`)
    return protocol.metadata
  }

  /** Members that wait for a rebalance need not send heartbeats, except new ones, whose absence would otherwise go unnoticed. */
  get hasSatisfiedHeartbeat(): boolean {
    return !this.isNew && (this.awaitingJoin !== null || this.awaitingSync !== null)
  }

  matches(protocols: readonly Protocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, i) => name === this.protocols[i]!.name && metadata.equals(this.protocols[i]!.metadata))
    )
  }
}

export function sessionKey(groupId: string, memberId: string): TimerKey {
  return timerKey('session', groupId, memberId)
}

export function memberFromRecord(stored: MemberMetadata, protocolType: string, protocol: string): MemberInit {
  return {
    memberId: stored.memberId,
    groupInstanceId: stored.groupInstanceId,
    clientId: stored.clientId,
    clientHost: stored.clientHost,
    rebalanceTimeoutMs: stored.rebalanceTimeout === -1 ? stored.sessionTimeout : stored.rebalanceTimeout,
    sessionTimeoutMs: stored.sessionTimeout,
    protocolType,
    protocols: [{ name: protocol, metadata: stored.subscription }],
  }
}
