/**
 * A route of the console's API: method, path, schemas and handler in one value. The server registers it, and the application derives its types from
 * it, so that nothing is described twice.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import type { Int64 } from '../base.ts'
import { type HttpApp, HttpError } from '../http.ts'
import type { ServiceContext } from '../service.ts'
import type { Identity } from '../sessions.ts'
import type { Caller } from './caller.ts'
import type { Listed } from './catalogue.ts'
import type { Door } from './door.ts'
import { toHttpError } from './problem.ts'
import { Shared } from './shared.ts'
import type { File, Send } from './streams.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Asked<P extends TSchema, Q extends TSchema, B extends TSchema> extends Caller {
  readonly params: Static<P>
  readonly query: Static<Q>
  readonly body: Static<B>
}

/** Asked by anybody, before a login. */
export interface Visited<P extends TSchema, Q extends TSchema, B extends TSchema> {
  readonly params: Static<P>
  readonly query: Static<Q>
  readonly body: Static<B>
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly door: Door
}

export interface Route<
  M extends Method = Method,
  Path extends string = string,
  P extends TSchema = TSchema,
  Q extends TSchema = TSchema,
  B extends TSchema = TSchema,
  R extends TSchema = TSchema,
> {
  readonly method: M
  readonly path: Path
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Of a stream: of each event. */
  readonly response: R
  readonly handle?: (asked: Asked<P, Q, B>) => Promise<Static<R>>
  readonly visit?: (asked: Visited<P, Q, B>) => Promise<Static<R>>
  readonly stream?: (asked: Asked<P, Q, B>, send: Send<Static<R>>, signal: AbortSignal) => Promise<void>
  /** Of a change: the lists that show it. They are loaded anew after it, also if it has failed, because a part of it may be done. */
  readonly changes?: readonly Listed[]
  /** Of a change, for the audit log, besides its path: names, no secrets. null: nothing was changed. */
  readonly audit?: (asked: Asked<P, Q, B>) => object | null
  /** A file to be saved; the response is not described. */
  readonly download?: (asked: Asked<P, Q, B>, file: File, signal: AbortSignal) => Promise<void>
}

const nothing = Type.Object({})
type Nothing = typeof nothing

/** Whoever adds a change has to say what shows it. */
type Changes<M extends Method> = M extends 'GET' ? { readonly changes?: never } : { readonly changes: readonly Listed[] }

/** What a route leaves out has no parameters. */
export function route<
  const M extends Method,
  const Path extends string,
  R extends TSchema,
  P extends TSchema = Nothing,
  Q extends TSchema = Nothing,
  B extends TSchema = Nothing,
>(
  spec: Partial<Pick<Route<M, Path, P, Q, B, R>, 'params' | 'query' | 'body'>> &
    Omit<Route<M, Path, P, Q, B, R>, 'params' | 'query' | 'body' | 'changes'> &
    Changes<M>,
): Route<M, Path, P, Q, B, R> {
  return { params: nothing as unknown as P, query: nothing as unknown as Q, body: nothing as unknown as B, ...spec }
}

/** An int64: as digits, because a number would lose some. */
export const Digits = () => Type.String({ pattern: '^-?\\d{1,19}$' })
/** null: not known. */
export const MaybeDigits = Type.Union([Digits(), Type.Null()])
export const digitsOf = (value: Int64 | null | undefined) => (value === null || value === undefined ? null : String(value))
export const MaybeText = Type.Union([Type.String(), Type.Null()])
export const MaybeNumber = Type.Union([Type.Number(), Type.Null()])

const longestTopicName = 249
export const TopicName = Type.String({ minLength: 1, maxLength: longestTopicName })
export const OfTopic = Type.Object({ topic: TopicName })
export const OfGroup = Type.Object({ group: Type.String({ minLength: 1, maxLength: 1_000 }) })
export const TopicSearch = Type.Optional(Type.String({ maxLength: longestTopicName }))

/** Of a list that is narrowed by name and answered by page. */
export const listQuery = (mostRows: number) => ({
  search: Type.Optional(Type.String({ maxLength: 1_000 })),
  from: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostRows })),
})

/** Registers the routes below `/api`. What is returned is to be closed before the app. */
export function registerRoutes(app: HttpApp, routes: readonly Route[], context: ServiceContext, door: Door): Shared {
  const shared = new Shared(context)
  const { streams } = shared
  for (const each of routes) {
    const { method, path, params, query, body, handle, visit, stream, download } = each
    const schema = { params, querystring: query, ...(method === 'GET' || method === 'DELETE' ? {} : { body }) }
    const handler = async (request: FastifyRequest, reply: FastifyReply) => {
      const input = { params: request.params, query: request.query, body: request.body }
      if (visit !== undefined) return visit({ ...input, request, reply, door })
      const identity = await door.identify(request)
      const asked = { ...callerOf(identity, shared), ...input }
      if (handle !== undefined) return method === 'GET' ? handle(asked) : audited(each, asked, context)
      const release = door.sessions.hold(identity)
      try {
        if (stream !== undefined)
          return await streams.run(identity.principal, reply, (send, signal) => stream(asked, send as Send<unknown>, signal))
        return await streams.save(identity.principal, reply, (file, signal) => download!(asked, file, signal))
      } finally {
        release()
      }
    }
    app.route({ method, url: `/api${path}`, schema, handler: (request, reply) => handler(request, reply).catch(refuse) })
  }
  app.all('/api/*', request => {
    throw new HttpError(404, 404, `There is no ${request.method} ${request.url.split('?', 1)[0]}`)
  })
  return shared
}

/** Who changed what, and whether it was allowed. Whoever has changed something sees it. */
async function audited(
  { handle, audit, changes = [], method, path }: Route,
  asked: Asked<TSchema, TSchema, TSchema>,
  { logger }: ServiceContext,
) {
  const details = audit === undefined ? {} : audit(asked)
  const tell = (outcome: string) => {
    const { principal, params, query } = asked
    if (details !== null)
      logger.info({ principal, action: `${method} ${path}`, ...Object(params), ...Object(query), ...details, outcome }, 'audit: console')
  }
  try {
    const answer = await handle!(asked)
    tell('done')
    return answer
  } catch (error) {
    tell((error as Error).message)
    throw error
  } finally {
    if (details !== null) asked.catalogue.forget(changes)
  }
}

function callerOf(identity: Identity, shared: Shared): Caller {
  const { sessions, settings, system } = shared.context
  const client = sessions.clientOf(identity)
  const authorization = sessions.authorizationOf(identity)
  return {
    principal: identity.principal,
    needsLogin: sessions.needsLogin,
    client,
    bootstrap: settings.bootstrap,
    clock: system.clock,
    catalogue: shared.catalogueOf(identity, client),
    registry: shared.registryOf(identity, authorization),
    worker: shared.workerOf(identity, authorization, client),
    triggers: shared.triggersOf(identity, authorization),
    shared,
  }
}

function refuse(error: unknown): never {
  throw toHttpError(error)
}
