/** The broker's small HTTP endpoint for people and machines that watch it: `/health/live`, `/health/ready`, `/metrics`. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Broker } from './context.ts'

export interface HttpOptions {
  host: string
  port: number
  /** null when the broker serves clients, else why not. */
  ready(): string | null
}

export interface HttpEndpoint {
  readonly port: number
  close(): Promise<void>
}

export async function startHttp(_broker: Broker, options: HttpOptions): Promise<HttpEndpoint> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, { error: 'GET only' })
    if (path === '/health/live') return answer(response, 200, { live: true })
    if (path !== '/health/ready') return answer(response, 404, { error: 'not found' })
    const reason = options.ready()
    return answer(response, reason === null ? 200 : 503, reason === null ? { ready: true } : { ready: false, reason })
  })
  server.headersTimeout = 5_000
  server.requestTimeout = 10_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => resolve())
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
