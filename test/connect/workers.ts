/** Workers over an embedded broker, and short ways to ask them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { realSystem } from '../../src/base.ts'
import { type Client, type ClientProperties, openClient, type ReceivedRecord } from '../../src/client.ts'
import { openWorker, workerConfig } from '../../src/connect.ts'
import { silentLogger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { openActing } from '../../src/sessions.ts'

const plugin = fileURLToPath(new URL('./plugin.ts', import.meta.url))

/** So that tests are. */
export const quickGroup = {
  'heartbeat.interval.ms': '100',
  'session.timeout.ms': '6000',
  'rebalance.timeout.ms': '5000',
  'scheduled.rebalance.max.delay.ms': '0',
  'offset.flush.interval.ms': '50',
  'offset.storage.partitions': '2',
  'status.storage.partitions': '2',
}

/** Java's converters of text are what the connectors of tests take. */
const quick: Readonly<Record<string, string>> = {
  ...quickGroup,
  'group.id': 'connect-cluster',
  'plugin.path': plugin,
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'restart.backoff.initial.ms': '50',
  'restart.backoff.max.ms': '200',
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
  readonly body: any
}

export interface TestWorker {
  readonly url: string
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The status, once it is so. */
  until(connector: string, isSo: (status: Answer['body']) => boolean): Promise<Answer['body']>
  /** Asks again while workers rebalance, and answer 409. */
  insist(method: string, path: string, body?: unknown): Promise<Answer>
  close(): Promise<void>
}

export interface Workers extends AsyncDisposable {
  readonly bootstrap: string
  readonly client: Client
  readonly directory: string
  start(config?: Record<string, string>): Promise<TestWorker>
  /** What the topic holds, once there are so many records that are committed. */
  stored(topic: string, count: number): Promise<ReceivedRecord[]>
}

/** What goes wrong is seen in the output of the test. */
const seen = { ...silentLogger, error: (details: object, message: string) => console.error(message, details) }

export interface WorkersOptions {
  readonly config?: Readonly<Record<string, string>>
  /** Instead of the output of the test: everything that is logged. */
  readonly hear?: (details: object, message: string) => void
  /** The listener of the broker by which workers reach it, and how. */
  readonly login?: { readonly listener: string; readonly properties: ClientProperties }
}

export async function startWorkers({ config: own = {}, login, hear }: WorkersOptions = {}): Promise<Workers> {
  const logger = hear === undefined ? seen : { ...silentLogger, debug: hear, info: hear, warn: hear, error: hear, fatal: hear }
  const broker = await startBroker({ memory: true, config: { 'num.partitions': 2, ...own } })
  const client = openClient({ bootstrap: broker.address })
  const bootstrap = login === undefined ? broker.address : `127.0.0.1:${broker.ports.get(login.listener)}`
  const reached = { bootstrap, properties: login?.properties ?? {} }
  const workersClient = login === undefined ? client : openClient(reached)
  const acting = openActing({ bootstrap, ownProperties: reached.properties, own: workersClient, system: realSystem(), logger })
  const directory = mkdtempSync(join(tmpdir(), 'connect-'))
  const running = new Set<TestWorker>()
  return {
    bootstrap: broker.address,
    client,
    directory,
    async start(config = {}) {
      const properties: Record<string, string> = { ...quick, ...config, 'bootstrap.servers': bootstrap }
      if (properties['group.id'] === '') delete properties['group.id']
      const opened = await openWorker({
        worker: workerConfig(properties),
        ...{ reached, client: workersClient, acting },
        http: {
          ...{ host: '127.0.0.1', port: 0, allowedHosts: [], corsOrigins: [], trustedProxies: [], tls: null },
          ...{ mostBodyBytes: 1_048_576, mostConnections: 100, requestTimeoutMs: 60_000 },
        },
        advertisedUrl: null,
        demand: null,
        registry: () => null,
        system: realSystem(),
        logger,
      })
      const worker = asker(opened.url, () => {
        running.delete(worker)
        return opened.close()
      })
      running.add(worker)
      return worker
    },
    async stored(topic, count) {
      await eventually(async () => (await client.topicNames()).includes(topic))
      const found: ReceivedRecord[] = []
      const { partitions } = (await client.topics([topic]))[0]!
      const from = new Map(partitions.map(each => [each.partition, 0n]))
      for await (const records of client.read({ topic, from, until: null, committedOnly: true, signal: AbortSignal.timeout(120_000) })) {
        found.push(...records)
        if (found.length >= count) return found
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(running, worker => worker.close()))
      acting.close()
      await Promise.all([client.close(), workersClient.close()])
      await broker.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function asker(url: string, close: () => Promise<void>): TestWorker {
  const ask: TestWorker['ask'] = async (method, path, body, own = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...own },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    let parsed: unknown = null
    try {
      parsed = JSON.parse(text)
    } catch {
      // Not every answer has a body.
    }
    return { status: response.status, headers: response.headers, text, body: parsed }
  }
  return {
    url,
    ask,
    async insist(method, path, body) {
      let answer = await ask(method, path, body)
      await eventually(async () => answer.status !== 409 || (answer = await ask(method, path, body)).status !== 409)
      return answer
    },
    async until(connector, isSo) {
      let status: Answer['body'] = null
      await eventually(async () => {
        const answer = await ask('GET', `/connectors/${encodeURIComponent(connector)}/status`)
        status = answer.body
        return answer.status === 200 && isSo(status)
      })
      return status
    },
    close,
  }
}

const attempts = 2_400
const pauseMs = 50

export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (await isSo()) return
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
  throw new Error('it has not become so')
}

/** All tasks of a connector run, and there are so many. */
export const runs = (count: number) => (status: Answer['body']) =>
  status.connector.state === 'RUNNING' &&
  status.tasks.length === count &&
  status.tasks.every((each: { state: string }) => each.state === 'RUNNING')
