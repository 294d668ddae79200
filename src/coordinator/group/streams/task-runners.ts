/** Which processes run which tasks of a group, or have not yet confirmed that they stopped. Derived from the assignments of its members. */
import type { StreamsMember } from './member.ts'
import type { Runners } from './reconcile.ts'
import { eachTask, type HeldTasks, taskKey } from './tasks.ts'

export class TaskRunners implements Runners {
  readonly #active = new Map<string, string>()
  readonly #standby = new Map<string, Set<string>>()
  readonly #warmup = new Map<string, Set<string>>()

  readonly activeOn = (subtopologyId: string, partition: number): string | undefined => this.#active.get(taskKey(subtopologyId, partition))

  readonly standbyOn = (subtopologyId: string, partition: number, processId: string): boolean =>
    this.#standby.get(taskKey(subtopologyId, partition))?.has(processId) ?? false

  readonly warmupOn = (subtopologyId: string, partition: number, processId: string): boolean =>
    this.#warmup.get(taskKey(subtopologyId, partition))?.has(processId) ?? false

  /** After compaction the records of two owners may come in either order: the last one counts, and only it can release the task. */
  add({ assigned, pendingRevocation, processId }: StreamsMember): void {
    for (const held of [assigned, pendingRevocation])
      this.#each(held, { active: key => this.#active.set(key, processId), replica: addTo(processId) })
  }

  remove(member: StreamsMember | undefined): void {
    if (member === undefined) return
    const { assigned, pendingRevocation, processId } = member
    const active = (key: string) => this.#active.get(key) === processId && this.#active.delete(key)
    for (const held of [assigned, pendingRevocation]) this.#each(held, { active, replica: removeFrom(processId) })
  }

  #each(
    { active, standby, warmup }: HeldTasks,
    on: { active(key: string): unknown; replica(of: Map<string, Set<string>>, key: string): void },
  ) {
    for (const [id, partition] of eachTask(active)) on.active(taskKey(id, partition))
    for (const [id, partition] of eachTask(standby)) on.replica(this.#standby, taskKey(id, partition))
    for (const [id, partition] of eachTask(warmup)) on.replica(this.#warmup, taskKey(id, partition))
  }
}

function addTo(processId: string) {
  return (replicas: Map<string, Set<string>>, key: string): void => {
    const processes = replicas.get(key)
    if (processes === undefined) replicas.set(key, new Set([processId]))
    else processes.add(processId)
  }
}

function removeFrom(processId: string) {
  return (replicas: Map<string, Set<string>>, key: string): void => {
    const processes = replicas.get(key)
    if (processes?.delete(processId) && processes.size === 0) replicas.delete(key)
  }
}
