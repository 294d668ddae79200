/** What all routes share: the application, and how a request is sent to another worker. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { pause, type System } from '../../base.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import { badRequest, Elsewhere, lostWay, noLeader } from '../herder/errors.ts'
import type { Herder } from '../herder/herder.ts'
import { bodyOf, relay, urlOf } from '../herder/relay.ts'
import { clockToFollow, forwardedHeader, signForwarded } from '../herder/signatures.ts'
import type { Levels } from '../levels.ts'
import type { TaskId } from '../names.ts'
import type { Plugins } from '../plugins.ts'
import type { SessionKey } from '../stores/config-state.ts'
import type { WorkerConfig } from '../worker-config.ts'

export interface Api {
  readonly app: HttpApp
  readonly herder: Herder
  readonly plugins: Plugins
  readonly levels: Levels
  readonly worker: WorkerConfig
  readonly system: System
  /** Of the group; null while it is not known. */
  sessionKey(): SessionKey | null
  clusterId(): Promise<string>
}

/** What parameters and queries have. Whatever else a query has is ignored, as by Kafka Connect. */
export const params = {
  connector: Type.Object({ connector: Type.String() }),
  task: Type.Object({ connector: Type.String(), task: Type.String() }),
  plugin: Type.Object({ plugin: Type.String() }),
  logger: Type.Object({ logger: Type.String() }),
}

/** Throws HttpError 404: Kafka Connect's paths have a number there. */
export function taskIn({ connector, task }: { connector: string; task: string }): TaskId {
  if (!/^\d{1,9}$/.test(task)) throw new HttpError(404, 404, 'HTTP 404 Not Found')
  return { connector, task: Number(task) }
}

/** Numbers and truth values become texts, as Kafka Connect reads them. */
export const Properties = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.BigInt(), Type.Null()]))

export function textsOf(body: Readonly<Record<string, unknown>>): Record<string, string | null> {
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, value === null ? null : String(value)]))
}

/** Of a configuration, of offsets, of levels: a schema would go through all of them before it says so. */
const mostEntries = 1_000

/** Throws HttpError 400. */
export function refuseMany(body: unknown): void {
  const isMany = (value: unknown) => typeof value === 'object' && value !== null && countUpTo(value, mostEntries + 1) > mostEntries
  if (isMany(body)) throw badRequest(`The body has more than ${mostEntries} entries`)
  if (typeof body !== 'object' || body === null) return
  for (const [name, value] of Object.entries(body)) if (isMany(value)) throw badRequest(`"${name}" has more than ${mostEntries} entries`)
}

function countUpTo(value: object, most: number): number {
  if (Array.isArray(value)) return value.length
  let count = 0
  for (const _ in value) if (++count >= most) break
  return count
}

/** `forward=false`: it has come a long way, and must not be sent on. */
type Forward = 'first' | 'second' | 'never'

function forwardOf(request: FastifyRequest): Forward {
  const { forward } = request.query as { forward?: string }
  return forward === undefined ? 'first' : forward === 'true' ? 'second' : 'never'
}

/** How long a worker that is away is taken for the one that has to do it: until its session has ended, and others have divided what it had. */
const patienceMs = 15_000
const pauseMs = 250

/** What `work` gives, or what the worker answers that has to do it. While that one cannot be reached, it is asked anew who has to. */
export async function here<T>(api: Api, request: FastifyRequest, reply: FastifyReply, work: () => Promise<T>): Promise<unknown> {
  const { clock } = api.system
  const untilMs = clock.monotonic() + patienceMs
  for (;;)
    try {
      return await hereOnce(api, request, reply, work)
    } catch (error) {
      if (!(error instanceof Away)) throw error
      const { message } = error.cause as Error
      if (clock.monotonic() > untilMs)
        throw new HttpError(500, 500, `IO Error trying to forward REST request: ${message}`, { cause: error })
      await pause(api.system, pauseMs)
    }
}

async function hereOnce<T>(api: Api, request: FastifyRequest, reply: FastifyReply, work: () => Promise<T>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Elsewhere)) throw error
    const forward = forwardOf(request)
    if (forward === 'never') throw lostWay()
    if (error.url === null) throw noLeader()
    return sendOn(api, request, reply, error.url, forward === 'first')
  }
}

/** The worker has ended, and the request may be sent to the next one. */
class Away extends Error {}

/** Nothing listens there: the request was not sent. */
const unconnected: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENOTFOUND'])
/** It has ended meanwhile, and nobody knows whether it has done it. */
const broken: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE'])
/** What may be done twice. Nobody but who asks can tell whether a connector that is there was made by this request, or by an earlier one. */
const isRepeatable = (method: string, path: string) => method === 'GET' || method === 'PUT' || path.endsWith('/restart')

async function sendOn(
  { system, sessionKey }: Api,
  request: FastifyRequest,
  reply: FastifyReply,
  worker: string,
  again: boolean,
): Promise<unknown> {
  const [path, query = ''] = request.raw.url!.split('?', 2)
  const asked = new URLSearchParams(query)
  asked.set('forward', String(again))
  const key = sessionKey()
  const sent = { url: urlOf(worker, `${path}?${asked}`), method: request.method, body: bodyOf(request) }
  const relayed = (nowMs: number) => {
    const headers = key === null ? {} : { [forwardedHeader]: signForwarded(key, sent, nowMs) }
    return relay({ ...sent, headers }, system).catch((error: Error & { code?: string }) => {
      const isAway = unconnected.has(error.code) || (broken.has(error.code) && isRepeatable(sent.method, path!))
      if (isAway) throw new Away('the worker is away', { cause: error })
      throw new HttpError(500, 500, `IO Error trying to forward REST request: ${error.message}`, { cause: error })
    })
  }
  const answer = await relayed(system.clock.now())
  const theirMs = clockToFollow(answer.clock, system.clock.now())
  const { status, location, text } = theirMs === null ? answer : await relayed(theirMs)
  reply.code(status)
  if (location !== undefined) reply.header('location', location)
  if (text === '') return reply.send()
  return reply.header('content-type', 'application/json').serializer(String).send(text)
}
