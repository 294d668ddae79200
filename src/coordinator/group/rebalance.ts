/**
 * The rebalance of a classic group: the join phase, the sync phase, and the timers that end them if members
 * do not respond. Requests (`membership.ts`) change members and then call this module.
 */
import { assert } from '../../base.ts'
import type { ErrorName } from '../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../shard.ts'
import { type TimerKey, timerKey } from '../timer-key.ts'
import type { ClassicGroup } from './classic-group.ts'
import { type Member, sessionKey } from './classic-member.ts'
import { groupMetadataRecord } from './records.ts'
import { joinError, syncError } from './requests.ts'
import type { GroupSettings } from './settings.ts'

/** A join that is parked keeps its member this long without a heartbeat: the client cannot send any before it knows its id. */
const newMemberJoinTimeoutMs = 300_000
const noRecords: readonly LogRecord[] = []
const nothing: Decision<void> = { records: noRecords, response: undefined }

export interface RebalancerOptions {
  context: ShardContext
  settings: GroupSettings
  find(groupId: string): ClassicGroup | undefined
}

/** Functions return the records that the step has to write. */
export class Rebalancer {
  readonly #context: ShardContext
  readonly #settings: GroupSettings
  readonly #find: (groupId: string) => ClassicGroup | undefined

  constructor(options: RebalancerOptions) {
    this.#context = options.context
    this.#settings = options.settings
    this.#find = options.find
  }

  /** The member has shown that it lives. */
  keepAlive(group: ClassicGroup, member: Member, timeoutMs = member.sessionTimeoutMs): void {
    this.#context.schedule(member.sessionKey, timeoutMs, () => this.#expireSession(group.groupId, member.memberId))
  }

  keepNewMember(group: ClassicGroup, member: Member): void {
    this.keepAlive(group, member, newMemberJoinTimeoutMs)
  }

  /** It got a member id and should come back with it before its session would end. */
  awaitRejoin(group: ClassicGroup, memberId: string, sessionTimeoutMs: number): void {
    const { groupId } = group
    group.awaitRejoin(memberId)
    this.#context.schedule(sessionKey(groupId, memberId), sessionTimeoutMs, () => this.#expireSession(groupId, memberId))
  }

  /** The member left, or was removed. */
  forget(group: ClassicGroup, memberId: string): void {
    this.#context.cancel(sessionKey(group.groupId, memberId))
    const member = group.members.get(memberId)
    // Its join may be parked. The error makes a client that is still there rejoin.
    if (member !== undefined) group.completeJoin(member, joinError('UNKNOWN_MEMBER_ID', ''))
    if (member !== undefined) group.completeSync(member, syncError('UNKNOWN_MEMBER_ID'))
    group.remove(memberId)
  }

  /** A change that requires a rebalance, or that may complete the current one. */
  rebalance(group: ClassicGroup): readonly LogRecord[] {
    return group.canRebalance ? this.prepare(group) : this.maybeCompleteJoin(group)
  }

  prepare(group: ClassicGroup): readonly LogRecord[] {
    if (group.state === 'CompletingRebalance') this.failSync(group, 'REBALANCE_IN_PROGRESS')
    group.forgetSyncs()
    this.#context.cancel(syncKey(group.groupId))
    const initial = group.state === 'Empty'
    group.transitionTo('PreparingRebalance')
    if (initial) {
      const delayMs = this.#settings.groupInitialRebalanceDelayMs
      this.#delayInitial(group.groupId, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0))
      return noRecords
    }
    if (group.hasAllMembersJoined) return this.#completeJoin(group)
    this.#limitJoin(group)
    return noRecords
  }

  /** An initial rebalance waits for its delay even when all known members are here. */
  maybeCompleteJoin(group: ClassicGroup): readonly LogRecord[] {
    const ready = group.state === 'PreparingRebalance' && group.previousState !== 'Empty' && group.hasAllMembersJoined
    return ready ? this.#completeJoin(group) : noRecords
  }

  /** No member keeps an assignment of this generation. */
  failSync(group: ClassicGroup, error: ErrorName): void {
    assert(group.state === 'CompletingRebalance', `group ${group.groupId} is ${group.state}`)
    for (const member of group.members.values()) {
      member.assignment = Buffer.alloc(0)
      if (group.completeSync(member, syncError(error))) this.keepAlive(group, member)
    }
  }

  /** The assignments are in the log. */
  answerSync(group: ClassicGroup): void {
    for (const member of group.members.values()) {
      if (group.completeSync(member, group.syncResponse(member))) this.keepAlive(group, member)
    }
  }

  synced(group: ClassicGroup, memberId: string): void {
    group.synced(memberId)
    if (group.pendingSyncMembers.size === 0) this.#context.cancel(syncKey(group.groupId))
  }

  /** The group was loaded from the log. */
  resume(group: ClassicGroup): void {
    for (const member of group.members.values()) this.keepAlive(group, member)
    // group.max.size may have been lowered. Writes nothing, because not all members have rejoined.
    if (group.members.size > this.#settings.groupMaxSize) this.prepare(group)
  }

  #limitJoin(group: ClassicGroup): void {
    this.#context.schedule(joinKey(group.groupId), group.rebalanceTimeoutMs, () => this.#endJoin(group.groupId))
  }

  #endJoin(groupId: string): Decision<void> {
    const group = this.#find(groupId)
    return group?.state === 'PreparingRebalance' ? decide(this.#completeJoin(group)) : nothing
  }

  /** Members of a new group seldom come all at once: each newcomer extends the wait, up to the rebalance timeout. */
  #delayInitial(groupId: string, delayMs: number, remainingMs: number): void {
    this.#context.schedule(joinKey(groupId), delayMs, () => {
      const group = this.#find(groupId)
      if (group?.state !== 'PreparingRebalance') return nothing
      if (!group.newMemberAdded || remainingMs === 0) return decide(this.#completeJoin(group))
      group.newMemberAdded = false
      const nextMs = Math.min(this.#settings.groupInitialRebalanceDelayMs, remainingMs)
      this.#delayInitial(groupId, nextMs, Math.max(remainingMs - delayMs, 0))
      return nothing
    })
  }

  #completeJoin(group: ClassicGroup): readonly LogRecord[] {
    this.#context.cancel(joinKey(group.groupId))
    // Static members may stay away for as long as their session lasts.
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin === null && member.groupInstanceId === null) this.forget(group, member.memberId)
    }
    if (!group.electJoinedLeader() && group.members.size > 0) {
      // Only absent static members are left: their sessions decide.
      this.#limitJoin(group)
      return noRecords
    }
    group.newMemberAdded = false
    group.initNextGeneration()
    if (group.state === 'Empty') return [groupMetadataRecord(group.groupId, group.toRecord())]
    for (const member of group.members.values()) {
      if (member.awaitingJoin !== null) group.completeJoin(member, group.joinResponse(member))
      this.keepAlive(group, member)
      member.isNew = false
      group.awaitSyncOf(member.memberId)
    }
    const { groupId, generationId } = group
    this.#context.schedule(syncKey(groupId), group.rebalanceTimeoutMs, () => this.#expireSync(groupId, generationId))
    return noRecords
  }

  #expireSession(groupId: string, memberId: string): Decision<void> {
    const group = this.#find(groupId)
    if (group === undefined || group.state === 'Dead') return nothing
    if (group.pendingJoinMembers.has(memberId)) {
      group.remove(memberId)
      return decide(this.maybeCompleteAnyJoin(group))
    }
    const member = group.members.get(memberId)
    if (member === undefined || member.hasSatisfiedHeartbeat) return nothing
    this.forget(group, memberId)
    return decide(this.#removed(group))
  }

  #removed(group: ClassicGroup): readonly LogRecord[] {
    if (group.state === 'Stable' || group.state === 'CompletingRebalance') return this.rebalance(group)
    return this.maybeCompleteAnyJoin(group)
  }

  /** When a member that the group waits for is gone, even an initial rebalance need not wait any longer. */
  maybeCompleteAnyJoin(group: ClassicGroup): readonly LogRecord[] {
    return group.state === 'PreparingRebalance' && group.hasAllMembersJoined ? this.#completeJoin(group) : noRecords
  }

  #expireSync(groupId: string, generationId: number): Decision<void> {
    const group = this.#find(groupId)
    const current = group?.generationId === generationId && (group.state === 'CompletingRebalance' || group.state === 'Stable')
    if (group === undefined || !current || group.pendingSyncMembers.size === 0) return nothing
    for (const memberId of [...group.pendingSyncMembers]) this.forget(group, memberId)
    return decide(this.prepare(group))
  }
}

function decide(records: readonly LogRecord[]): Decision<void> {
  return records.length === 0 ? nothing : { records, response: undefined }
}

function joinKey(groupId: string): TimerKey {
  return timerKey('join', groupId)
}

function syncKey(groupId: string): TimerKey {
  return timerKey('sync', groupId)
}
