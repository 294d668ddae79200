/** What a worker of Kafka Connect answers, read with care: it may be one of Java, which knows less. */
import { HttpError } from '../../http.ts'
import type { Peer } from '../peers.ts'

export interface Failure {
  readonly atMs: number
  readonly reason: string
  /** After so long it is started again; null: not by itself. */
  readonly retryMs: number | null
}

/** A connector, or one of its tasks. */
export interface Part {
  /** Kafka Connect's name of the state. */
  readonly state: string
  readonly worker: string
  /** Why it has failed. */
  readonly trace: string | null
  /** The newest, oldest first; a worker of Java does not keep them. */
  readonly failures: readonly Failure[]
}

export interface Connector {
  readonly name: string
  readonly kind: 'sink' | 'source' | 'unknown'
  /** Passwords are hidden. */
  readonly config: Readonly<Record<string, string>>
  readonly connector: Part
  readonly tasks: readonly (Part & { readonly task: number })[]
}

/** Throws HttpError 404. */
export function required(worker: Peer | null): Peer {
  if (worker !== null) return worker
  throw new HttpError(
    404,
    404,
    'No worker of Kafka Connect is known. Run one beside the console with services=console,connect, or name one with connect.url',
  )
}

export const pathOf = (name: string, rest = '') => `/connectors/${encodeURIComponent(name)}${rest}`

/** All of them, in the order of their names. */
export async function allConnectors(worker: Peer): Promise<Connector[]> {
  const found = recordOf(await worker.ask('GET', '/connectors?expand=status&expand=info&expand=history'))
  return Object.entries(found)
    .map(([name, parts]) => {
      const { status, info, history } = recordOf(parts)
      return connectorOf(name, status, info, history)
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Throws HttpError 404. */
export async function oneConnector(worker: Peer, name: string): Promise<Connector> {
  const [info, status, history] = await Promise.all([
    worker.ask('GET', pathOf(name)),
    // It has none yet, or the worker is one of Java.
    worker.ask('GET', pathOf(name, '/status')).catch(ifMissing),
    worker.ask('GET', pathOf(name, '/history')).catch(ifMissing),
  ])
  return connectorOf(name, status, info, history)
}

export function ifMissing(error: unknown): null {
  if (error instanceof HttpError && error.status === 404) return null
  throw error
}

function connectorOf(name: string, status: unknown, info: unknown, history: unknown): Connector {
  const { connector, tasks, type } = recordOf(status)
  const told = recordOf(history)
  const kind = textOf(recordOf(info)['type'] ?? type)
  const failuresOf = new Map(listOf(told['tasks']).map(each => [Number(recordOf(each)['id']), recordOf(each)['failures']]))
  return {
    name,
    kind: kind === 'sink' || kind === 'source' ? kind : 'unknown',
    config: textsOf(recordOf(info)['config']),
    connector: partOf(connector, told['connector']),
    tasks: listOf(tasks).map(each => {
      const task = Number(recordOf(each)['id'])
      return { task, ...partOf(each, failuresOf.get(task)) }
    }),
  }
}

function partOf(part: unknown, failures: unknown): Part {
  const { state, worker_id: worker, trace } = recordOf(part)
  return {
    state: textOf(state) ?? 'UNASSIGNED',
    worker: textOf(worker) ?? '',
    trace: textOf(trace),
    failures: listOf(failures).map(each => {
      const { atMs, reason, retryMs } = recordOf(each)
      return { atMs: Number(atMs), reason: textOf(reason) ?? '', retryMs: typeof retryMs === 'number' ? retryMs : null }
    }),
  }
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(recordOf(value)).flatMap(([key, each]) => (each === null ? [] : [[key, String(each)]])))
}
