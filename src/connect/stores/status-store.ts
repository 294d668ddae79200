/** How connectors and tasks are: a compacted topic in Kafka Connect's own format, to which every worker writes of what it runs. */
import { parseLossless } from '../../base.ts'
import { openTopicTable, type TopicTable } from '../../topic-table.ts'
import { nameOfTask, parseTaskName, type TaskId } from '../names.ts'
import { encode } from './config-store.ts'
import type { StoreOptions } from './options.ts'

export type RunState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'RESTARTING' | 'STOPPED' | 'DESTROYED'

export interface Status {
  readonly state: RunState
  /** Why it has failed. */
  readonly trace: string | null
  readonly workerId: string
  /** Of the group, in which the worker began it. */
  readonly generation: number
  readonly version: string | null
  /** The newest failures, oldest first; not part of Kafka Connect's format, which ignores it. */
  readonly history: readonly Failure[]
}

export interface Failure {
  readonly atMs: number
  /** The first line of the trace. */
  readonly reason: string
  /** After so long it was, or will be, started again; null: it was not. */
  readonly retryMs: number | null
}

export interface ActiveTopic {
  readonly topic: string
  readonly task: number
  readonly discoveredMs: number
}

export interface StatusStore {
  connector(name: string): Status | null
  /** Sorted by task. */
  tasks(connector: string): readonly { readonly task: number; readonly status: Status }[]
  task(id: TaskId): Status | null
  topics(connector: string): readonly ActiveTopic[]
  putConnector(name: string, status: Status): Promise<void>
  putTask(id: TaskId, status: Status): Promise<void>
  putTopic(connector: string, topic: ActiveTopic): Promise<void>
  removeTopics(connector: string): Promise<void>
  /** Of the connector and all its tasks. */
  remove(connector: string): Promise<void>
  removeTask(id: TaskId): Promise<void>
  catchUp(): Promise<void>
  close(): Promise<void>
}

/** Is told of each status of a connector or a task, as it is read. */
type Stated = (part: string | TaskId, status: Status) => void
type Write = (key: string, value: object | null) => Promise<void>

/** What the records amount to; writes go to `write` and come back as records. */
export class StatusTable {
  readonly #connectors = new Map<string, Status>()
  readonly #tasks = new Map<string, Map<number, Status>>()
  readonly #topics = new Map<string, Map<string, ActiveTopic>>()
  readonly #write: Write
  readonly #stated: Stated

  constructor(write: Write, stated: Stated = () => {}) {
    this.#write = write
    this.#stated = stated
  }

  /** Throws TypeError and SyntaxError for what it does not understand. */
  apply(key: string, value: Buffer | null): void {
    const body = value === null ? null : (parseLossless(value.toString('utf8')) as Record<string, unknown>)
    if (key.startsWith('status-connector-')) {
      const name = key.slice('status-connector-'.length)
      if (body !== null) {
        const status = statusIn(body)
        this.#connectors.set(name, status)
        this.#stated(name, status)
      } else {
        this.#connectors.delete(name)
        this.#tasks.delete(name)
      }
    } else if (key.startsWith('status-task-')) this.#applyTask(key, body)
    else if (key.startsWith('status-topic-')) this.#applyTopic(key.slice('status-topic-'.length), body)
    else throw new TypeError(`unknown key: ${key}`)
  }

  #applyTask(key: string, body: Record<string, unknown> | null): void {
    const id = parseTaskName(key.slice('status-task-'.length))
    if (id === null) throw new TypeError(`invalid key of a task: ${key}`)
    if (body === null) {
      this.#tasks.get(id.connector)?.delete(id.task)
      return
    }
    const status = statusIn(body)
    const before = this.task(id)
    this.#stated(id, status)
    // A worker that gave it up was slower than the one that has begun it since.
    if (status.state === 'UNASSIGNED' && before?.state === 'RUNNING' && before.generation > status.generation) return
    let tasks = this.#tasks.get(id.connector)
    if (tasks === undefined) this.#tasks.set(id.connector, (tasks = new Map()))
    tasks.set(id.task, status)
  }

  #applyTopic(rest: string, body: Record<string, unknown> | null): void {
    const at = rest.indexOf(topicSeparator)
    if (at <= 0) throw new TypeError(`invalid key of a topic: ${rest}`)
    const [topic, connector] = [rest.slice(0, at), rest.slice(at + topicSeparator.length)]
    if (body === null) {
      this.#topics.get(connector)?.delete(topic)
      return
    }
    const { task, discoverTimestamp } = body['topic'] as { task: number; discoverTimestamp: number }
    let topics = this.#topics.get(connector)
    if (topics === undefined) this.#topics.set(connector, (topics = new Map()))
    topics.set(topic, { topic, task: Number(task), discoveredMs: Number(discoverTimestamp) })
  }

  connector(name: string): Status | null {
    return this.#connectors.get(name) ?? null
  }

  tasks(connector: string): { task: number; status: Status }[] {
    return Array.from(this.#tasks.get(connector) ?? [], ([task, status]) => ({ task, status })).sort((a, b) => a.task - b.task)
  }

  task({ connector, task }: TaskId): Status | null {
    return this.#tasks.get(connector)?.get(task) ?? null
  }

  topics(connector: string): ActiveTopic[] {
    return [...(this.#topics.get(connector)?.values() ?? [])]
  }

  putConnector(name: string, status: Status): Promise<void> {
    return this.#write(`status-connector-${name}`, bodyOf(status))
  }

  putTask(id: TaskId, status: Status): Promise<void> {
    return this.#write(`status-task-${nameOfTask(id)}`, bodyOf(status))
  }

  putTopic(connector: string, { topic, task, discoveredMs }: ActiveTopic): Promise<void> {
    const body = { topic: { name: topic, connector, task, discoverTimestamp: discoveredMs } }
    return this.#write(`status-topic-${topic}${topicSeparator}${connector}`, body)
  }

  async removeTopics(connector: string): Promise<void> {
    for (const { topic } of this.topics(connector)) await this.#write(`status-topic-${topic}${topicSeparator}${connector}`, null)
  }

  async remove(connector: string): Promise<void> {
    for (const { task } of this.tasks(connector)) await this.removeTask({ connector, task })
    await this.#write(`status-connector-${connector}`, null)
  }

  removeTask(id: TaskId): Promise<void> {
    return this.#write(`status-task-${nameOfTask(id)}`, null)
  }
}

export async function openStatusStore(options: StoreOptions & { readonly stated?: Stated }): Promise<StatusStore> {
  let topic: TopicTable
  const write: Write = async (key, value) => void (await topic.write(Buffer.from(key), encode(value)))
  const table = new StatusTable(write, options.stated)
  topic = await openTopicTable({
    ...options,
    apply: ({ key, value }) => {
      if (key !== null) table.apply(key.toString('utf8'), value)
    },
  })
  return Object.assign(table, { catchUp: () => topic.catchUp(), close: () => topic.close() })
}

/** For one worker alone: nothing is kept. */
export function memoryStatusStore(): StatusStore {
  const table: StatusTable = new StatusTable(async (key, value) => table.apply(key, encode(value)))
  return Object.assign(table, { catchUp: async () => {}, close: async () => {} })
}

const topicSeparator = ':connector-'
const mostTraceCharacters = 16_384

function bodyOf({ state, trace, workerId, generation, version, history }: Status): object {
  return {
    state,
    trace: trace === null ? null : trace.slice(0, mostTraceCharacters),
    worker_id: workerId,
    generation,
    ...(version === null ? {} : { version }),
    ...(history.length === 0 ? {} : { history }),
  }
}

function statusIn(body: Record<string, unknown>): Status {
  const { state, trace, worker_id: workerId, generation, version, history } = body
  if (typeof state !== 'string' || typeof workerId !== 'string') throw new TypeError('not a status')
  return {
    state: state as RunState,
    trace: typeof trace === 'string' ? trace : null,
    workerId,
    generation: Number(generation),
    version: typeof version === 'string' ? version : null,
    history: Array.isArray(history) ? (history as Failure[]) : [],
  }
}
