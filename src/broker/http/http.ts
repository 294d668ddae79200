/** The broker's small HTTP endpoint for people and machines that watch it: `/health/live`, `/health/ready`, `/metrics`. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Broker } from '../dispatch/context.ts'
import { CannotListen } from '../start/cannot-listen.ts'
import { type Exposition, exposition } from './exposition.ts'

export interface HttpOptions {
  host: string
  port: number
  /** null when the broker serves clients, else why not. */
  ready(): string | null
}

export interface HttpEndpoint {
  readonly port: number
  /** Listening no longer keeps the process alive. */
  unref(): void
  close(): Promise<void>
}

/** Scrapers and probes are few; more is a mistake or an attack. */
const maxConnections = 64
const headersTimeoutMs = 5_000
const requestTimeoutMs = 10_000
const maxHeaderSize = 8_192

export async function startHttp(broker: Broker, options: HttpOptions): Promise<HttpEndpoint> {
  const metrics = exposition(broker)
  const server = createServer(
    { maxHeaderSize, headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs },
    (request, response) => {
      serve(request, response, options, metrics).catch(error => {
        // Not worth more when the scraper went away; a broken page must be seen, though.
        if (!response.destroyed) broker.logger.error({ err: error }, 'the HTTP endpoint failed')
        response.destroy()
      })
    },
  )
  server.maxConnections = maxConnections
  try {
    await listen(server, options)
  } catch (error) {
    metrics.close()
    throw error
  }
  return {
    port: (server.address() as AddressInfo).port,
    unref: () => void server.unref(),
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
      metrics.close()
    },
  }
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error => reject(new CannotListen('http.listen', { host, port }, error)))
    server.listen(port, host, resolve)
  })
}

async function serve(request: IncomingMessage, response: ServerResponse, options: HttpOptions, metrics: Exposition): Promise<void> {
  // Nobody sends a body here; one that comes is dropped with the connection.
  response.setHeader('cache-control', 'no-store')
  const path = request.url?.split('?', 1)[0]
  if (path !== '/metrics' && path !== '/health/live' && path !== '/health/ready') {
    return answer(response, 404, { error: `not found; there are /metrics, /health/live and /health/ready` })
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return answer(response, 405, { error: 'GET only' })
  }
  if (path === '/health/live') return answer(response, 200, { live: true })
  if (path === '/health/ready') {
    const reason = options.ready()
    return answer(response, reason === null ? 200 : 503, reason === null ? { ready: true } : { ready: false, reason })
  }
  response.setHeader('content-type', metrics.contentType)
  if (request.method === 'HEAD') response.end()
  else await pipeline(Readable.from(metrics.render()), response)
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(status >= 400 ? { connection: 'close' } : {}) })
  response.end(`${JSON.stringify(body)}\n`)
}
