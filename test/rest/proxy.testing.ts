/** A REST proxy over an embedded broker, and short ways to ask it. */
import { realSystem } from '../../src/base.ts'
import { type Client, openClient, type ReceivedRecord } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import type { ServicesSettings } from '../../src/services.ts'
import { startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'
import { Contract, type OpenApi } from './openapi.testing.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
  readonly body: any
}

export interface RestProxy extends AsyncDisposable {
  readonly url: string
  /** Of the schema registry beside it, if there is one. */
  readonly registry: string
  /** `/v3/clusters/…` */
  readonly cluster: string
  readonly client: Client
  readonly document: OpenApi
  /** Each answer is held against the OpenAPI document. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** What the topic holds, once there are so many records. */
  stored(topic: string, count: number): Promise<ReceivedRecord[]>
}

/** What goes wrong is seen in the output of the test. */
const logger = { ...silentLogger, error: (details: object, message: string) => console.error(message, details) }

export async function startProxy(config: Record<string, string> = {}, changes: Partial<ServicesSettings> = {}): Promise<RestProxy> {
  const broker = await startBroker({ memory: true, config })
  const proxy = await proxyOver(broker.address, openClient({ bootstrap: broker.address }), changes)
  return {
    ...proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await broker.close()
    },
  }
}

/** `client`: closed with the proxy. `headers`: with which the document may be read. */
export async function proxyOver(
  bootstrap: string,
  client: Client,
  changes: Partial<ServicesSettings> = {},
  headers: Record<string, string> = {},
): Promise<RestProxy> {
  const services = await startServices(settingsFor(bootstrap, { services: ['rest'], ...changes }), realSystem(), logger)
  const url = `http://127.0.0.1:${services.ports.get('rest')}`
  const { id } = await client.cluster()
  const document = (await (await fetch(`${url}/openapi.json`, { headers })).json()) as OpenApi
  const contract = new Contract(document)
  return {
    url,
    registry: `http://127.0.0.1:${services.ports.get('registry')}`,
    cluster: `/v3/clusters/${id}`,
    client,
    document,
    async ask(method, path, body, own = {}) {
      const response = await fetch(url + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...own },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      contract.check({ method, path, status: response.status, contentType: response.headers.get('content-type'), text })
      return { status: response.status, headers: response.headers, text, body: parsed(text) }
    },
    async stored(topic, count) {
      const found: ReceivedRecord[] = []
      const { partitions } = (await client.topics([topic]))[0]!
      const from = new Map(partitions.map(each => [each.partition, 0n]))
      for await (const records of client.read({ topic, from, until: null })) {
        found.push(...records)
        if (found.length >= count) break
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await services.close()
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
