/** A registry over a broker in memory, for tests: requests as clients send them. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, type ServicesSettings, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
  body: any
  type: string | null
}

export interface TestRegistry extends AsyncDisposable {
  url: string
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

export async function startRegistry(bootstrap: string, changes: Partial<ServicesSettings> = {}): Promise<TestRegistry> {
  const services: RunningServices = await startServices(settingsFor(bootstrap, changes), realSystem(), silentLogger)
  const url = `http://127.0.0.1:${services.ports.get('registry')}`
  return {
    url,
    async ask(method, path, body, headers = {}) {
      const response = await fetch(url + path, {
        method,
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? null : parsed(text), type: response.headers.get('content-type') }
    },
    [Symbol.asyncDispose]: () => services.close(),
  }
}

/** One broker with a registry for all tests of a file. */
export function sharedRegistry() {
  let broker: Millrace
  let registry: TestRegistry
  before(async () => {
    broker = await startBroker({ memory: true })
    registry = await startRegistry(broker.address)
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
    await broker?.[Symbol.asyncDispose]()
  })
  const ask: TestRegistry['ask'] = (...asked) => registry.ask(...asked)
  return {
    ask,
    get broker() {
      return broker
    },
    get url() {
      return registry.url
    },
    async codeOf(method: string, path: string, body?: unknown) {
      const { status, body: answer } = await ask(method, path, body)
      return [status, answer.error_code]
    },
    async ok(method: string, path: string, body?: unknown) {
      const answer = await ask(method, path, body)
      assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`)
      return answer.body
    },
  }
}

/** An Avro schema in the body of a request. */
export const record = (...fields: object[]) => ({ schema: JSON.stringify({ type: 'record', name: 'R', fields }) })

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
