/**
 * Kafka's `sticky` task assignor (KIP-1071): a task stays with the member that runs it, or goes to one that has a copy of its state, or
 * to the least loaded process, as long as no member gets more than its share. Copies (standby tasks) are assigned in the same way, each to
 * a different process.
 */
import type { Int64 } from '../../../base.ts'
import { ProcessState } from './process-state.ts'
import { addTask, compareText, hasTask, type TaskSets, type Tasks, taskKey } from './tasks.ts'

export interface AssignorMember {
  memberId: string
  processId: string
  active: Tasks
  standby: Tasks
  /** Sums of changelog offsets up to which the member's process has the state of tasks, by subtopology and partition. */
  taskOffsets: ReadonlyMap<string, ReadonlyMap<number, Int64>>
}

export interface AssignorSubtopology {
  subtopologyId: string
  taskCount: number
  stateful: boolean
}

export interface TaskId {
  subtopologyId: string
  partition: number
  key: string
}

interface Holder {
  memberId: string
  process: ProcessState
}

/** How much of something a member may have; the share grows as members reach it and leave what is left to fewer. */
class Share {
  #left: number
  #members: number
  #each: number

  constructor(tasks: number, members: number) {
    this.#left = tasks
    this.#members = members
    this.#each = perMember(tasks, members)
  }

  allows({ memberId, process }: Holder): boolean {
    return process.taskCounts.get(memberId)! < this.#each
  }

  /** A member has so many now. */
  reached(count: number): void {
    if (count !== this.#each) return
    this.#members--
    this.#left -= count
    this.#each = perMember(this.#left, this.#members)
  }
}

export function assignSticky(
  members: readonly AssignorMember[],
  subtopologies: readonly AssignorSubtopology[],
  numStandbyReplicas: number,
): Map<string, TaskSets> {
  const processes = new Map<string, ProcessState>()
  const previousActive = new Map<string, Holder>()
  const candidates = new Map<string, { holder: Holder; isStandby: boolean; offset: Int64 }[]>()
  for (const { memberId, processId, active, standby, taskOffsets } of members) {
    let process = processes.get(processId)
    if (process === undefined) processes.set(processId, (process = new ProcessState()))
    process.addMember(memberId)
    const holder = { memberId, process }
    const propose = (key: string, isStandby: boolean, offset: Int64) => {
      const list = candidates.get(key)
      if (list === undefined) candidates.set(key, [{ holder, isStandby, offset }])
      else list.push({ holder, isStandby, offset })
    }
    for (const [id, partitions] of active) for (const partition of partitions) previousActive.set(taskKey(id, partition), holder)
    for (const [id, partitions] of standby) {
      for (const partition of partitions) propose(taskKey(id, partition), true, taskOffsets.get(id)?.get(partition) ?? 0)
    }
    for (const [id, offsets] of taskOffsets) {
      for (const [partition, offset] of offsets) if (!hasTask(standby, id, partition)) propose(taskKey(id, partition), false, offset)
    }
  }
  const copies = new Map<string, Holder[]>()
  for (const [key, list] of candidates) {
    list.sort((a, b) => Number(b.isStandby) - Number(a.isStandby) || (a.offset > b.offset ? -1 : a.offset < b.offset ? 1 : 0))
    copies.set(
      key,
      list.map(({ holder }) => holder),
    )
  }
  const tasks = subtopologies.flatMap(tasksOfSubtopology)
  const stateful = subtopologies.filter(subtopology => subtopology.stateful).flatMap(tasksOfSubtopology)
  const dealer = new Dealer([...processes.values()], previousActive, copies, {
    active: new Share(tasks.length, members.length),
    total: new Share(tasks.length + stateful.length * numStandbyReplicas, members.length),
  })
  dealer.dealActive(tasks)
  if (numStandbyReplicas > 0) dealer.dealStandby(stateful, numStandbyReplicas)
  return new Map(members.map(({ memberId, processId }) => [memberId, tasksIn(processes.get(processId)!, memberId)]))
}

class Dealer {
  readonly #processes: readonly ProcessState[]
  readonly #previousActive: ReadonlyMap<string, Holder>
  /** Who has a copy of a task's state, the best first. */
  readonly #copies: ReadonlyMap<string, Holder[]>
  readonly #shares: { active: Share; total: Share }

  constructor(
    processes: readonly ProcessState[],
    previousActive: ReadonlyMap<string, Holder>,
    copies: ReadonlyMap<string, Holder[]>,
    shares: { active: Share; total: Share },
  ) {
    this.#processes = processes
    this.#previousActive = previousActive
    this.#copies = copies
    this.#shares = shares
  }

  dealActive(tasks: readonly TaskId[]): void {
    const { active, total } = this.#shares
    const added = (count: number) => {
      active.reached(count)
      total.reached(count)
    }
    const give = (task: TaskId, holder: Holder | undefined): boolean => {
      if (holder === undefined || !active.allows(holder)) return false
      added(holder.process.add(holder.memberId, task, 'active'))
      return true
    }
    // Partition by partition, so that the tasks of every subtopology are spread over the members.
    let rest = [...tasks].sort((a, b) => a.partition - b.partition || compareText(a.subtopologyId, b.subtopologyId))
    rest = rest.filter(task => !give(task, this.#previousActive.get(task.key)))
    rest = rest.filter(task => !give(task, leastLoaded(this.#copies.get(task.key))))
    rest.sort((a, b) => compareText(a.subtopologyId, b.subtopologyId) || a.partition - b.partition)
    for (const task of rest) added(leastLoadedProcess(this.#processes, () => true)!.addToLeastLoaded(task, 'active'))
  }

  dealStandby(tasks: readonly TaskId[], replicas: number): void {
    const { total } = this.#shares
    const left: { task: TaskId; count: number }[] = []
    for (const task of [...tasks].sort((a, b) => b.partition - a.partition || compareText(b.subtopologyId, a.subtopologyId))) {
      for (let dealt = 0; dealt < replicas; dealt++) {
        const holder = this.#holderOfCopy(task)
        if (holder === undefined) {
          left.push({ task, count: replicas - dealt })
          break
        }
        total.reached(holder.process.add(holder.memberId, task, 'standby'))
      }
    }
    left.sort((a, b) => compareText(b.task.subtopologyId, a.task.subtopologyId) || b.task.partition - a.task.partition)
    for (const { task, count } of left) {
      for (let dealt = 0; dealt < count; dealt++) {
        // With fewer processes than copies some are not made.
        const process = leastLoadedProcess(this.#processes, candidate => !candidate.has(task))
        if (process === undefined) break
        total.reached(process.addToLeastLoaded(task, 'standby'))
      }
    }
  }

  #holderOfCopy(task: TaskId): Holder | undefined {
    const { total } = this.#shares
    const active = this.#previousActive.get(task.key)
    if (active !== undefined && !active.process.has(task) && total.allows(active)) return active
    const copy = leastLoaded(this.#copies.get(task.key)?.filter(({ process }) => !process.has(task)))
    return copy !== undefined && total.allows(copy) ? copy : undefined
  }
}

/** The first, unless a later one has less to do in its process and itself. */
function leastLoaded(holders: readonly Holder[] | undefined): Holder | undefined {
  let best: Holder | undefined
  for (const holder of holders ?? []) {
    if (best === undefined) best = holder
    else if (
      holder.process.load < best.process.load &&
      holder.process.taskCounts.get(holder.memberId)! < best.process.taskCounts.get(best.memberId)!
    ) {
      best = holder
    }
  }
  return best
}

function leastLoadedProcess(processes: readonly ProcessState[], isCandidate: (process: ProcessState) => boolean): ProcessState | undefined {
  let best: ProcessState | undefined
  for (const process of processes) if ((best === undefined || process.load < best.load) && isCandidate(process)) best = process
  return best
}

function tasksOfSubtopology({ subtopologyId, taskCount }: AssignorSubtopology): TaskId[] {
  return Array.from({ length: taskCount }, (_, partition) => ({ subtopologyId, partition, key: taskKey(subtopologyId, partition) }))
}

function tasksIn(process: ProcessState, memberId: string): TaskSets {
  return { active: compact(process.active.get(memberId)!), standby: compact(process.standby.get(memberId)!), warmup: new Map() }
}

function compact(tasks: readonly TaskId[]): Tasks {
  const compacted = new Map<string, Set<number>>()
  for (const { subtopologyId, partition } of tasks) addTask(compacted, subtopologyId, partition)
  return compacted
}

function perMember(tasks: number, members: number): number {
  return members === 0 ? 0 : Math.ceil(tasks / members)
}
