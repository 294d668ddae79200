/** A receiver of webhooks that knows requests by their idempotency key, refuses some for a while, checks signatures, and asks for tokens. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { freePorts } from '../../support/run.ts'
import { Seen } from '../records.ts'
import type { System } from './system.ts'

const secret = 'only-for-tests'

class Receiver {
  readonly seen = new Seen()
  /** Requests that were answered with 2xx, by their key. */
  readonly #known = new Set<string>()
  repeated = 0
  problem = ''
  #requests = 0
  readonly #port: number
  #server: Server | null = null

  constructor(port: number) {
    this.#port = port
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#take(request, response)).listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    const server = this.#server!
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    if (request.url === '/token') {
      response.setHeader('content-type', 'application/json')
      response.end('{"access_token":"good","expires_in":60}')
      return
    }
    this.#requests++
    const status = this.#requests % 10 === 0 ? 503 : request.headers.authorization === 'Bearer good' ? 200 : 401
    if (status === 200) this.#keep(request, body)
    response.statusCode = status
    response.end()
  }

  #keep({ headers }: IncomingMessage, body: Buffer): void {
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    if (headers['x-signature'] !== signature) this.problem = `the signature is ${headers['x-signature']}`
    const key = String(headers['idempotency-key'])
    if (this.#known.has(key)) this.repeated++
    else {
      this.#known.add(key)
      for (const { partition, n } of JSON.parse(body.toString()) as { partition: number; n: number }[]) this.seen.add(partition, n)
    }
  }
}

export const httpSystem: System = {
  name: 'http',
  async run(judge, stage) {
    const port = await freePorts(1)
    const receiver = new Receiver(port)
    await receiver.start()
    try {
      await judge('batches-signed', async () => {
        const told = await stage.drive({
          connector: 'http',
          config: {
            'http.url': `http://127.0.0.1:${port}/events`,
            'http.authorization.type': 'oauth2',
            'oauth2.access.token.url': `http://127.0.0.1:${port}/token`,
            'oauth2.client.id': 'compat',
            'oauth2.client.secret': secret,
            'signature.secret': secret,
            'batching.enabled': 'true',
            'batch.max.size': '500',
            'batch.prefix': '[',
            'batch.separator': ',',
            'batch.suffix': ']',
            'retry.backoff.ms': '20',
          },
          kills: 2,
          async harm() {
            await receiver.stop()
            await receiver.start()
          },
        })
        assert.equal(receiver.problem, '')
        receiver.seen.requireNoneLost()
        return `${told}; ${receiver.repeated} requests came again with the same key`
      })
    } finally {
      await receiver.stop()
    }
  },
}
