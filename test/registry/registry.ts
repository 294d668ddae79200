/** A registry over a broker in memory, for tests: requests as clients send them. */
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
