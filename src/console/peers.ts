/**
 * The services that run connectors and functions, asked over their own APIs. One in the same process is asked as the person who uses the console, and decides
 * for itself. Workers of Kafka Connect in another process know nothing of that person, so it is here that the person's rights are asked for.
 */
import type { System } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import { HttpError } from '../http.ts'
import { type JsonHttp, NoAnswer, openJsonHttp } from '../json-http.ts'
import type { RegistryReached } from '../service.ts'

export interface Peer {
  /** The parsed answer; null: it has none. Throws HttpError with what the service says. */
  ask(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<unknown>
  close(): void
}

/** Workers wait for each other while connectors move, up to 90 s. */
const timeoutMs = 95_000
/** Of one identity: several pages may be open, and some requests wait. */
const mostSockets = 32

/** `named`: as in messages. Throws BadAddress. */
export function openPeer(reached: RegistryReached, named: string, system: Pick<System, 'timers'>): Peer {
  const { url, authorization, isOwn } = reached
  const http = openJsonHttp({ url, authorization, isOwn, named, mediaType: 'application/json', timeoutMs, mostSockets }, system)
  return { ask: (method, path, ...rest) => asked(http, named, method, path, ...rest), close: http.close }
}

async function asked(http: JsonHttp, named: string, method: string, path: string, ...rest: [body?: unknown, timeoutMs?: number]) {
  const { status, answer } = await http.ask(method, path, ...rest).catch((error: unknown) => {
    throw error instanceof NoAnswer ? new HttpError(503, 503, error.message, { cause: error }) : error
  })
  if (status >= 200 && status < 300) return answer
  throw refusalOf(status, answer, `${named} answered ${method} ${path.split('?', 1)[0]} with HTTP ${status}`)
}

/** Kafka Connect says `message`, problem documents `detail` and Kafka's name of the error. */
function refusalOf(status: number, answer: unknown, otherwise: string): HttpError {
  const { message, detail, error } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>
  const text = typeof message === 'string' ? message : typeof detail === 'string' ? detail : otherwise
  // Another login that it wants is no reason to ask for one here; what it cannot do is not what the console cannot do.
  const told = status === 401 ? 403 : status === 500 || status < 400 ? 502 : status
  return new HttpError(told, told, text, typeof error === 'string' ? { cause: new ClientError(error, text) } : {})
}

/** With the rights of whom `client` belongs to, as the worker of the same process asks for them. */
export function guarded(peer: Peer, client: Client): Peer {
  return {
    async ask(method, path, ...rest) {
      const needed = method === 'GET' ? 'DESCRIBE' : 'ALTER'
      const rights = await client.clusterRights()
      if (!rights.has(needed) && !rights.has('ALL')) throw new HttpError(403, 403, `This needs the operation ${needed} on the cluster`)
      return peer.ask(method, path, ...rest)
    },
    close: peer.close,
  }
}
