/**
 * `npm run bench -- services`: how soon the services beside a broker are ready and what they take, and what they do in a second. There is no other side: each
 * figure stands for itself, with the load of the machine while it was measured. Broker, services and load are processes of their own; a rate is told for the
 * time that passed, and for the time of a processor that the services took, which is what one core would do.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMillrace } from '../compat/support/brokers.ts'
import { repository } from '../compat/support/cache.ts'
import { accepts, freePorts, start, until } from '../compat/support/run.ts'
import { costOf, pause, rssOf } from './measure.ts'

const warmMs = 3_000
const measuredMs = 5_000
const schemas = 1_000

interface Row {
  readonly name: string
  readonly connections: number
  readonly goalPerSecond: number | null
  /** The request with this number. */
  request(at: number): { readonly method: string; readonly path: string; readonly body?: object }
}

const record = (at: number) => ({
  schema: JSON.stringify({
    type: 'record',
    name: `Order${at}`,
    namespace: 'com.example',
    fields: Array.from({ length: 10 }, (_, field) => ({ name: `field${field}`, type: ['null', 'string'], default: null })),
  }),
})

const rows: readonly Row[] = [
  {
    name: 'registry: a schema by its id',
    connections: 32,
    goalPerSecond: 10_000,
    request: at => ({ method: 'GET', path: `/schemas/ids/${1 + (at % schemas)}` }),
  },
  {
    name: 'registry: the latest version of a subject',
    connections: 32,
    goalPerSecond: 10_000,
    request: at => ({ method: 'GET', path: `/subjects/s${at % schemas}-value/versions/latest` }),
  },
  {
    name: 'registry: the id of a schema',
    connections: 32,
    goalPerSecond: null,
    request: at => ({ method: 'POST', path: `/subjects/s${at % schemas}-value`, body: record(at % schemas) }),
  },
  {
    name: 'registry: registrations of new subjects',
    connections: 32,
    goalPerSecond: null,
    request: at => ({ method: 'POST', path: `/subjects/new${at}-value/versions`, body: record(schemas + at) }),
  },
]

/** The exit code. */
export async function benchServices(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-services-'))
  const broker = await startMillrace()
  await measureStart(broker.bootstrap, directory)
  const port = await freePorts(1)
  const flags = ['--bootstrap', broker.bootstrap, '--set', 'services=registry', '--set', `registry.port=${port}`]
  const services = start(process.execPath, [join(repository, 'dist/cli.js'), 'services', ...flags], join(directory, 'log'))
  const ended = once(services, 'exit')
  let missed = 0
  try {
    await until(() => accepts(port), `the registry: see ${directory}/log`)
    await load(port, 8, at => ({ method: 'POST', path: `/subjects/s${at}-value/versions`, body: record(at) }), { requests: schemas })
    let next = 0
    for (const { name, connections, goalPerSecond, request } of rows) {
      const numbered = () => request(next++)
      await load(port, connections, numbered, { ms: warmMs })
      const { result, cost } = await costOf(services.pid!, () => load(port, connections, numbered, { ms: measuredMs }))
      const { requests, perSecond, p99Ms } = result
      const perCore = requests / cost.cpuSeconds
      const goal = goalPerSecond === null ? '' : `, goal ${goalPerSecond}/s`
      const rates = `${Math.round(perSecond)}/s, ${Math.round(perCore)}/s per core`
      console.log(`${name}: ${rates}, p99 ${p99Ms.toFixed(1)} ms${goal}; load ${loadavg()[0]!.toFixed(1)}`)
      if (goalPerSecond !== null && perCore < goalPerSecond) missed++
    }
    rmSync(directory, { recursive: true, force: true })
  } finally {
    services.kill('SIGTERM')
    await ended
    await broker.remove()
  }
  return missed === 0 ? 0 : 1
}

const startGoalMs = 1_500
const restGoalMegabytes = 150
const restMs = 15_000

/** Console, registry and REST proxy, as they start beside a broker that is ready. */
async function measureStart(bootstrap: string, directory: string): Promise<void> {
  const first = await freePorts(3)
  const ports = ['console', 'registry', 'rest'].map((name, at) => [name, first + at] as const)
  const sets = ports.flatMap(([name, port]) => ['--set', `${name}.port=${port}`])
  const began = performance.now()
  const log = join(directory, 'start')
  const services = start(process.execPath, [join(repository, 'dist/cli.js'), 'services', '--bootstrap', bootstrap, ...sets], log)
  const ended = once(services, 'exit')
  await until(async () => (await Promise.all(ports.map(([, port]) => accepts(port)))).every(Boolean), `the services: see ${log}`)
  const ms = Math.round(performance.now() - began)
  await pause(restMs)
  const megabytes = Math.round(rssOf(services.pid!) / 2 ** 20)
  console.log(`start: ready after ${ms} ms, goal ${startGoalMs}; ${megabytes} MB at rest, goal ${restGoalMegabytes}`)
  services.kill('SIGTERM')
  await ended
}

/** Each connection sends its next request when it has the answer. Throws when an answer is no success. */
async function load(
  port: number,
  connections: number,
  request: (at: number) => ReturnType<Row['request']>,
  end: { readonly ms?: number; readonly requests?: number },
): Promise<{ requests: number; perSecond: number; p99Ms: number }> {
  const began = performance.now()
  const times: number[] = []
  let sent = 0
  const more = () => sent < (end.requests ?? Number.POSITIVE_INFINITY) && performance.now() - began < (end.ms ?? Number.POSITIVE_INFINITY)
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = new Connection(port)
      while (more()) {
        const startedMs = performance.now()
        await connection.ask(request(sent++))
        times.push(performance.now() - startedMs)
      }
      connection.close()
    }),
  )
  times.sort((a, b) => a - b)
  const requests = times.length
  return { requests, perSecond: requests / ((performance.now() - began) / 1_000), p99Ms: times[Math.floor(requests * 0.99)]! }
}

/** HTTP/1.1 with as little work as possible, so that the load takes less of the machine than what is measured. */
class Connection {
  readonly #socket
  #received = ''
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1').on('data', (text: string) => this.#take(text))
    this.#socket.on('error', error => this.#reject(error))
  }

  ask({ method, path, body }: ReturnType<Row['request']>): Promise<void> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const content = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${text.length}\r\n`
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${content}\r\n${text}`)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    this.#received += text
    const head = this.#received.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1])
    if (this.#received.length < head + 4 + length) return
    const answer = this.#received
    this.#received = ''
    if (answer.startsWith('HTTP/1.1 200')) this.#resolve()
    else this.#reject(new Error(answer))
  }
}
