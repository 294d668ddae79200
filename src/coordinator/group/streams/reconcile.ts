/**
 * Moves a member from its current to its target tasks (KIP-1071): first it revokes tasks that others are to get, then it gets tasks that
 * others have revoked. An active task never runs twice, a process never runs a task twice in any role (its state directory has one
 * owner), and a member enters the target epoch only when it has nothing left to revoke. A task that only changes its role within the member
 * is not revoked first.
 */
import { KafkaError } from '../../../protocol.ts'
import { isReconciled, type MemberState, type StreamsMember } from './member.ts'
import {
  addActive,
  addTask,
  eachTask,
  type HeldTasks,
  hasTask,
  isEmpty,
  noHeldTasks,
  overlap,
  removeTask,
  sameHeld,
  type TaskSets,
  type Tasks,
} from './tasks.ts'

/** Which processes run a task, or have not confirmed yet that they do not. */
export interface Runners {
  activeOn(subtopologyId: string, partition: number): string | undefined
  standbyOn(subtopologyId: string, partition: number, processId: string): boolean
  warmupOn(subtopologyId: string, partition: number, processId: string): boolean
}

export interface Goal {
  /** Epoch of the target assignment. */
  epoch: number
  target: TaskSets
  runners: Runners
}

/** `owned`: the tasks that the member reports; null if it reports none. */
export function reconcile(member: StreamsMember, goal: Goal, owned: TaskSets | null): StreamsMember {
  switch (member.state) {
    case 'STABLE':
      return isReconciled(member, goal.epoch) ? member : approach(member, member.memberEpoch, goal, owned)
    case 'UNREVOKED_TASKS':
      if (notReleased(member.pendingRevocation, owned)) return member
      return approach(member, member.memberEpoch + 1, goal, owned)
    case 'UNRELEASED_TASKS':
      return approach(member, member.memberEpoch, goal, owned)
    case 'UNKNOWN':
      // Written by a future version: the member has to start over.
      if (owned === null || !isEmpty(owned)) {
        throw new KafkaError(
          'FENCED_MEMBER_EPOCH',
          'The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.',
        )
      }
      return approach(member, goal.epoch, goal, owned)
  }
}

function notReleased(pending: HeldTasks, owned: TaskSets | null): boolean {
  return owned === null || overlap(owned, pending)
}

type Mutable = Map<string, Set<number>>

/** One role of a member: what stays, what goes, what comes now; `waits` when something cannot come yet. */
interface Step {
  kept: Mutable
  revoked: Mutable
  granted: Mutable
  waits: boolean
}

function compare(held: HeldTasks[keyof HeldTasks], target: Tasks, isUnreleased: (id: string, partition: number) => boolean): Step {
  const step: Step = { kept: new Map(), revoked: new Map(), granted: new Map(), waits: false }
  for (const [id, partition] of eachTask(held)) addTask(hasTask(target, id, partition) ? step.kept : step.revoked, id, partition)
  for (const [id, partition] of eachTask(target)) {
    if (hasTask(held, id, partition)) continue
    if (isUnreleased(id, partition)) step.waits = true
    else addTask(step.granted, id, partition)
  }
  return step
}

function approach(member: StreamsMember, memberEpoch: number, goal: Goal, owned: TaskSets | null): StreamsMember {
  const { assigned: held } = member
  const { target } = goal
  const unreleased = unreleasedOf(member, goal.runners)
  const active = compare(held.active, target.active, unreleased.active)
  const standby = compare(held.standby, target.standby, unreleased.standby)
  const warmup = compare(held.warmup, target.warmup, unreleased.warmup)
  // What changes its role stays in the process: the copy of an active task may be granted while the task itself is given back.
  for (const [id, partition] of eachTask(held.active)) grantNow(standby, id, partition)
  for (const [id, partition] of eachTask(held.standby)) if (grantNow(warmup, id, partition)) removeTask(standby.revoked, id, partition)
  for (const [id, partition] of eachTask(held.warmup)) if (grantNow(standby, id, partition)) removeTask(warmup.revoked, id, partition)
  const revoked = promoteReplicas(member, goal, owned, { active, standby, warmup })
  const gives = !isEmpty(revoked) && notReleased(revoked, owned)
  const kept = heldOf(member, goal.epoch, active.kept, gives ? null : active.granted)
  if (gives) {
    return moved(member, 'UNREVOKED_TASKS', memberEpoch, { active: kept, standby: standby.kept, warmup: warmup.kept }, revoked)
  }
  for (const [id, partition] of eachTask(standby.granted)) addTask(standby.kept, id, partition)
  for (const [id, partition] of eachTask(warmup.granted)) addTask(warmup.kept, id, partition)
  const waits = active.waits || standby.waits || warmup.waits
  const assigned = { active: kept, standby: standby.kept, warmup: warmup.kept }
  return moved(member, waits ? 'UNRELEASED_TASKS' : 'STABLE', goal.epoch, assigned, noHeldTasks)
}

/** Active tasks may run nowhere else; replicas only in no other role, and by no other member, of the same process. */
function unreleasedOf({ assigned: held, processId }: StreamsMember, { activeOn, standbyOn, warmupOn }: Runners) {
  const standbyOfOther = (id: string, partition: number) => standbyOn(id, partition, processId) && !hasTask(held.standby, id, partition)
  const warmupOfOther = (id: string, partition: number) => warmupOn(id, partition, processId) && !hasTask(held.warmup, id, partition)
  const activeOfOther = (id: string, partition: number) => activeOn(id, partition) === processId && !hasTask(held.active, id, partition)
  return {
    active: (id: string, partition: number) =>
      activeOn(id, partition) !== undefined || standbyOfOther(id, partition) || warmupOfOther(id, partition),
    standby: (id: string, partition: number) =>
      activeOfOther(id, partition) || standbyOn(id, partition, processId) || warmupOfOther(id, partition),
    warmup: (id: string, partition: number) =>
      activeOn(id, partition) === processId || standbyOfOther(id, partition) || warmupOn(id, partition, processId),
  }
}

function grantNow(step: Step, id: string, partition: number): boolean {
  if (!hasTask(step.granted, id, partition)) return false
  removeTask(step.granted, id, partition)
  addTask(step.kept, id, partition)
  return true
}

/** A replica that is to become active is kept until it does, and then needs no revocation. Returns what has to be given back. */
function promoteReplicas(
  { assigned: held }: StreamsMember,
  { target }: Goal,
  owned: TaskSets | null,
  steps: { active: Step; standby: Step; warmup: Step },
): HeldTasks {
  const promoted = (tasks: Tasks) => [...eachTask(tasks)].filter(([id, partition]) => hasTask(target.active, id, partition))
  const { active, standby, warmup } = steps
  for (const [id, partition] of promoted(held.standby)) removeTask(standby.revoked, id, partition)
  for (const [id, partition] of promoted(held.warmup)) removeTask(warmup.revoked, id, partition)
  const revokedActive = new Map<string, Map<number, number>>()
  for (const [id, partition] of eachTask(active.revoked)) addActive(revokedActive, id, partition, held.active.get(id)!.get(partition)!)
  const revoked: HeldTasks = { active: revokedActive, standby: standby.revoked, warmup: warmup.revoked }
  const gives = !isEmpty(revoked) && notReleased(revoked, owned)
  const stays = ([id, partition]: [string, number]) => gives || !hasTask(active.granted, id, partition)
  for (const task of promoted(held.standby)) if (stays(task)) addTask(standby.kept, ...task)
  for (const task of promoted(held.warmup)) if (stays(task)) addTask(warmup.kept, ...task)
  return revoked
}

function heldOf({ assigned }: StreamsMember, epoch: number, kept: Tasks, granted: Tasks | null): HeldTasks['active'] {
  const active = new Map<string, Map<number, number>>()
  for (const [id, partition] of eachTask(kept)) addActive(active, id, partition, assigned.active.get(id)!.get(partition)!)
  for (const [id, partition] of eachTask(granted ?? new Map())) addActive(active, id, partition, epoch)
  return active
}

function moved(
  member: StreamsMember,
  state: MemberState,
  memberEpoch: number,
  assigned: HeldTasks,
  pendingRevocation: HeldTasks,
): StreamsMember {
  const after = { ...member, state, memberEpoch, previousMemberEpoch: member.memberEpoch, assigned, pendingRevocation }
  const unchanged = state === member.state && memberEpoch === member.memberEpoch && member.previousMemberEpoch === after.previousMemberEpoch
  return unchanged && sameHeld(assigned, member.assigned) && sameHeld(pendingRevocation, member.pendingRevocation) ? member : after
}
