import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, DataError, Decimal, decimal, logical, type Schema, type SinkTask, struct } from '../../connector.ts'
import { type Given, sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeSearch, type Fault } from './elasticsearch.testing.ts'
import { elasticsearch } from './sink.ts'

interface It {
  task: SinkTask
  fake: FakeSearch
  context: TestContext
}

async function opened(config: Record<string, string>, work: (it: It) => Promise<void>): Promise<void> {
  const fake = await FakeSearch.start()
  const context = new TestContext()
  const values = valuesOf(elasticsearch.config, {
    'connection.url': fake.url,
    'schema.ignore': 'true',
    'retry.backoff.ms': '1',
    'read.timeout.ms': '30000',
    ...config,
  })
  const task = await elasticsearch.open(values, context)
  try {
    await work({ task, fake, context })
  } finally {
    await task.close()
    context.end()
    await fake.stop()
  }
}

const byPlace = { 'key.ignore': 'true' }
const record = (offset: number, key: ConnectValue, value: ConnectValue = struct([['n', offset]]), more: Partial<Given> = {}) =>
  sinkRecord({ topic: 'events', timestampMs: 0, offset, key, value, ...more })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => record(from + index, `k${from + index}`))
const sources = (fake: FakeSearch) => Object.fromEntries([...fake.documents].map(([key, { source }]) => [key, source]))

test('documents are named by key with the offset as version: what is older changes nothing', () =>
  opened({}, async ({ task, fake }) => {
    await task.put([record(0, 'a'), record(1, 'b'), record(2, 'a')])
    await task.flush()
    await task.put([record(0, 'a'), record(1, 'b')])
    await task.flush()
    assert.deepEqual(sources(fake), { 'events/a': '{"n":2}', 'events/b': '{"n":1}' })
  }))

test('documents are named by their place: written twice, there once', () =>
  opened(byPlace, async ({ task, fake }) => {
    await task.put(range(0, 3))
    await task.put(range(0, 3))
    await task.flush()
    assert.deepEqual([...fake.documents.keys()], ['events/events+0+0', 'events/events+0+1', 'events/events+0+2'])
  }))

test('all digits arrive', () =>
  opened({ ...byPlace, 'connection.compression': 'true' }, async ({ task, fake }) => {
    const schema: Schema = {
      type: 'struct',
      fields: [
        { name: 'id', schema: { type: 'int64' } },
        { name: 'price', schema: decimal(2) },
        { name: 'day', schema: { type: 'int32', name: logical.date } },
        { name: 'at', schema: { type: 'int64', name: logical.timestamp } },
      ],
    }
    const value = struct([
      ['id', 9223372036854775807n],
      ['price', new Decimal(123456789012345678901n, 2)],
      ['day', 20422],
      ['at', 1764475200123n],
    ])
    await task.put([record(0, null, value, { valueSchema: schema })])
    await task.flush()
    assert.equal(
      sources(fake)['events/events+0+0'],
      '{"id":9223372036854775807,"price":1234567890123456789.01,"day":"2025-11-30","at":"2025-11-30T04:00:00.123Z"}',
    )
    assert.equal(fake.headers['content-encoding'], 'gzip')
  }))

test('tombstones delete; an older record does not bring the document back', () =>
  opened({ 'behavior.on.null.values': 'delete' }, async ({ task, fake, context }) => {
    await task.put([record(0, 'a'), record(1, 'b'), record(2, 'a', null), record(3, 'never', null), record(4, null, null)])
    await task.flush()
    assert.deepEqual([...fake.documents.keys()], ['events/b'])
    assert.equal(context.reported.length, 0)
    assert.equal(fake.bulks.flat().find(item => item.kind === 'delete')!.meta.version, 2)
  }))

test('tombstones are reported or left out', async () => {
  await opened({}, async ({ task, context }) => {
    await task.put([record(0, 'a', null)])
    assert.equal(context.reported.length, 1)
  })
  await opened({ 'behavior.on.null.values': 'ignore' }, async ({ task, context, fake }) => {
    await task.put([record(0, 'a', null)])
    await task.flush()
    assert.deepEqual([context.reported.length, fake.bulks.length], [0, 0])
  })
})

test('upsert keeps the other fields, and the order of a document over repetitions', () =>
  opened({ 'write.method': 'upsert', 'batch.size': '1', 'max.in.flight.requests': '5' }, async ({ task, fake }) => {
    let refusals = 3
    // The first ones of `a` are refused for a while; what is behind them must wait.
    fake.refuse = ({ source }) =>
      source.includes('"step":1') && refusals-- > 0 ? { status: 429, type: 'es_rejected_execution_exception' } : null
    await task.put(
      [1, 2, 3].map(step =>
        record(
          step,
          'a',
          struct([
            ['step', step],
            [`field${step}`, true],
          ]),
        ),
      ),
    )
    await task.put([record(4, 'b', struct([['step', 9]]))])
    await task.flush()
    assert.deepEqual(JSON.parse(sources(fake)['events/a']!), { step: 3, field1: true, field2: true, field3: true })
    assert.deepEqual(JSON.parse(sources(fake)['events/b']!), { step: 9 })
  }))

test('within one request, too, what is behind a refused record of the same document is written again', () =>
  opened({ 'write.method': 'upsert' }, async ({ task, fake }) => {
    let refusals = 1
    fake.refuse = ({ source }) =>
      source.includes('"step":1') && refusals-- > 0 ? { status: 503, type: 'unavailable_shards_exception' } : null
    await task.put([record(0, 'a', struct([['step', 1]])), record(1, 'a', struct([['step', 2]])), record(2, 'b', struct([['step', 7]]))])
    await task.flush()
    assert.equal(sources(fake)['events/a'], '{"step":2}')
    assert.deepEqual(
      fake.bulks.map(items => items.length),
      [3, 2],
    )
  }))

test('what the mapping refuses is reported with its record, and the others are written', () =>
  opened(byPlace, async ({ task, fake, context }) => {
    fake.refuse = ({ source }) => (source.includes('"n":1}') ? { status: 400, type: 'mapper_parsing_exception' } : null)
    await task.put(range(0, 3))
    await task.flush()
    assert.equal(fake.documents.size, 2)
    assert.deepEqual(
      context.reported.map(each => Number(each.record.offset)),
      [1],
    )
    assert.ok(context.reported[0]!.error instanceof DataError)
    assert.match(context.reported[0]!.error.message, /mapper_parsing_exception/)
  }))

test('what the mapping refuses can be left out, with a line in the log', () =>
  opened({ ...byPlace, 'behavior.on.malformed.documents': 'warn' }, async ({ task, fake, context }) => {
    fake.refuse = () => ({ status: 400, type: 'mapper_parsing_exception' })
    await task.put(range(0, 1))
    await task.flush()
    assert.deepEqual([context.reported.length, context.warnings.length], [0, 1])
  }))

test('errors that are not tolerated fail the task', () =>
  opened(byPlace, async ({ task, fake, context }) => {
    fake.refuse = () => ({ status: 400, type: 'mapper_parsing_exception' })
    context.report = async (_, error) => {
      throw error
    }
    await task.put(range(0, 1))
    await assert.rejects(task.flush(), /mapper_parsing_exception/)
    await assert.rejects(task.put(range(1, 2)), /mapper_parsing_exception/)
  }))

for (const fault of [429, 503, 502, 'reset', 'silence', 'garbage', 'short'] as Fault[])
  test(`${fault}: the request is repeated`, () =>
    opened({ ...byPlace, ...(fault === 'silence' ? { 'read.timeout.ms': '500' } : {}) }, async ({ task, fake }) => {
      fake.faults.push({ on: /_bulk/, fault, left: 2 })
      await task.put(range(0, 10))
      await task.flush()
      assert.equal(fake.documents.size, 10)
    }))

test('a target that stays away fails the task after max.retries', () =>
  opened({ ...byPlace, 'max.retries': '2' }, async ({ task, fake }) => {
    fake.faults.push({ on: /_bulk/, fault: 503, left: 100 })
    await task.put(range(0, 1))
    await assert.rejects(task.flush(), /gave up after 3 attempts/)
    assert.equal(fake.log.filter(line => line.endsWith('_bulk')).length, 3)
  }))

test('a login that is refused fails the task at once, without the password', () =>
  opened({ ...byPlace, 'connection.username': 'me', 'connection.password': 'geheim' }, async ({ task, fake }) => {
    fake.faults.push({ on: /_bulk/, fault: 401, left: 1 })
    await task.put(range(0, 1))
    await assert.rejects(task.flush(), (error: Error) => /401/.test(error.message) && !/geheim/.test(`${error.stack}${error.cause}`))
    assert.equal(fake.headers.authorization, `Basic ${Buffer.from('me:geheim').toString('base64')}`)
  }))

test('a request that is too large is divided; a record that is too large is reported', () =>
  opened(byPlace, async ({ task, fake, context }) => {
    fake.mostBytes = 400
    await task.put([...range(0, 10), record(10, 'x', struct([['pad', 'x'.repeat(500)]]))])
    await task.flush()
    assert.equal(fake.documents.size, 10)
    assert.deepEqual(
      context.reported.map(each => Number(each.record.offset)),
      [10],
    )
  }))

test('a request that one record spoils is divided until it is found', () =>
  opened(byPlace, async ({ task, fake, context }) => {
    fake.faults.push({ on: /_bulk/, fault: 400, left: 2 })
    await task.put(range(0, 2))
    await task.flush()
    assert.equal(fake.documents.size, 1)
    assert.equal(context.reported.length, 1)
  }))

test('memory is bounded: the task takes no more while the target does not answer', () =>
  opened({ ...byPlace, 'batch.size': '2', 'max.buffered.records': '4', 'max.in.flight.requests': '2' }, async ({ task, fake }) => {
    const gate = Promise.withResolvers<void>()
    let asked = 0
    let most = 0
    fake.beforeBulk = async () => {
      most = Math.max(most, ++asked)
      await gate.promise
      asked--
    }
    let isTaken = false
    const put = task.put(range(0, 20)).then(() => (isTaken = true))
    while (asked < 2) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(isTaken, false)
    assert.equal(fake.bulks.flat().length, 4)
    gate.resolve()
    await put
    await task.flush()
    assert.equal(most, 2)
    assert.equal(fake.documents.size, 20)
  }))

test('a commit does not wait for ever', () =>
  opened({ ...byPlace, 'flush.timeout.ms': '50', 'read.timeout.ms': '60000' }, async ({ task, fake }) => {
    fake.faults.push({ on: /_bulk/, fault: 'silence', left: 1 })
    await task.put(range(0, 1))
    await assert.rejects(task.flush(), /flush\.timeout\.ms/)
  }))

test('indices by topic and date, made with a mapping from the schema', () =>
  opened(
    { ...byPlace, 'schema.ignore': 'false', 'index.name': '${topic}-${timestamp}', 'index.timestamp.format': 'yyyy.MM.dd' },
    async ({ task, fake }) => {
      const schema: Schema = {
        type: 'struct',
        fields: [
          { name: 'id', schema: { type: 'int64' } },
          { name: 'name', schema: { type: 'string' } },
          { name: 'price', schema: decimal(2) },
          { name: 'at', schema: { type: 'int64', name: logical.timestamp } },
          { name: 'inner', schema: { type: 'struct', fields: [{ name: 'yes', schema: { type: 'boolean' } }] } },
          { name: 'tags', schema: { type: 'array', items: { type: 'int32' } } },
        ],
      }
      const value = struct([
        ['id', 1n],
        ['name', 'x'],
        ['price', new Decimal(1n, 2)],
        ['at', 0n],
        ['inner', struct([['yes', true]])],
        ['tags', [1]],
      ])
      const more = { valueSchema: schema, topic: 'Web.Events', timestampMs: Date.UTC(2026, 10, 30, 23, 59) }
      await task.put([record(0, null, value, more)])
      await task.flush()
      assert.deepEqual([...fake.documents.keys()], ['web.events-2026.11.30/Web.Events+0+0'])
      assert.deepEqual(fake.indices.get('web.events-2026.11.30'), {
        mappings: {
          properties: {
            id: { type: 'long' },
            name: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
            price: { type: 'double' },
            at: { type: 'date' },
            inner: { properties: { yes: { type: 'boolean' } } },
            tags: { type: 'integer' },
          },
        },
      })
    },
  ))

test('data streams: created, with @timestamp, each record once', () =>
  opened({ ...byPlace, 'data.stream.type': 'logs', 'data.stream.dataset': 'web' }, async ({ task, fake }) => {
    await task.put([record(0, null, struct([['n', 1]]), { timestampMs: 7 }), record(1, null, struct([['@timestamp', 'mine']]))])
    await task.put([record(0, null, struct([['n', 1]]), { timestampMs: 7 })])
    await task.flush()
    assert.deepEqual(sources(fake), {
      'logs-web-events/events+0+0': '{"@timestamp":7,"n":1}',
      'logs-web-events/events+0+1': '{"@timestamp":"mine"}',
    })
    assert.ok(fake.log.includes('PUT /_data_stream/logs-web-events'))
    assert.ok(fake.bulks.flat().every(item => item.kind === 'create'))
  }))

test('data streams: documents of a topic that was made again are not taken for those of the one before', () =>
  opened({ ...byPlace, 'data.stream.type': 'logs', 'data.stream.dataset': 'web' }, async ({ task, fake }) => {
    for (const topicId of ['one', 'two']) {
      await task.opened!([{ topic: 'events', partition: 0, topicId }])
      await task.put([record(0, null, struct([['@timestamp', topicId]]))])
      await task.flush()
    }
    assert.deepEqual([...fake.documents.keys()], ['logs-web-events/events:one+0+0', 'logs-web-events/events:two+0+0'])
  }))

test('resources that are there already are written and never made', () =>
  opened(
    { ...byPlace, 'external.resource.usage': 'ALIAS_INDEX', 'topic.to.external.resource.mapping': 'events:my-alias' },
    async ({ task, fake }) => {
      await task.put([record(0, null)])
      await task.flush()
      assert.deepEqual([...fake.documents.keys()], ['my-alias/events+0+0'])
      assert.deepEqual(fake.log, ['POST /_bulk'])
    },
  ))

test('the version can come from a header', () =>
  opened({ 'external.version.header': 'v' }, async ({ task, fake, context }) => {
    const header = (value: ConnectValue) => ({ headers: [{ name: 'v', schema: null, value }] })
    await task.put([
      record(0, 'a', struct([['n', 1]]), header('20')),
      record(1, 'a', struct([['n', 2]]), header(10n)),
      record(2, 'a', struct(), header('x')),
    ])
    await task.flush()
    assert.equal(sources(fake)['events/a'], '{"n":1}')
    assert.equal(context.reported.length, 1)
  }))

test('records that cannot become documents are reported', () =>
  opened({}, async ({ task, context, fake }) => {
    await task.put([
      record(0, null),
      record(1, ''),
      record(2, 'x'.repeat(513)),
      record(3, struct([['a', 1]])),
      record(4, 'a', 'text'),
      record(5, 'a', [1]),
      record(6, 12n),
    ])
    await task.flush()
    assert.deepEqual(
      context.reported.map(each => Number(each.record.offset)),
      [0, 1, 2, 3, 4, 5],
    )
    assert.deepEqual([...fake.documents.keys()], ['events/12'])
  }))

test('configurations that cannot work are refused, key by key', async () => {
  const check = async (config: Record<string, string>) =>
    [...(await elasticsearch.check!(valuesOf(elasticsearch.config, config))).keys()].sort()
  await assert.rejects(check({}), { name: 'InvalidConfig', key: 'connection.url' })
  const good = { 'connection.url': 'http://x' }
  assert.deepEqual(await check(good), [])
  assert.deepEqual(await check({ ...good, 'connection.password': 'x' }), ['connection.username'])
  assert.deepEqual(await check({ ...good, 'data.stream.type': 'LOGS' }), ['data.stream.dataset'])
  assert.deepEqual(await check({ ...good, 'external.resource.usage': 'INDEX' }), ['topic.to.external.resource.mapping'])
  for (const [key, value] of Object.entries({
    'connection.url': 'node:9200',
    'batch.size': '0',
    'write.method': 'replace',
    'index.name': '${key}',
    'topic.index.map': 'x',
    'read.timeout.ms': 'soon',
  }))
    assert.throws(() => valuesOf(elasticsearch.config, { ...good, [key]: value }), new RegExp(key.replaceAll('.', '\\.')))
})
