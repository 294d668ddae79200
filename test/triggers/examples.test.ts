/** The examples of docs/triggers.md do what the page says. Elasticsearch is a stub here, and real in compat/triggers. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { example } from './examples.testing.ts'
import { startTriggers, type Triggers, until } from './triggers.testing.ts'

let triggers: Triggers
before(async () => {
  triggers = await startTriggers()
})
after(() => triggers[Symbol.asyncDispose]())

const send = (topic: string, values: readonly string[]) =>
  triggers.client.send(
    topic,
    values.map(value => ({ key: null, value: Buffer.from(value) })),
  )
const topics = (...names: string[]) => Promise.all(names.map(name => triggers.client.createTopic({ name, partitions: 1 })))

test('first steps', async () => {
  await topics('words', 'upper')
  await triggers.create('shout', {
    topics: ['words'],
    function: example('upper.js'),
    output: { topic: 'upper' },
    start: 'oldest',
    maxWaitMs: 0,
  })
  await send('words', ['hello'])
  assert.deepEqual(await triggers.texts('upper', 1), ['HELLO'])
})

test('transform the structure', async () => {
  await topics('access-log', 'access')
  await triggers.create('structure', {
    topics: ['access-log'],
    function: example('structure.js'),
    output: { topic: 'access' },
    start: 'oldest',
    maxWaitMs: 0,
  })
  await send('access-log', [
    '192.0.2.1 - ann [10/Oct/2026:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 2326 "-" "curl"',
    'no such line',
    '192.0.2.2 - - [t] "POST /c" 404 -',
  ])
  const [first, second] = await triggers.stored('access', 2)
  assert.equal(first!.key?.toString(), '192.0.2.1')
  assert.deepEqual(JSON.parse(first!.value!.toString()), {
    ...{ address: '192.0.2.1', user: 'ann', time: '10/Oct/2026:13:55:36 +0000', method: 'GET', path: '/a?b=1', status: 200, bytes: 2326 },
  })
  assert.deepEqual(JSON.parse(second!.value!.toString()).bytes, null)
})

test('filter the contents', async () => {
  await topics('orders', 'orders-paid', 'orders-dead')
  await triggers.create('paid-orders', {
    topics: ['orders'],
    function: example('orders.ts'),
    filter: { Filters: [{ Pattern: '{"value": {"status": ["paid"], "total": [{"numeric": [">", 100]}]}}' }] },
    output: { topic: 'orders-paid' },
    onFailure: { topic: 'orders-dead' },
    start: 'oldest',
    maxWaitMs: 0,
  })
  const order = (id: string, status: string, total: unknown) => JSON.stringify({ id, status, total, country: 'CN', card: '4111' })
  await send('orders', [
    order('a', 'paid', 100),
    order('b', 'paid', 101),
    order('c', 'open', 500),
    order('d', 'paid', '500'),
    order('e', 'paid', 1e6),
  ])
  assert.deepEqual(await triggers.texts('orders-paid', 2), [
    '{"id":"b","total":101,"country":"CN"}',
    '{"id":"e","total":1000000,"country":"CN"}',
  ])
})

test('deliver to Elasticsearch', async () => {
  await topics('pages', 'elastic-dead')
  const documents = new Map<string, unknown>()
  let refusals = 1
  const elastic = createServer((request, response) => {
    let text = ''
    request.on('data', chunk => void (text += chunk))
    request.on('end', () => {
      if (refusals-- > 0) {
        response.writeHead(429).end()
        return
      }
      const lines = text
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line))
      const items = []
      for (let at = 0; at < lines.length; at += 2) {
        const isBad = typeof lines[at + 1].n !== 'number'
        if (!isBad) documents.set(lines[at].index._id, lines[at + 1])
        items.push({ index: isBad ? { error: { type: 'mapper_parsing_exception' } } : {} })
      }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ errors: items.some(item => item.index.error !== undefined), items }))
    })
  })
  await new Promise<void>(resolve => elastic.listen(0, '127.0.0.1', resolve))
  try {
    await triggers.create('to-elastic', {
      topics: ['pages'],
      function: {
        ...example('elastic.js'),
        environment: { ELASTIC: `http://127.0.0.1:${(elastic.address() as AddressInfo).port}`, INDEX: 'access' },
      },
      onFailure: { topic: 'elastic-dead' },
      bisect: true,
      retries: 1,
      start: 'oldest',
      maxWaitMs: 100,
    })
    await send('pages', ['{"n":1}', '{"n":"x"}', '{"n":3}'])
    await until(() => documents.size === 2)
    assert.deepEqual(Object.fromEntries(documents), { 'pages-0-0': { n: 1 }, 'pages-0-2': { n: 3 } })
    assert.deepEqual(await triggers.texts('elastic-dead', 1), ['{"n":"x"}'])
  } finally {
    elastic.close()
    elastic.closeAllConnections()
  }
})
