/** One process of a streams application during assignment. Its members share a state directory, so it has a task at most once. */
import type { TaskId } from './sticky-assignor.ts'

export class ProcessState {
  readonly taskCounts = new Map<string, number>()
  readonly active = new Map<string, TaskId[]>()
  readonly standby = new Map<string, TaskId[]>()
  readonly #tasks = new Set<string>()
  #count = 0

  addMember(memberId: string): void {
    this.taskCounts.set(memberId, 0)
    this.active.set(memberId, [])
    this.standby.set(memberId, [])
  }

  /** Tasks per member. */
  get load(): number {
    return this.#count / this.taskCounts.size
  }

  has(task: TaskId): boolean {
    return this.#tasks.has(task.key)
  }

  /** Returns how many tasks the member has now. */
  add(memberId: string, task: TaskId, role: 'active' | 'standby'): number {
    this.#count++
    this.#tasks.add(task.key)
    this[role].get(memberId)!.push(task)
    const count = this.taskCounts.get(memberId)! + 1
    this.taskCounts.set(memberId, count)
    return count
  }

  addToLeastLoaded(task: TaskId, role: 'active' | 'standby'): number {
    let least = ''
    let leastCount = Number.POSITIVE_INFINITY
    for (const [memberId, count] of this.taskCounts) {
      if (count >= leastCount) continue
      least = memberId
      leastCount = count
    }
    return this.add(least, task, role)
  }
}
