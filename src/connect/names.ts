/** Names of what a worker runs. */

export interface TaskId {
  readonly connector: string
  /** From 0. */
  readonly task: number
}

/** Unique among tasks, and the name by which people know one. */
export function nameOfTask({ connector, task }: TaskId): string {
  return `${connector}-${task}`
}

/** null: it is none. A connector's own name may contain dashes. */
export function parseTaskName(name: string): TaskId | null {
  const found = /^(.+)-(\d{1,9})$/s.exec(name)
  return found === null ? null : { connector: found[1]!, task: Number(found[2]) }
}

/** What one worker runs, or is to run. */
export interface Work {
  readonly connectors: readonly string[]
  readonly tasks: readonly TaskId[]
}

export const noWork: Work = { connectors: [], tasks: [] }

export function withWork(base: Work, { connectors, tasks }: Work): Work {
  const left = withoutWork(base, { connectors, tasks })
  return { connectors: [...left.connectors, ...connectors], tasks: [...left.tasks, ...tasks] }
}

export function withoutWork(base: Work, { connectors, tasks }: Work): Work {
  const [gone, goneTasks] = [new Set(connectors), new Set(tasks.map(nameOfTask))]
  return {
    connectors: base.connectors.filter(each => !gone.has(each)),
    tasks: base.tasks.filter(each => !goneTasks.has(nameOfTask(each))),
  }
}

export function isEmptyWork({ connectors, tasks }: Work): boolean {
  return connectors.length === 0 && tasks.length === 0
}
