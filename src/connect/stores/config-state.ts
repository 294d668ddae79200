/**
 * What the records of the configuration topic amount to, in Kafka Connect's own format: keys such as `connector-NAME`, values in JSON without schema.
 *
 * Configurations of tasks come one by one and count together, when a record says how many there are.
 */
import { parseLossless } from '../../base.ts'
import { nameOfTask, parseTaskName, type TaskId } from '../names.ts'

/** As it is stored and shown: providers such as `${env:…}` are not resolved. */
export type Config = Readonly<Record<string, string | null>>
/** As it is used: a key whose value is null was not given. */
export function withoutNulls(config: Config): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [key, value] of Object.entries(config)) if (value !== null) given[key] = value
  return given
}

export type TargetState = 'STARTED' | 'PAUSED' | 'STOPPED'

export interface SessionKey {
  readonly key: Buffer
  readonly algorithm: string
  readonly createdMs: number
}

export interface RestartRequest {
  readonly connector: string
  readonly onlyFailed: boolean
  readonly includeTasks: boolean
}

export type ConfigChange =
  | { readonly kind: 'connector' | 'removed' | 'target' | 'tasks'; readonly connector: string }
  | { readonly kind: 'restart'; readonly request: RestartRequest }
  | { readonly kind: 'session-key' }
  | { readonly kind: 'level'; readonly logger: string; readonly level: string }

/** A record to write. */
export interface Entry {
  readonly key: string
  /** null: a tombstone. */
  readonly value: object | null
}

interface Known {
  config: Config
  tasks: readonly Config[]
  /** A commit said that there are more tasks than were read; they are made anew. */
  isInconsistent: boolean
}

const targetStates: readonly string[] = ['STARTED', 'PAUSED', 'STOPPED']

export class ConfigState {
  /** After the last record; -1: none. */
  offset = -1n
  sessionKey: SessionKey | null = null
  readonly #known = new Map<string, Known>()
  readonly #targets = new Map<string, TargetState>()
  readonly #deferred = new Map<string, Map<number, Config>>()
  /** Of source connectors that write in transactions: as many tasks have to be fenced. */
  readonly #fencing = new Map<string, number>()
  readonly #unfenced = new Set<string>()

  get connectors(): string[] {
    return [...this.#known.keys()]
  }

  has(connector: string): boolean {
    return this.#known.has(connector)
  }

  config(connector: string): Config | null {
    return this.#known.get(connector)?.config ?? null
  }

  target(connector: string): TargetState {
    return this.#targets.get(connector) ?? 'STARTED'
  }

  tasks(connector: string): readonly Config[] {
    return this.#known.get(connector)?.tasks ?? []
  }

  taskConfig({ connector, task }: TaskId): Config | null {
    return this.tasks(connector)[task] ?? null
  }

  isInconsistent(connector: string): boolean {
    return this.#known.get(connector)?.isInconsistent ?? false
  }

  /** How many tasks of an earlier generation may still write; null: it is fenced, or there are none. */
  toFence(connector: string): number | null {
    return this.#unfenced.has(connector) ? (this.#fencing.get(connector) ?? 0) : null
  }

  /** By connector the number of its tasks. */
  counts(): Map<string, number> {
    return new Map(Array.from(this.#known, ([name, { tasks, isInconsistent }]) => [name, isInconsistent ? 0 : tasks.length]))
  }

  /** null: nothing that anybody has to do something about. Throws TypeError and SyntaxError for what it does not understand. */
  apply(key: string, value: Buffer | null, offset: bigint): ConfigChange | null {
    this.offset = offset + 1n
    const body = value === null || value.length === 0 ? null : (parseLossless(value.toString('utf8')) as unknown)
    const [kind, rest] = kindOf(key)
    switch (kind) {
      case 'target-state-':
        return this.#applyTarget(rest, body)
      case 'connector-':
        return this.#applyConnector(rest, body)
      case 'task-':
        return this.#applyTask(rest, body)
      case 'commit-':
        return this.#applyCommit(rest, body)
      case 'tasks-fencing-':
        this.#fencing.set(rest, numberIn(body, 'task-count'))
        this.#unfenced.delete(rest)
        return null
      case 'restart-connector-':
        return body === null ? null : { kind: 'restart', request: restartIn(rest, body) }
      case 'session-key':
        this.sessionKey = sessionKeyIn(body)
        return { kind: 'session-key' }
      case 'logger-cluster-':
        return body === null ? null : { kind: 'level', logger: rest, level: textIn(body, 'level') }
    }
  }

  #applyTarget(connector: string, body: unknown): ConfigChange | null {
    if (body === null) {
      this.#targets.delete(connector)
      return null
    }
    const { 'state.v2': newer, state } = recordOf(body)
    const wanted = typeof newer === 'string' ? newer : state
    if (typeof wanted !== 'string' || !targetStates.includes(wanted)) throw new TypeError(`invalid target state of ${connector}`)
    const before = this.target(connector)
    this.#targets.set(connector, wanted as TargetState)
    return before !== wanted && this.has(connector) ? { kind: 'target', connector } : null
  }

  #applyConnector(connector: string, body: unknown): ConfigChange {
    if (body === null) {
      this.#forget(connector)
      return { kind: 'removed', connector }
    }
    const known = this.#known.get(connector)
    const config = propertiesIn(body)
    if (known === undefined) this.#known.set(connector, { config, tasks: [], isInconsistent: false })
    else known.config = config
    return { kind: 'connector', connector }
  }

  #forget(connector: string): void {
    this.#known.delete(connector)
    this.#targets.delete(connector)
    this.#deferred.delete(connector)
  }

  #applyTask(name: string, body: unknown): null {
    const id = parseTaskName(name)
    if (id === null) throw new TypeError(`invalid key of a task: ${name}`)
    let deferred = this.#deferred.get(id.connector)
    if (deferred === undefined) this.#deferred.set(id.connector, (deferred = new Map()))
    deferred.set(id.task, propertiesIn(body))
    return null
  }

  #applyCommit(connector: string, body: unknown): ConfigChange | null {
    const deferred = this.#deferred.get(connector) ?? new Map<number, Config>()
    this.#deferred.delete(connector)
    const known = this.#known.get(connector)
    // It was deleted, and compaction has removed the tombstone.
    if (known === undefined || body === null) return null
    const count = numberIn(body, 'tasks')
    const tasks = Array.from({ length: count }, (_, task) => deferred.get(task))
    known.isInconsistent = tasks.some(each => each === undefined)
    if (!known.isInconsistent) known.tasks = tasks as Config[]
    this.#unfenced.add(connector)
    return { kind: 'tasks', connector }
  }
}

type KeyKind = (typeof prefixes)[number] | 'session-key'
/** `restart-connector-` and `target-state-` do not begin with another one. */
const prefixes = ['target-state-', 'connector-', 'task-', 'commit-', 'tasks-fencing-', 'restart-connector-', 'logger-cluster-'] as const

function kindOf(key: string): [KeyKind, string] {
  if (key === 'session-key') return [key, '']
  const found = prefixes.find(prefix => key.startsWith(prefix))
  if (found === undefined) throw new TypeError(`unknown key: ${key}`)
  return [found, key.slice(found.length)]
}

function recordOf(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new TypeError('not an object')
  return body as Record<string, unknown>
}

function textIn(body: unknown, name: string): string {
  const value = recordOf(body)[name]
  if (typeof value !== 'string') throw new TypeError(`"${name}" is no text`)
  return value
}

const mostTasks = 100_000

function numberIn(body: unknown, name: string): number {
  const value = recordOf(body)[name]
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > mostTasks) throw new TypeError(`invalid "${name}"`)
  return value as number
}

function propertiesIn(body: unknown): Config {
  const found: Record<string, string | null> = Object.create(null)
  for (const [key, value] of Object.entries(recordOf(recordOf(body)['properties'])))
    found[key] = value === null || typeof value === 'string' ? value : String(value)
  return found
}

function restartIn(connector: string, body: unknown): RestartRequest {
  const { 'only-failed': onlyFailed, 'include-tasks': includeTasks } = recordOf(body)
  return { connector, onlyFailed: onlyFailed === true, includeTasks: includeTasks === true }
}

function sessionKeyIn(body: unknown): SessionKey {
  const createdMs = recordOf(body)['creation-timestamp']
  if (typeof createdMs !== 'number') throw new TypeError('invalid "creation-timestamp"')
  return { key: Buffer.from(textIn(body, 'key'), 'base64'), algorithm: textIn(body, 'algorithm'), createdMs }
}

/** The records that say something, in the order in which they must be written. */
export const entries = {
  connector: (connector: string, config: Config): Entry[] => [{ key: `connector-${connector}`, value: { properties: config } }],
  removal: (connector: string): Entry[] => [
    { key: `connector-${connector}`, value: null },
    { key: `target-state-${connector}`, value: null },
  ],
  /** Workers that know only `state` see a stopped connector as paused. */
  target: (connector: string, state: TargetState): Entry[] => [
    { key: `target-state-${connector}`, value: { state: state === 'STOPPED' ? 'PAUSED' : state, 'state.v2': state } },
  ],
  tasks: (connector: string, configs: readonly Config[]): Entry[] => [
    ...configs.map((properties, task) => ({ key: `task-${nameOfTask({ connector, task })}`, value: { properties } })),
    { key: `commit-${connector}`, value: { tasks: configs.length } },
  ],
  fenced: (connector: string, count: number): Entry[] => [{ key: `tasks-fencing-${connector}`, value: { 'task-count': count } }],
  restart: ({ connector, onlyFailed, includeTasks }: RestartRequest): Entry[] => [
    { key: `restart-connector-${connector}`, value: { 'include-tasks': includeTasks, 'only-failed': onlyFailed } },
  ],
  sessionKey: ({ key, algorithm, createdMs }: SessionKey): Entry[] => [
    { key: 'session-key', value: { key: key.toString('base64'), algorithm, 'creation-timestamp': createdMs } },
  ],
  level: (logger: string, level: string): Entry[] => [{ key: `logger-cluster-${logger}`, value: { level } }],
}
