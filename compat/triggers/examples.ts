/** The examples of docs/triggers.md with the functions as they stand there, and a real Elasticsearch; the service is killed in the middle of each. */
import { setTimeout as sleep } from 'node:timers/promises'
import { example } from '../../test/triggers/examples.testing.ts'
import { startPeer } from '../connect-sinks/peers.ts'
import { freePorts } from '../support/run.ts'
import { counted, eventually, type Stage } from './stage.ts'

const lines = 20_000

/** One topic to another, exactly once. */
export async function structure(stage: Stage): Promise<string> {
  await stage.topics(2, 'access-log', 'access')
  const output = { topic: 'access', exactlyOnce: true }
  await stage.create('structure', { topics: ['access-log'], function: example('structure.js'), output })
  const given = Array.from(
    { length: lines },
    (_, at) => `192.0.2.${at % 250} - u${at} [10/Oct/2026:13:55:36 +0000] "GET /page/${at} HTTP/1.1" 200 ${at}`,
  )
  await stage.send('access-log', given.slice(0, lines / 2))
  await stage.killAndStart()
  await stage.send('access-log', given.slice(lines / 2))
  await stage.done('structure', 'access-log')
  const made = (await stage.stored('access')).map(
    value => JSON.parse(value) as { user: string; path: string; status: number; bytes: number },
  )
  const wrong = made.find(({ user, path, status, bytes }) => user !== `u${bytes}` || path !== `/page/${bytes}` || status !== 200)
  if (wrong !== undefined) throw new Error(`wrong: ${JSON.stringify(wrong)}`)
  const { missing, repeated } = counted(
    made.map(({ bytes }) => String(bytes)),
    given.map((_, at) => String(at)),
  )
  if (missing + repeated > 0) throw new Error(`${missing} missing, ${repeated} repeated`)
  return `${made.length} lines, each once, the service killed in the middle`
}

export async function contents(stage: Stage): Promise<string> {
  await stage.topics(2, 'orders', 'orders-paid')
  await stage.topics(1, 'orders-dead')
  await stage.create('paid-orders', {
    topics: ['orders'],
    function: example('orders.ts'),
    filter: { Filters: [{ Pattern: '{"value": {"status": ["paid"], "total": [{"numeric": [">", 100]}]}}' }] },
    output: { topic: 'orders-paid' },
    onFailure: { topic: 'orders-dead' },
  })
  const orders = Array.from({ length: lines }, (_, at) =>
    JSON.stringify({ id: `o${at}`, status: at % 2 === 0 ? 'paid' : 'open', total: at, country: 'CN', card: '4111' }),
  )
  await stage.send('orders', orders.slice(0, lines / 2))
  await stage.killAndStart()
  await stage.send('orders', orders.slice(lines / 2))
  await stage.done('paid-orders', 'orders')
  const made = (await stage.stored('orders-paid')).map(value => JSON.parse(value) as Record<string, unknown>)
  const wrong = made.find(each => Object.keys(each).sort().join() !== 'country,id,total')
  if (wrong !== undefined) throw new Error(`wrong: ${JSON.stringify(wrong)}`)
  const paid = Array.from({ length: lines }, (_, at) => at).filter(at => at % 2 === 0 && at > 100)
  const { missing, repeated, foreign } = counted(
    made.map(({ id }) => String(id)),
    paid.map(at => `o${at}`),
  )
  const dead = await stage.stored('orders-dead')
  if (missing + foreign + dead.length > 0) throw new Error(`${missing} missing, ${foreign} too many, ${dead.length} given up`)
  return `${paid.length} of ${lines} orders, ${repeated} repeated, the service killed in the middle`
}

/** Elasticsearch is killed, too. */
export async function elasticsearch(stage: Stage): Promise<string> {
  const first = await freePorts(2)
  const peer = await startPeer('elasticsearch', [first, first + 1])
  try {
    const elastic = `http://127.0.0.1:${peer.port}`
    await stage.topics(4, 'pages')
    await stage.topics(1, 'elastic-dead')
    await stage.create('to-elastic', {
      topics: ['pages'],
      function: { ...example('elastic.js'), environment: { ELASTIC: elastic, INDEX: 'access' } },
      onFailure: { topic: 'elastic-dead' },
      retries: 1_000,
      bisect: false,
      batchSize: 500,
    })
    const documents = Array.from({ length: lines }, (_, at) => JSON.stringify({ n: at, text: `page ${at} — é 漢` }))
    await stage.send('pages', documents.slice(0, lines / 2))
    await stage.killAndStart()
    await peer.killAndStart()
    await stage.send('pages', documents.slice(lines / 2))
    await stage.done('to-elastic', 'pages')
    await sleep(1_000)
    await fetch(`${elastic}/access/_refresh`, { method: 'POST' })
    const count = async (query: string) =>
      ((await (await fetch(`${elastic}/access/_count?q=${query}`)).json()) as { count?: number }).count ?? 0
    await eventually('all documents are counted', async () => (await count('*')) >= lines)
    const [all, exact, dead] = [await count('*'), await count(encodeURIComponent('n:[0 TO 19999]')), await stage.stored('elastic-dead')]
    if (all !== lines || exact !== lines || dead.length > 0)
      throw new Error(`${all} documents, ${exact} with a number, ${dead.length} given up`)
    return `${all} documents, each once, the service and Elasticsearch killed in the middle`
  } finally {
    await peer.stop()
  }
}
