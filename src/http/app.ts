/** One server: fastify with Millrace's limits, and with the hooks that apply to all services. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify'
import { parseInTurns, type System, type Timer, type Timers, Turns } from '../base.ts'
import type { Logger } from '../logger.ts'
import { type ErrorBody, HttpError } from './errors.ts'
import { isAllowedHost } from './hosts.ts'
import { refuseOtherMethods } from './methods.ts'
import { refuseOtherOrigins } from './origins.ts'
import { readTls, type TlsFiles, watchTls } from './tls.ts'
import { validatorOf } from './validators.ts'

export type HttpApp = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>

/** What all services have in common; plain data. */
export interface HttpSettings {
  /** Other names than addresses and `localhost`; `*` allows all. */
  readonly allowedHosts: readonly string[]
  /** `https://app.example`, or `*`; none: pages of other origins cannot use the service. */
  readonly corsOrigins: readonly string[]
  readonly mostBodyBytes: number
  readonly mostConnections: number
  /** Of a whole request, from its first byte. */
  readonly requestTimeoutMs: number
  /** Addresses and networks whose `X-Forwarded-*` headers are believed. */
  readonly trustedProxies: readonly string[]
  /** null: plain HTTP. */
  readonly tls: TlsFiles | null
}

export interface HttpOptions {
  /** As in logs: `registry`, `rest`, `console`. */
  readonly name: string
  readonly settings: HttpSettings
  readonly system: Pick<System, 'clock' | 'files' | 'timers'>
  readonly logger: Logger
  /** Media types of JSON bodies besides application/json. */
  readonly jsonTypes: readonly string[]
  /** Of JSON bodies; throws SyntaxError and HttpError. Default: without loss, in turns. */
  readonly parseBody?: (text: string) => unknown
  readonly errorBody: ErrorBody
  /** A request may be a stream, and then takes as long as it takes. */
  readonly streamsIn?: boolean
  /** How long a reader may take nothing of an answer before the connection is closed. Default: two minutes. */
  readonly unreadMs?: number
}

const limits = {
  // Paths with a slash at their end are the same, as in Confluent's servers, whose documentation has such ones.
  routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
  connectionTimeout: 0,
  keepAliveTimeout: 75_000,
  http: { maxHeaderSize: 16_384, headersTimeout: 30_000, connectionsCheckingInterval: 5_000 },
}
/** Where a route has none of its own. The framework would load a compiler of validators and one of serializers, only to leave them unused. */
const compilers = { buildValidator: () => validatorOf, buildSerializer: () => () => JSON.stringify }

/** For what is under way when an application closes. */
const closeWithinMs = 2_500
const closeLookMs = 50

/** Without routes; `listen` opens it. */
export async function openHttpApp(options: HttpOptions): Promise<HttpApp> {
  const { settings, system, logger } = options
  const { tls, mostBodyBytes, mostConnections, requestTimeoutMs, trustedProxies, corsOrigins } = settings
  const common = {
    ...limits,
    bodyLimit: mostBodyBytes,
    requestTimeout: options.streamsIn === true ? 0 : requestTimeoutMs,
    // Of paths that no route gets to see. The type of a request depends on the kind of server, which makes no difference here.
    frameworkErrors: teller(options) as never,
    clientErrorHandler: malformed(options),
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    logger: false,
    schemaController: { compilersFactory: compilers as never },
    exposeHeadRoutes: true,
    forceCloseConnections: 'idle' as const,
  }
  const app = (tls === null
    ? fastify(common)
    : fastify({ ...common, https: { ...readTls(tls, system.files), ...limits.http } })) as unknown as HttpApp
  if (tls !== null) {
    const unwatch = watchTls(tls, system, logger, context => (app.server as unknown as Server).setSecureContext(context))
    app.addHook('onClose', async () => unwatch())
  }
  app.server.maxConnections = mostConnections
  completions.set(app, refuseOtherMethods(app))
  readBodies(app, options)
  answerErrors(app, options)
  if (options.streamsIn === true) limitBodies(app, options)
  boundPipelines(app)
  app.addHook('onSend', (_request, { raw }, _payload, done) => {
    raw.setTimeout(options.unreadMs ?? 120_000)
    done()
  })
  guard(app, options)
  log(app, options)
  closeWhenAnswered(app)
  if (corsOrigins.length > 0) {
    const { default: cors } = await import('@fastify/cors')
    await app.register(cors, { origin: corsOrigins.includes('*') ? true : [...corsOrigins] })
  }
  return app
}

/** What is done when all routes are there. */
const completions = new WeakMap<HttpApp, () => void>()

/** When all routes are there. Resolves to the port. */
export async function listen(app: HttpApp, { host, port }: { host: string; port: number }): Promise<number> {
  completions.get(app)?.()
  await app.listen({ host, port })
  return (app.server.address() as AddressInfo).port
}

/**
 * Requests under way are answered, and each connection closes with its answer. What has none in time is broken off, and also what only waits, because a
 * connection whose answer has begun before could stay for as long as connections may be kept.
 */
export async function closeHttpApp(app: HttpApp, timers: Timers): Promise<void> {
  const { server } = app
  let looking: Timer
  const look = () => {
    server.closeIdleConnections()
    looking = timers.after(closeLookMs, look)
  }
  look()
  const late = timers.after(closeWithinMs, () => server.closeAllConnections())
  try {
    await app.close()
  } finally {
    looking!.cancel()
    late.cancel()
  }
}

function readBodies(app: HttpApp, { jsonTypes, parseBody, system }: HttpOptions): void {
  const turns = new Turns(system)
  const parse = parseBody ?? ((text: string) => parseInTurns(text, turns))
  const refusal = (error: unknown) =>
    error instanceof HttpError ? error : new HttpError(400, 400, `The body is not valid JSON: ${(error as Error).message}`)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', ...jsonTypes], { parseAs: 'string' }, (_, body, done) => {
    if (body === '') return done(null, undefined)
    try {
      const parsed = parse(body as string)
      if (!(parsed instanceof Promise)) return done(null, parsed)
      parsed.then(
        value => done(null, value),
        (error: unknown) => done(refusal(error)),
      )
    } catch (error) {
      done(refusal(error))
    }
  })
}

function teller({ errorBody, logger, name }: HttpOptions) {
  return (error: FastifyError | HttpError, request: FastifyRequest, reply: FastifyReply): void => {
    const told = asHttpError(error)
    if (told.status >= 500)
      logger.error({ service: name, err: error, method: request.method, path: pathOf(request.url) }, 'a service could not answer a request')
    const { contentType, body } = errorBody(told)
    reply.code(told.status).headers(told.headers).header('content-type', contentType).serializer(JSON.stringify).send(body)
  }
}

function answerErrors(app: HttpApp, options: HttpOptions): void {
  const tell = teller(options)
  app.setErrorHandler(tell)
  app.setNotFoundHandler((request, reply) =>
    tell(new HttpError(404, 404, `HTTP 404 Not Found: ${request.method} ${pathOf(request.url)}`), request, reply),
  )
}

const malformedStatuses: Readonly<Record<string, [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/** What is no HTTP has no request and no reply: the answer is written as it is. */
function malformed({ errorBody }: HttpOptions) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    const [status, words] = malformedStatuses[error.code ?? ''] ?? [400, 'Bad Request']
    const { contentType, body } = errorBody(new HttpError(status, status, `HTTP ${status} ${words}`))
    const text = JSON.stringify(body)
    const head = `HTTP/1.1 ${status} ${words}\r\nContent-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n`
    if (socket.writable) socket.write(head + text)
    socket.destroy(error)
  }
}

function asHttpError(error: FastifyError | HttpError): HttpError {
  if (error instanceof HttpError) return error
  const status = error.statusCode ?? 500
  if (status >= 500) return new HttpError(500, 500, 'Internal server error', { cause: error })
  return new HttpError(status, status, error.message, { cause: error })
}

/** Without the query, in which a caller may have put anything. */
function pathOf(url: string): string {
  return url.split('?', 1)[0]!
}

/**
 * The time of a request's body, where the server itself has no limit for a whole request, for the sake of streams: these are read by their handlers. It holds
 * for what nobody wants as well, such as the rest of a request that was refused, or a path that is not there.
 */
function limitBodies(app: HttpApp, { system: { timers }, settings: { requestTimeoutMs } }: HttpOptions): void {
  const running = new WeakMap<object, Timer>()
  app.addHook('onRequest', ({ raw }, reply, done) => {
    const late = () => {
      if (raw.complete) return
      if (reply.sent) raw.socket.destroy()
      else raw.socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
    }
    const hasBody = raw.headers['content-length'] !== undefined || raw.headers['transfer-encoding'] !== undefined
    if (hasBody) running.set(raw, timers.after(requestTimeoutMs, late))
    done()
  })
  app.addHook('preValidation', ({ raw }, _reply, done) => {
    running.get(raw)?.cancel()
    done()
  })
  app.addHook('onResponse', ({ raw }, _reply, done) => {
    if (raw.complete) running.get(raw)?.cancel()
    done()
  })
  app.addHook('onRequestAbort', ({ raw }, done) => {
    running.get(raw)?.cancel()
    done()
  })
}

/**
 * Of requests on one connection that are not answered yet. Node reads on while they wait, so a client that sends them one after another without reading
 * answers could fill the memory; no client that means well has so many.
 */
const mostPipelined = 100

function boundPipelines(app: HttpApp): void {
  const waiting = new WeakMap<object, number>()
  const change = (socket: object, by: number) => {
    const count = (waiting.get(socket) ?? 0) + by
    waiting.set(socket, count)
    return count
  }
  app.addHook('onRequest', ({ raw: { socket } }, _reply, done) => {
    if (change(socket, 1) <= mostPipelined) return done()
    socket.destroy()
    done(new HttpError(429, 429, `A connection may have ${mostPipelined} requests without an answer`))
  })
  app.addHook('onResponse', ({ raw: { socket } }, _reply, done) => {
    change(socket, -1)
    done()
  })
}

const safe = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** Hooks that wait for nothing are no promises: each of those would cost a request some microseconds. */
function guard(app: HttpApp, { settings: { allowedHosts, corsOrigins } }: HttpOptions): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { host } = request
    if (!isAllowedHost(host, allowedHosts))
      throw new HttpError(421, 421, `This server does not answer to the name "${host}"; add it to services.allowed.hosts`)
    reply.headers(safe)
    refuseOtherOrigins(request, corsOrigins)
    done()
  })
}

/** A connection whose last request was under way when the server was closed would be kept for the next one, and the server with it. */
function closeWhenAnswered(app: HttpApp): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onResponse', ({ raw }, _reply, done) => {
    if (closing) raw.socket.end()
    done()
  })
}

/** Of each request at `debug`. */
function log(app: HttpApp, { logger, name }: HttpOptions): void {
  app.addHook('onResponse', (request, reply, done) => {
    done()
    if (logger.level !== undefined && logger.level !== 'debug') return
    const { method, url, ip } = request
    logger.debug({ service: name, method, path: pathOf(url), status: reply.statusCode, ms: Math.round(reply.elapsedTime), ip }, 'a request')
  })
}
