/** A service of triggers over an embedded broker, and short ways to ask it. */
import { realSystem } from '../../src/base.ts'
import { type Client, openClient, type ReceivedRecord } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { type ServicesSettings, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'

export interface Triggers extends AsyncDisposable {
  readonly url: string
  readonly client: Client
  /** The status and the parsed body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<{ status: number; body: any }>
  /** Creates it, and waits until it reads. */
  create(name: string, definition: object): Promise<void>
  /** What the topic holds, once there are so many records. */
  stored(topic: string, count: number): Promise<ReceivedRecord[]>
  texts(topic: string, count: number): Promise<(string | null)[]>
  /** Another worker of the same broker. */
  another(): Promise<AsyncDisposable>
  readonly bootstrap: string
}

/** What goes wrong is seen in the output of the test. */
const logger = { ...silentLogger, error: (details: object, message: string) => console.error(message, details) }

export async function startTriggers(changes: Partial<ServicesSettings> = {}): Promise<Triggers> {
  const broker = await startBroker({ memory: true, config: { 'group.initial.rebalance.delay.ms': '0' } })
  const bootstrap = broker.address
  const client = openClient({ bootstrap })
  const start = () => startServices(settingsFor(bootstrap, { services: ['triggers'], ...changes }), realSystem(), logger)
  const services = await start()
  const url = `http://127.0.0.1:${services.ports.get('triggers')}`
  const ask: Triggers['ask'] = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      body: text === '' || !/json/.test(response.headers.get('content-type') ?? '') ? text : JSON.parse(text),
    }
  }
  const stored: Triggers['stored'] = async (topic, count) => {
    const found: ReceivedRecord[] = []
    const { partitions } = (await client.topics([topic]))[0]!
    const from = new Map(partitions.map(each => [each.partition, 0n]))
    for await (const records of client.read({ topic, from, until: null, committedOnly: true })) {
      found.push(...records)
      if (found.length >= count) break
    }
    return found
  }
  return {
    url,
    client,
    bootstrap,
    ask,
    stored,
    texts: async (topic, count) => (await stored(topic, count)).map(({ value }) => value?.toString() ?? null),
    async create(name, definition) {
      const { status, body } = await ask('POST', '/triggers', { name, ...definition })
      if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`)
      await until(async () => {
        const { status: now } = (await ask('GET', `/triggers/${name}`)).body
        return now.state === 'RUNNING' && now.partitions.length > 0
      })
    },
    async another() {
      const more = await start()
      return { [Symbol.asyncDispose]: () => more.close() }
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await services.close()
      await broker.close()
    },
  }
}

/** Of 20 ms each. */
const mostTries = 1_500

export async function until(isDone: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    if (await isDone()) return
    await new Promise<void>(resolve => void realSystem().timers.after(20, resolve))
  }
  throw new Error('it has not come about')
}
