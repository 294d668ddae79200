/** A console with a worker of Kafka Connect and triggers beside it, over an embedded broker. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realSystem, type System } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { type ServicesSettings, startServices } from '../../src/services.ts'
import { quickGroup } from '../connect/workers.ts'
import { settingsFor } from '../services/settings.ts'

/** What has failed stays so. */
const worker = {
  ...quickGroup,
  'restart.backoff.initial.ms': '600000',
  'restart.backoff.max.ms': '600000',
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
  readonly body: any
}

export interface Hub extends AsyncDisposable {
  readonly client: Client
  /** Of the console. */
  readonly base: string
  /** For files of connectors. */
  readonly directory: string
  /** Of the console's API. */
  ask(method: string, path: string, body?: unknown): Promise<Answer>
}

/** What goes wrong is seen in the output of the test. */
const logger = { ...silentLogger, error: (details: object, message: string) => console.error(message, details) }

export async function startHub(changes: Partial<ServicesSettings> = {}, system: System = realSystem()): Promise<Hub> {
  const broker = await startBroker({ memory: true, config: { 'group.initial.rebalance.delay.ms': '0' } })
  const client = openClient({ bootstrap: broker.address })
  const connect = { properties: worker, advertisedUrl: null, url: null, userInfo: null }
  const settings = settingsFor(broker.address, { services: ['console', 'connect', 'triggers'], connect, ...changes })
  const services = await startServices(settings, system, logger)
  const directory = mkdtempSync(join(tmpdir(), 'hub-'))
  const base = `http://127.0.0.1:${services.ports.get('console')}`
  return {
    ...{ client, base, directory },
    async ask(method, path, body) {
      const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      const response = await fetch(`${base}/api${path}`, { method, ...init })
      return { status: response.status, body: await response.json() }
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await services.close()
      await broker.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
