/**
 * Function triggers over a real broker, in processes of their own: the three examples of docs/triggers.md, the last one with a real Elasticsearch, and two
 * workers of which one is killed again and again.
 *
 * Elasticsearch is started by `$SINK_PEERS/elasticsearch/up.sh DIRECTORY HTTP_PORT TRANSPORT_PORT`, and ended by `down.sh`; without it that case is skipped.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, openClient } from '../../src/client.ts'
import { example } from '../../test/triggers/examples.testing.ts'
import { compile } from '../support/brokers.ts'
import { repository } from '../support/cache.ts'
import { accepts, freePorts, must, start, until } from '../support/run.ts'
import type { Report, Suite } from '../support/suite.ts'

const client = 'triggers'
const waitSeconds = 120

export const triggers: Suite = {
  folder: 'triggers',
  clients: [client],
  async run({ bootstrap }, report) {
    await compile()
    const directory = mkdtempSync(join(tmpdir(), 'millrace-triggers-'))
    const workers = new Workers(bootstrap, directory)
    const kafka = openClient({ bootstrap })
    try {
      const url = await workers.start(0)
      const cases = new Cases(kafka, url, workers, directory)
      for (const name of ['structure', 'contents', 'elasticsearch', 'kills'] as const) await tell(name, () => cases[name](), report)
    } finally {
      await kafka.close()
      await workers.close()
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

/** Not every machine has what it takes. */
class Skipped extends Error {}

async function tell(name: string, work: () => Promise<string>, report: Report): Promise<void> {
  try {
    report({ client, name, outcome: 'ok', detail: await work() })
  } catch (error) {
    report({ client, name, outcome: error instanceof Skipped ? 'skip' : 'FAIL', detail: (error as Error).message })
  }
}

/** Processes of the service, by number. */
class Workers {
  readonly #bootstrap: string
  readonly #directory: string
  readonly #running = new Map<number, ChildProcess>()

  constructor(bootstrap: string, directory: string) {
    this.#bootstrap = bootstrap
    this.#directory = directory
  }

  /** Resolves to its URL. */
  async start(number: number): Promise<string> {
    const port = await freePorts(1)
    const flags = ['--set', 'services=triggers', '--set', `triggers.port=${port}`]
    const log = join(this.#directory, `worker-${number}.log`)
    this.#running.set(
      number,
      start(process.execPath, [join(repository, 'dist/cli.js'), 'services', '--bootstrap', this.#bootstrap, ...flags], log),
    )
    await until(() => accepts(port), `the service of triggers on port ${port}: see ${log}`)
    return `http://127.0.0.1:${port}`
  }

  async kill(number: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.#running.get(number)
    if (child === undefined) return
    this.#running.delete(number)
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async close(): Promise<void> {
    for (const number of [...this.#running.keys()]) await this.kill(number, 'SIGTERM')
  }
}

class Cases {
  readonly #kafka: Client
  readonly #url: string
  readonly #workers: Workers
  readonly #directory: string

  constructor(kafka: Client, url: string, workers: Workers, directory: string) {
    this.#kafka = kafka
    this.#url = url
    this.#workers = workers
    this.#directory = directory
  }

  async structure(): Promise<string> {
    await this.#topics(1, 'access-log', 'access')
    await this.#create('structure', {
      topics: ['access-log'],
      function: example('structure.js'),
      output: { topic: 'access' },
      start: 'oldest',
    })
    const lines = Array.from(
      { length: 1_000 },
      (_, at) => `192.0.2.${at % 250} - u${at} [10/Oct/2026:13:55:36 +0000] "GET /page/${at} HTTP/1.1" 200 ${at}`,
    )
    await this.#send('access-log', lines)
    const seen = await this.#collect('access', lines.length, value => String((JSON.parse(value) as { bytes: number }).bytes))
    return `${seen.size} lines`
  }

  async contents(): Promise<string> {
    await this.#topics(1, 'orders', 'orders-paid')
    const filter = { Filters: [{ Pattern: '{"value": {"status": ["paid"], "total": [{"numeric": [">", 100]}]}}' }] }
    await this.#create('paid', {
      topics: ['orders'],
      function: example('orders.ts'),
      filter,
      output: { topic: 'orders-paid' },
      start: 'oldest',
    })
    const orders = Array.from({ length: 1_000 }, (_, at) =>
      JSON.stringify({ id: `o${at}`, status: at % 2 === 0 ? 'paid' : 'open', total: at, country: 'CN', card: '4111' }),
    )
    await this.#send('orders', orders)
    const seen = await this.#collect('orders-paid', 449, value => {
      if (value.includes('4111')) throw new Error('what is to be left out is there')
      return (JSON.parse(value) as { id: string }).id
    })
    return `${seen.size} of 1000 orders`
  }

  async elasticsearch(): Promise<string> {
    const peers = process.env['SINK_PEERS']
    if (peers === undefined) throw new Skipped('SINK_PEERS names no directory with elasticsearch/up.sh')
    const port = await freePorts(2)
    const data = join(this.#directory, 'elasticsearch')
    await must('bash', [join(peers, 'elasticsearch/up.sh'), data, String(port), String(port + 1)], { seconds: 900 })
    try {
      const elastic = `http://127.0.0.1:${port}`
      await this.#topics(4, 'pages')
      await this.#topics(1, 'elastic-dead')
      await this.#create('to-elastic', {
        topics: ['pages'],
        function: { ...example('elastic.js'), environment: { ELASTIC: elastic, INDEX: 'access' } },
        onFailure: { topic: 'elastic-dead' },
        bisect: true,
        batchSize: 500,
        start: 'oldest',
      })
      const documents = Array.from({ length: 20_000 }, (_, at) => JSON.stringify({ n: at, text: `page ${at} — é 漢` }))
      await this.#send('pages', documents)
      let count = 0
      for (let seconds = 0; seconds < waitSeconds && count < documents.length; seconds++) {
        await sleep(1_000)
        await fetch(`${elastic}/access/_refresh`, { method: 'POST' })
        count = ((await (await fetch(`${elastic}/access/_count`)).json()) as { count?: number }).count ?? 0
      }
      if (count !== documents.length) throw new Error(`${count} of ${documents.length} documents`)
      return `${count} documents`
    } finally {
      await must('bash', [join(peers, 'elasticsearch/down.sh'), data])
    }
  }

  /** At least once, through kills: no record is missing. */
  async kills(): Promise<string> {
    await this.#topics(4, 'numbers', 'copies')
    const code =
      'export const main_handler = async event => { await new Promise(r => setTimeout(r, 5)); return event.Records.map(({ Ckafka }) => Ckafka.msgBody) }'
    await this.#create('copies', {
      topics: ['numbers'],
      function: { code },
      output: { topic: 'copies' },
      start: 'oldest',
      batchSize: 50,
      maxWaitMs: 10,
    })
    const numbers = Array.from({ length: 20_000 }, (_, at) => String(at))
    const killing = (async () => {
      for (let kill = 0; kill < 3; kill++) {
        await this.#workers.start(1)
        await sleep(2_000)
        await this.#workers.kill(1, 'SIGKILL')
      }
    })()
    for (let at = 0; at < numbers.length; at += 1_000) {
      await this.#send('numbers', numbers.slice(at, at + 1_000))
      await sleep(200)
    }
    await killing
    const seen = await this.#collect('copies', numbers.length, String)
    return `${seen.size} records, a worker killed three times`
  }

  async #topics(partitions: number, ...names: string[]): Promise<void> {
    for (const name of names) await this.#kafka.createTopic({ name, partitions })
  }

  async #create(name: string, definition: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${this.#url}/triggers`, { method: 'POST', headers, body: JSON.stringify({ name, ...definition }) })
    if (response.status !== 201) throw new Error(await response.text())
  }

  async #send(topic: string, values: readonly string[]): Promise<void> {
    await this.#kafka.send(
      topic,
      values.map(value => ({ key: null, value: Buffer.from(value) })),
    )
  }

  /** Until there are so many different ones. */
  async #collect(topic: string, count: number, idOf: (value: string) => string): Promise<Set<string>> {
    const { partitions } = (await this.#kafka.topics([topic]))[0]!
    const from = new Map(partitions.map(each => [each.partition, 0n]))
    const seen = new Set<string>()
    const signal = AbortSignal.timeout(waitSeconds * 1_000)
    for await (const records of this.#kafka.read({ topic, from, until: null, signal })) {
      for (const { value } of records) seen.add(idOf(value!.toString()))
      if (seen.size >= count) break
    }
    if (seen.size !== count) throw new Error(`${seen.size} of ${count} records in ${topic}`)
    return seen
  }
}
