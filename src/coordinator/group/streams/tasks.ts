/** Sets of tasks in the three roles of KIP-1071. A task is a partition number of a subtopology. */

/** Partitions by subtopology id. Subtopologies without partitions are omitted. */
export type Tasks = ReadonlyMap<string, ReadonlySet<number>>
/** Active tasks that a member holds; the number is the epoch in which it got the task. */
export type ActiveTasks = ReadonlyMap<string, ReadonlyMap<number, number>>

/** What a member should have, or says that it has. */
export interface TaskSets {
  readonly active: Tasks
  readonly standby: Tasks
  readonly warmup: Tasks
}

/** What a member holds. */
export interface HeldTasks {
  readonly active: ActiveTasks
  readonly standby: Tasks
  readonly warmup: Tasks
}

/** As requests, responses and records spell it. */
export interface TaskIds {
  subtopologyId: string
  partitions: readonly number[]
}

export const noTasks: TaskSets = { active: new Map(), standby: new Map(), warmup: new Map() }
export const noHeldTasks: HeldTasks = { active: new Map(), standby: new Map(), warmup: new Map() }

type Partitions = { readonly size: number; has(partition: number): boolean; keys(): Iterable<number> }
type AnyTasks = ReadonlyMap<string, Partitions>

/** Of a task, for maps. */
export function taskKey(subtopologyId: string, partition: number): string {
  return `${partition}-${subtopologyId}`
}

export function hasTask(tasks: AnyTasks, subtopologyId: string, partition: number): boolean {
  return tasks.get(subtopologyId)?.has(partition) ?? false
}

export function isEmpty({ active, standby, warmup }: TaskSets | HeldTasks): boolean {
  return active.size === 0 && standby.size === 0 && warmup.size === 0
}

function sameKeys(one: AnyTasks, other: AnyTasks): boolean {
  if (one.size !== other.size) return false
  for (const [id, partitions] of one) {
    const others = other.get(id)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions.keys()) if (!others.has(partition)) return false
  }
  return true
}

export function sameTasks(one: TaskSets, other: TaskSets | HeldTasks): boolean {
  return sameKeys(one.active, other.active) && sameKeys(one.standby, other.standby) && sameKeys(one.warmup, other.warmup)
}

/** The epochs of active tasks count too. */
export function sameHeld(one: HeldTasks, other: HeldTasks): boolean {
  if (one === other) return true
  if (!sameKeys(one.active, other.active) || !sameKeys(one.standby, other.standby) || !sameKeys(one.warmup, other.warmup)) return false
  for (const [id, epochs] of one.active) {
    for (const [partition, epoch] of epochs) if (other.active.get(id)!.get(partition) !== epoch) return false
  }
  return true
}

function disjoint(one: AnyTasks, other: AnyTasks): boolean {
  for (const [id, partitions] of one) for (const partition of partitions.keys()) if (hasTask(other, id, partition)) return false
  return true
}

/** A task is in both, in the same role. */
export function overlap(one: TaskSets | HeldTasks, other: TaskSets | HeldTasks): boolean {
  return !disjoint(one.active, other.active) || !disjoint(one.standby, other.standby) || !disjoint(one.warmup, other.warmup)
}

/** Everything in the list is held; without a list this is unknown. */
export function isWithin(lists: readonly TaskIds[] | null, held: AnyTasks): boolean {
  if (lists === null) return false
  return lists.every(({ subtopologyId, partitions }) => partitions.every(partition => hasTask(held, subtopologyId, partition)))
}

/** Sorted. */
export function listOf(tasks: AnyTasks): { subtopologyId: string; partitions: number[] }[] {
  return Array.from(tasks, ([subtopologyId, partitions]) => ({
    subtopologyId,
    partitions: [...partitions.keys()].sort((a, b) => a - b),
  })).sort((a, b) => compareText(a.subtopologyId, b.subtopologyId))
}

export function tasksOf(lists: readonly TaskIds[]): Tasks {
  const tasks = new Map<string, Set<number>>()
  for (const { subtopologyId, partitions } of lists) for (const partition of partitions) addTask(tasks, subtopologyId, partition)
  return tasks
}

export function addTask(tasks: Map<string, Set<number>>, subtopologyId: string, partition: number): void {
  const partitions = tasks.get(subtopologyId)
  if (partitions === undefined) tasks.set(subtopologyId, new Set([partition]))
  else partitions.add(partition)
}

export function addActive(tasks: Map<string, Map<number, number>>, subtopologyId: string, partition: number, epoch: number): void {
  const partitions = tasks.get(subtopologyId)
  if (partitions === undefined) tasks.set(subtopologyId, new Map([[partition, epoch]]))
  else partitions.set(partition, epoch)
}

export function removeTask(
  tasks: Map<string, { delete(partition: number): boolean; readonly size: number }>,
  id: string,
  partition: number,
) {
  const partitions = tasks.get(id)
  if (partitions?.delete(partition) && partitions.size === 0) tasks.delete(id)
}

export function* eachTask(tasks: AnyTasks): Generator<[subtopologyId: string, partition: number]> {
  for (const [id, partitions] of tasks) for (const partition of partitions.keys()) yield [id, partition]
}

/** Java's order of strings, by UTF-16 units. */
export function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
