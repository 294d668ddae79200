/** Numbers of tasks, in Prometheus' format: counters as sums since the worker began the task, gauges as they were told last. */
import { nameOfTask, type TaskId } from './names.ts'

interface OfTask {
  readonly id: TaskId
  readonly counters: Map<string, number>
  readonly gauges: Map<string, number>
}

/** A connector chooses names; there are not more of them than this. */
const mostNames = 100

export class Metrics {
  readonly #tasks = new Map<string, OfTask>()

  add(id: TaskId, counters: readonly [string, number][], gauges: readonly [string, number][]): void {
    let task = this.#tasks.get(nameOfTask(id))
    if (task === undefined) this.#tasks.set(nameOfTask(id), (task = { id, counters: new Map(), gauges: new Map() }))
    for (const [name, by] of counters)
      if (task.counters.has(name) || task.counters.size < mostNames) task.counters.set(name, (task.counters.get(name) ?? 0) + by)
    for (const [name, value] of gauges) if (task.gauges.has(name) || task.gauges.size < mostNames) task.gauges.set(name, value)
  }

  forget(id: TaskId): void {
    this.#tasks.delete(nameOfTask(id))
  }

  page(): string {
    const families = new Map<string, { readonly type: 'counter' | 'gauge'; readonly lines: string[] }>()
    const add = (name: string, type: 'counter' | 'gauge', { connector, task }: TaskId, value: number) => {
      let family = families.get(name)
      if (family === undefined) families.set(name, (family = { type, lines: [] }))
      family.lines.push(`${name}{connector="${escaped(connector)}",task="${task}"} ${value}`)
    }
    for (const { id, counters, gauges } of this.#tasks.values()) {
      for (const [name, value] of counters) add(`connect_task_${clean(name)}_total`, 'counter', id, value)
      for (const [name, value] of gauges) add(`connect_task_${clean(name)}`, 'gauge', id, value)
    }
    return Array.from(families, ([name, { type, lines }]) => `# TYPE ${name} ${type}\n${lines.join('\n')}\n`).join('')
  }
}

function clean(name: string): string {
  return name.replaceAll(/\W/g, '_')
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
