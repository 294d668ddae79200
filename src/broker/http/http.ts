/**
 * The broker's small HTTP endpoint for monitoring: `/health/live`, `/health/ready`, `/metrics`.
 *
 * A probe must always be able to connect, or the broker is restarted for nothing: connections that send no request, or read no response,
 * are closed in favor of new ones. Scrapers share pages (`pages.ts`), and sending them takes turns with other work (`base/turns.ts`).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { drained, type Timers, type Turns } from '../../base.ts'
import type { Logger } from '../../logger.ts'
import { CannotListen } from '../start/cannot-listen.ts'
import type { Exposition } from './exposition.ts'
import { Pages } from './pages.ts'

export interface HttpOptions {
  host: string
  port: number
  logger: Pick<Logger, 'error' | 'debug'>
  timers: Timers
  turns: Turns
}

type NotReady = () => string | null | Promise<string | null>

/** Available before the log is recovered, so that a probe does not mistake a long recovery for a broker that hangs. */
export interface HttpEndpoint {
  readonly port: number
  /** `notReady`: null when the broker serves clients, else why not. Until then it is starting. */
  setReadiness(notReady: NotReady): void
  /** Called when there are metrics to collect. */
  setMetrics(metrics: Exposition): void
  /** Listening no longer keeps the process alive. */
  unref(): void
  /** Harmless when it is closed already. */
  close(): Promise<void>
}

/** There are few scrapers and probes; more connections are a mistake or an attack. */
const mostConnections = 64
const limits = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  /** How often Node looks for requests that are late; by default twice a minute. */
  connectionsCheckingInterval: 1_000,
}
/** Within this time a response must have been read. */
const answerTimeoutMs = 10_000

/** The current answers. */
interface State {
  notReady: NotReady
  metrics: Exposition | null
  /** Written by `metrics`. */
  readonly pages: Pages
  readonly turns: Turns
}

export async function startHttp(options: HttpOptions): Promise<HttpEndpoint> {
  const { logger, timers, turns } = options
  const pages = new Pages(() => state.metrics?.render() ?? noPage())
  const state: State = { notReady: () => 'the broker is starting', metrics: null, pages, turns }
  const busy = new WeakSet<Socket>()
  // `import` would read every property of the module, WebSocket too, for which Node then loads all of its fetch.
  const { createServer } = process.getBuiltinModule('node:http')
  const server = createServer(limits, (request, response) => {
    const { socket } = request
    // Otherwise a client that does not wait for responses could have thousands of requests pending.
    if (busy.has(socket)) return void socket.destroy()
    busy.add(socket)
    const timer = timers.after(answerTimeoutMs, () => void response.destroy())
    response.once('close', () => {
      busy.delete(socket)
      timer.cancel()
    })
    serve(request, response, state).catch(error => {
      // No error if the scraper has gone away; a page that cannot be made must be reported, though.
      if (!response.destroyed) logger.error({ err: error }, 'the HTTP endpoint failed')
      response.destroy()
    })
  })
  // Else Node ends the connection of a client that sends no more, in the middle of a response that is sent in pieces.
  Object.assign(server, { httpAllowHalfOpen: true })
  keepFew(server)
  await listen(server, options)
  // Without file descriptors no client can connect, and each attempt ends here.
  server.on('error', error => logger.debug({ err: error }, 'a connection to the HTTP endpoint was not accepted'))
  return {
    port: (server.address() as AddressInfo).port,
    setReadiness(notReady) {
      state.notReady = notReady
    },
    setMetrics(metrics) {
      state.metrics = metrics
    },
    unref: () => void server.unref(),
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
      state.metrics?.close()
      state.metrics = null
    },
  }
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(new CannotListen('http.listen', { host, port }, error))
    server.once('error', failed)
    server.listen(port, host, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

/** Above {@link mostConnections}, the oldest connection is closed, and not the new one, which may be a probe. */
function keepFew(server: Server): void {
  const open = new Set<Socket>()
  server.on('connection', socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    const [oldest] = open
    if (open.size <= mostConnections || oldest === undefined) return
    open.delete(oldest)
    oldest.destroy()
  })
}

async function* noPage(): AsyncGenerator<string, void> {}

async function serve(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const { notReady, metrics } = state
  // Requests have no body here; if one comes, it is dropped with the connection.
  response.setHeader('cache-control', 'no-store')
  const path = request.url?.split('?', 1)[0]
  if (path !== '/metrics' && path !== '/health/live' && path !== '/health/ready') {
    return answer(response, 404, { error: `not found; available: /metrics, /health/live, /health/ready` })
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return answer(response, 405, { error: 'GET only' })
  }
  if (path === '/health/live') return answer(response, 200, { live: true })
  if (path === '/health/ready') {
    const reason = await notReady()
    return answer(response, reason === null ? 200 : 503, reason === null ? { ready: true } : { ready: false, reason })
  }
  if (metrics === null) return answer(response, 503, { error: await notReady() })
  response.setHeader('content-type', metrics.contentType)
  if (request.method === 'HEAD') response.end()
  else await state.pages.lend(pieces => send(response, pieces, state.turns))
}

/** A hundred scrapers may wait for the same page. They take turns to send it, even if their sockets would take all of it at once. */
async function send(response: ServerResponse, pieces: readonly Buffer[], turns: Turns): Promise<void> {
  response.setHeader(
    'content-length',
    pieces.reduce((sum, { length }) => sum + length, 0),
  )
  for (const piece of pieces) {
    if (turns.over) await turns.next()
    if (response.destroyed) return
    if (!response.write(piece)) await drained(response)
  }
  response.end()
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(status >= 400 ? { connection: 'close' } : {}) })
  response.end(`${JSON.stringify(body)}\n`)
}
