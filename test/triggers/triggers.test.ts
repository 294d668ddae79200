/** Triggers from the API to the records: envelopes, filters, results, failures, versions. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startTriggers, type Triggers, until } from './triggers.testing.ts'

let triggers: Triggers
before(async () => {
  triggers = await startTriggers()
})
after(() => triggers[Symbol.asyncDispose]())

const value = (text: string | null, key: string | null = null) => ({
  key: key === null ? null : Buffer.from(key),
  value: text === null ? null : Buffer.from(text),
})
const topics = (...names: string[]) => Promise.all(names.map(name => triggers.client.createTopic({ name, partitions: 1 })))
const file = (body: string) => ({ code: `export async function main_handler(event, context) { ${body} }` })

test('records go through a function into another topic', async () => {
  await topics('in1', 'out1')
  await triggers.create('copy', {
    topics: ['in1'],
    start: 'oldest',
    maxWaitMs: 0,
    function: file(
      'return event.Records.map(({ Ckafka }) => ({ key: Ckafka.msgKey, value: { seen: Ckafka.msgBody, offset: Ckafka.offset } }))',
    ),
    output: { topic: 'out1' },
  })
  await triggers.client.send('in1', [value('a', 'k1'), value('b')])
  const stored = await triggers.stored('out1', 2)
  assert.deepEqual(
    stored.map(({ key, value: bytes }) => [key?.toString(), bytes?.toString()]),
    [
      ['k1', '{"seen":"a","offset":0}'],
      ['None', '{"seen":"b","offset":1}'],
    ],
  )
  await until(async () => (await triggers.client.groupOffsets('trigger-copy', '')).some(({ offset }) => offset === 2n))
  const { body } = await triggers.ask('GET', '/triggers/copy')
  assert.equal(body.status.records, 2)
  assert.equal(body.by, 'User:ANONYMOUS')
  const { body: list } = await triggers.ask('GET', '/triggers?search=cop')
  assert.deepEqual([list.total, list.triggers[0].name, list.triggers[0].state], [1, 'copy', 'RUNNING'])
  assert.match((await triggers.ask('GET', '/metrics')).body, /millrace_trigger_records_total\{trigger="copy"\} 2/)
})

test('what the filter leaves out is done, and the function does not see it', async () => {
  await topics('in2', 'out2')
  await triggers.create('filtered', {
    topics: ['in2'],
    start: 'oldest',
    maxWaitMs: 0,
    filter: { Filters: [{ Pattern: '{"value":{"n":[{"numeric":[">",1]}]}}' }] },
    function: file('return event.Records.map(({ Ckafka }) => Ckafka.msgBody)'),
    output: { topic: 'out2' },
  })
  await triggers.client.send('in2', [value('{"n":1}'), value('{"n":2}'), value('plain'), value('{"n":3}'), value('{"n":0}')])
  assert.deepEqual(await triggers.texts('out2', 2), ['{"n":2}', '{"n":3}'])
  await until(async () => (await triggers.client.groupOffsets('trigger-filtered', '')).some(({ offset }) => offset === 5n))
})

test('what fails goes to the dead-letter topic with the reason; splitting finds it', async () => {
  await topics('in3', 'dead3', 'out3')
  await triggers.create('strict', {
    topics: ['in3'],
    start: 'oldest',
    envelope: 'aws',
    retries: 1,
    bisect: true,
    maxWaitMs: 200,
    function: file(`const records = event.records['in3-0'].map(({ value }) => atob(value))
      if (records.includes('bad')) throw new TypeError('bad record')
      return records`),
    onFailure: { topic: 'dead3' },
    output: { topic: 'out3' },
  })
  await triggers.client.send('in3', [value('a'), value('b'), value('bad', 'k'), value('c')])
  assert.deepEqual(await triggers.texts('out3', 3), ['a', 'b', 'c'])
  const [dead] = await triggers.stored('dead3', 1)
  assert.deepEqual([dead!.key?.toString(), dead!.value?.toString()], ['k', 'bad'])
  const headers = Object.fromEntries(dead!.headers.map(header => [header.key.toString(), header.value?.toString()]))
  assert.equal(headers['millrace.trigger.error.type'], 'TypeError')
  assert.equal(headers['millrace.trigger.error.message'], 'bad record')
  assert.equal(headers['millrace.trigger.offset'], '2')
  const { body } = await triggers.ask('GET', '/triggers/strict/logs')
  assert.ok(body.lines.some((line: { message: string }) => /given up \(offsets 2 to 2\): bad record/.test(line.message)))
  const thrown = body.lines.find(({ message }: { message: string }) =>
    /^the call has failed \(error\): TypeError: bad record\n {4}at .*\/function\.mjs/.test(message),
  )
  assert.match(thrown.requestId, /^strict-1-in3-0-0-\d+$/)
})

test('a partial batch response is no result: what was named is tried again, and the output gets nothing of it', async () => {
  await topics('out12', 'dead12')
  await triggers.client.createTopic({ name: 'in12', partitions: 1, configs: new Map([['message.timestamp.type', 'LogAppendTime']]) })
  await triggers.create('partial', {
    ...{ topics: ['in12'], start: 'oldest', envelope: 'aws', retries: 1, maxWaitMs: 200 },
    function: file(`const [records] = Object.values(event.records)
      const failed = records.filter(({ value }) => atob(value) === 'bad')
      if (records.some(({ value }) => atob(value) === 'last')) return records[0].timestampType
      return { batchItemFailures: failed.map(({ topic, partition, offset }) => ({ itemIdentifier: { partition: topic + '-' + partition, offset } })) }`),
    ...{ onFailure: { topic: 'dead12' }, output: { topic: 'out12' } },
  })
  await triggers.client.send('in12', [value('a')])
  await until(async () => (await triggers.client.groupOffsets('trigger-partial', '')).some(({ offset }) => offset === 1n))
  await triggers.client.send('in12', [value('b'), value('bad')])
  assert.deepEqual(await triggers.texts('dead12', 1), ['bad'])
  await triggers.client.send('in12', [value('last')])
  assert.deepEqual(await triggers.texts('out12', 1), ['LOG_APPEND_TIME'])
})

test('an HTTP endpoint is a function; while it is away nothing is lost', async () => {
  await topics('in4', 'out4')
  let calls = 0
  let isAway = false
  const server: Server = createServer((request, response) => {
    if (isAway) return void response.writeHead(503).end()
    let text = ''
    request.on('data', chunk => void (text += chunk))
    request.on('end', () => {
      if (++calls === 1) {
        response.writeHead(503, { 'retry-after': '0' }).end()
        return
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(JSON.parse(text).map((event: { data: unknown }) => ({ value: event.data }))))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await triggers.create('endpoint', {
      topics: ['in4'],
      start: 'oldest',
      maxWaitMs: 0,
      envelope: 'cloudevents',
      retries: 0,
      function: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/?key=hush` },
      output: { topic: 'out4' },
    })
    await triggers.client.send('in4', [value('{"a":1}')])
    assert.deepEqual(await triggers.texts('out4', 1), ['{"a":1}'])
    assert.equal(calls, 2)
    // Long enough, it is seen.
    const status = async () => (await triggers.ask('GET', '/triggers/endpoint')).body.status
    isAway = true
    await triggers.client.send('in4', [value('{"a":2}')])
    await until(async () => (await status()).state === 'RETRYING')
    const { reason, ageMs } = await status()
    assert.match(reason, /^in4-0 has been tried \d+ times since \d{4}-.*Z: HTTP 503$/)
    assert.ok(ageMs >= 3_000, `${ageMs}`)
    const metrics = (await triggers.ask('GET', '/metrics')).body
    assert.match(metrics, /millrace_trigger_state\{trigger="endpoint",state="RETRYING"\} 1/)
    assert.match(metrics, /millrace_trigger_age_seconds\{trigger="endpoint"\} [1-9]/)
    isAway = false
    assert.deepEqual(await triggers.texts('out4', 2), ['{"a":1}', '{"a":2}'])
    await until(async () => (await status()).state === 'RUNNING')
    assert.deepEqual([(await status()).reason, (await status()).ageMs], [null, 0])
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('versions: what changes takes effect, and can be taken back', async () => {
  await topics('in5', 'out5')
  await triggers.create('versioned', {
    topics: ['in5'],
    start: 'oldest',
    maxWaitMs: 0,
    function: file('return "one"'),
    output: { topic: 'out5' },
  })
  await triggers.client.send('in5', [value('x')])
  assert.deepEqual(await triggers.texts('out5', 1), ['one'])
  const two = await triggers.ask('PATCH', '/triggers/versioned', { function: file('console.log("second"); return "two"') })
  assert.deepEqual([two.status, two.body.version], [200, 2])
  await triggers.client.send('in5', [value('x')])
  assert.deepEqual(await triggers.texts('out5', 2), ['one', 'two'])
  const back = await triggers.ask('POST', '/triggers/versioned/rollback', {})
  assert.deepEqual([back.body.version, back.body.restores], [3, 1])
  await triggers.client.send('in5', [value('x')])
  assert.deepEqual(await triggers.texts('out5', 3), ['one', 'two', 'one'])
  const { body } = await triggers.ask('GET', '/triggers/versioned/versions')
  assert.deepEqual(
    body.versions.map((each: { version: number; restores: number | null }) => [each.version, each.restores]),
    [
      [3, 1],
      [2, null],
      [1, null],
    ],
  )
  await until(async () =>
    (await triggers.ask('GET', '/triggers/versioned/logs')).body.lines.some((line: { message: string }) => line.message === 'second'),
  )
  assert.equal((await triggers.ask('GET', '/triggers/versioned/versions/9')).status, 404)
})

test('paused, it goes on later where it stopped; deleted, it is gone and its name is free', async () => {
  await topics('in6', 'out6')
  const definition = {
    topics: ['in6'],
    start: 'oldest',
    maxWaitMs: 0,
    function: file('return event.Records.map(({ Ckafka }) => Ckafka.msgBody)'),
    output: { topic: 'out6' },
  }
  await triggers.create('paused', definition)
  await triggers.client.send('in6', [value('a')])
  assert.deepEqual(await triggers.texts('out6', 1), ['a'])
  assert.equal((await triggers.ask('PATCH', '/triggers/paused', { enabled: false })).body.status.state, 'PAUSED')
  await triggers.client.send('in6', [value('b')])
  await triggers.ask('PATCH', '/triggers/paused', { enabled: true })
  assert.deepEqual(await triggers.texts('out6', 2), ['a', 'b'])
  const resumed = (await triggers.ask('GET', '/triggers/paused')).body
  assert.deepEqual([resumed.version, resumed.definition.enabled], [1, true])
  await until(async () => {
    const { lines } = (await triggers.ask('GET', '/triggers/paused/logs')).body
    const told = lines.map(({ message }: { message: string }) => message).filter((each: string) => each.startsWith('User:'))
    return String(told) === 'User:ANONYMOUS has paused the trigger,User:ANONYMOUS has resumed the trigger'
  })
  const { body: changed } = await triggers.ask('PATCH', '/triggers/paused', { description: 'x', enabled: false })
  const { body: back } = await triggers.ask('POST', '/triggers/paused/rollback', {})
  assert.deepEqual([changed.version, back.version, back.restores, back.definition.enabled], [2, 3, 1, false])
  assert.equal((await triggers.ask('DELETE', '/triggers/paused')).status, 204)
  assert.equal((await triggers.ask('GET', '/triggers/paused')).status, 404)
  assert.equal((await triggers.ask('DELETE', '/triggers/paused')).status, 404)
  const again = await triggers.ask('PUT', '/triggers/paused', definition)
  assert.deepEqual([again.status, again.body.version], [201, 1])
})

test('the lines of a deleted trigger are not those of the next one with its name', async () => {
  await topics('in10')
  const writing = (text: string) => ({ topics: ['in10'], start: 'oldest', maxWaitMs: 0, function: file(`console.log("${text}")`) })
  const lines = async (): Promise<string[]> =>
    (await triggers.ask('GET', '/triggers/reborn/logs')).body.lines.map(({ message }: { message: string }) => message)
  const calledOnce = async (text: string) => {
    await triggers.create('reborn', writing(text))
    await triggers.client.send('in10', [value('x')])
    await until(async () => (await lines()).includes(text))
  }
  await calledOnce('first')
  assert.equal((await triggers.ask('DELETE', '/triggers/reborn')).status, 204)
  await calledOnce('second')
  assert.equal((await lines()).includes('first'), false)
  assert.equal((await triggers.ask('PATCH', '/triggers/reborn', { description: 'the same trigger' })).status, 200)
  assert.equal((await lines()).includes('second'), true)
})

test('what takes the place of a trigger runs, also with the same version', async () => {
  await topics('in11', 'out11')
  const returning = (text: string) => ({
    ...{ topics: ['in11'], start: 'oldest', maxWaitMs: 0 },
    ...{ function: file(`return "${text}"`), output: { topic: 'out11' } },
  })
  const record = (version: number, id: string | null, definition: object | null = null) => ({
    ...{ key: Buffer.from(JSON.stringify({ name: 'replaced', version })), partition: 0 },
    value:
      id === null
        ? null
        : Buffer.from(JSON.stringify({ v: 1, name: 'replaced', version, definition, by: id, at: '', restores: null, id, origin: id })),
  })
  const replaced = async (id: string, ...records: ReturnType<typeof record>[]) => {
    await triggers.client.send('__millrace_triggers', records)
    await until(async () => {
      const { by, status } = (await triggers.ask('GET', '/triggers/replaced')).body
      return by === id && status.state === 'RUNNING' && status.partitions.length > 0
    })
    await triggers.client.send('in11', [value('x')])
  }
  await triggers.create('replaced', returning('one'))
  // Another process has changed it at the same time.
  await replaced('b', record(1, 'b', returning('two')))
  assert.deepEqual(await triggers.texts('out11', 1), ['two'])
  // It was deleted and made again while nobody was looking.
  await replaced('d', record(2, 'c'), record(1, null), record(2, null), record(1, 'd', returning('three')))
  assert.deepEqual(await triggers.texts('out11', 2), ['two', 'three'])
  await until(async () => (await triggers.ask('GET', '/triggers/replaced')).body.status.calls === 1)
})

test('a topic that is made after its trigger is read from its beginning', async () => {
  await topics('out13')
  const definition = {
    topics: ['in13'],
    maxWaitMs: 0,
    function: file('return event.Records.map(({ Ckafka }) => Ckafka.msgBody)'),
    output: { topic: 'out13' },
  }
  assert.equal((await triggers.ask('POST', '/triggers', { name: 'early', ...definition })).status, 201)
  await until(async () => (await triggers.ask('GET', '/triggers/early')).body.status.state === 'WAITING')
  await topics('in13')
  await triggers.client.send('in13', [value('first')])
  assert.deepEqual(await triggers.texts('out13', 1), ['first'])
})

test('errors are problem documents', async () => {
  await topics('in7')
  const least = { name: 'p', topics: ['in7'], function: file('return 1') }
  const problem = async (method: string, path: string, body?: unknown) => {
    const { status, body: told } = await triggers.ask(method, path, body)
    assert.deepEqual([told.type, told.status], ['about:blank', status])
    return [status, told.detail] as const
  }
  assert.deepEqual(await problem('GET', '/triggers/none'), [404, 'there is no trigger none'])
  assert.deepEqual(await problem('POST', '/triggers', '{'), [
    400,
    "The body is not valid JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
  ])
  assert.equal((await problem('POST', '/triggers', {}))[0], 400)
  assert.match((await problem('POST', '/triggers', { ...least, batchSize: 0 }))[1], /batchSize/)
  assert.match((await problem('POST', '/triggers', { ...least, onFailure: { topic: 'in7' } }))[1], /is a source of the trigger/)
  assert.match(
    (await problem('POST', '/triggers', { ...least, filter: { Filters: [{ Pattern: '{"value":{"a":[{"x":1}]}}' }] } }))[1],
    /Unrecognized match type x/,
  )
  assert.deepEqual(await problem('POST', '/triggers', { ...least, function: { code: 'export const x = 1' } }), [
    422,
    'the file exports no function main_handler',
  ])
  const [status, detail] = await problem('POST', '/triggers', { ...least, function: { code: '\nexport const (' } })
  assert.equal(status, 422)
  assert.match(detail, /^SyntaxError: .* \(line 2\)$/)
  const both = await Promise.all([1, 2].map(() => triggers.ask('POST', '/triggers', least)))
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409], 'one of two at the same time makes it')
  const changes = [{ batchSize: 7 }, { bisect: true }]
  const made = await Promise.all(changes.map(each => triggers.ask('PATCH', '/triggers/p', each)))
  const { definition } = (await triggers.ask('GET', '/triggers/p')).body
  for (const [at, each] of changes.entries())
    if (made[at]!.status === 200) assert.deepEqual({ ...definition, ...each }, definition, 'none undoes another one')
    else assert.equal(made[at]!.status, 409)
  assert.deepEqual(await problem('POST', '/triggers', least), [409, 'there is a trigger p already'])
  assert.equal((await problem('GET', '/nowhere'))[0], 404)
})

test('a test call says what the function does, without any effect', async () => {
  await topics('in8')
  await triggers.create('tested', {
    topics: ['in8'],
    function: { code: 'export const main_handler = event => { console.log("seen"); if (event.fail) throw new Error("no"); return event }' },
  })
  const sample = (await triggers.ask('POST', '/triggers/tested/test', {})).body
  assert.equal(sample.error, null)
  assert.equal(sample.result.Records[0].Ckafka.topic, 'in8')
  assert.equal(sample.output, 'seen\n')
  const failed = (await triggers.ask('POST', '/triggers/tested/test', { event: { fail: true } })).body
  assert.deepEqual([failed.error.kind, failed.error.message], ['error', 'no'])
  const draft = { topics: ['in8'], function: { code: 'export const main_handler = () => "draft"' } }
  assert.equal((await triggers.ask('POST', '/triggers/new/test', { definition: draft })).body.result, 'draft')
  assert.equal((await triggers.ask('GET', '/triggers/tested')).body.status.calls, 0)
  assert.deepEqual((await triggers.ask('POST', '/filter', { pattern: { a: [1] }, event: { a: 1 } })).body, { matches: true })
})

test('a filter is tried on a few records, with a pattern that a trigger may have', async () => {
  const record = { topic: 't', partition: 0, offset: '0', timestamp: '0', key: null, value: btoa('{"a":1}'), headers: [] }
  const tried = (count: number) =>
    triggers.ask('POST', '/filter/records', { filter: { cel: 'value.a == 1' }, records: Array(count).fill(record) })
  assert.deepEqual((await tried(20)).body.records, Array(20).fill({ matches: true }))
  assert.equal((await tried(21)).status, 400)
  const long = 'x'.repeat(4_096)
  for (const pattern of [{ a: [long] }, JSON.stringify({ a: [long] })]) {
    const refused = await triggers.ask('POST', '/filter', { pattern, event: { a: long } })
    assert.deepEqual([refused.status, refused.body.detail], [400, 'the pattern has more than 4096 characters'])
  }
})

test('two workers share the partitions, and the trigger is known to both', async () => {
  await triggers.client.createTopic({ name: 'in9', partitions: 4 })
  await topics('out9')
  await triggers.create('shared', {
    topics: ['in9'],
    start: 'oldest',
    maxWaitMs: 0,
    function: file('return event.Records.map(({ Ckafka }) => Ckafka.msgBody)'),
    output: { topic: 'out9' },
  })
  await using _ = await triggers.another()
  await until(async () => (await triggers.client.group('trigger-shared')).members.length === 2)
  await until(async () => (await triggers.ask('GET', '/triggers/shared')).body.status.partitions.length === 2)
  const sent = Array.from({ length: 40 }, (_each, at) => ({ ...value(`r${at}`), partition: at % 4 }))
  await triggers.client.send('in9', sent)
  const seen = new Set(await triggers.texts('out9', 40))
  assert.equal(seen.size, 40)
})

test('one person tests two functions at the same time', async () => {
  const slow = { topics: ['in1'], function: file('await new Promise(resolve => setTimeout(resolve, event.ms)); return 1') }
  const run = (ms: number) => triggers.ask('POST', '/triggers/slow/test', { definition: slow, event: { ms } })
  const answers = await Promise.all([run(1_000), run(1_000), run(1_000)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 429])
  const { body } = answers.find(({ status }) => status === 429)!
  assert.equal(body.title, 'Too Many Requests')
  assert.equal(body.detail, 'User:ANONYMOUS is testing 2 functions already; at most 2 run at the same time')
  assert.deepEqual([(await run(0)).status, (await run(0)).body.result], [200, 1])
})
