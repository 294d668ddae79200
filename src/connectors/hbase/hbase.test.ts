import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Decimal, struct } from '../../connector.ts'
import { openSink, sinkRecord } from '../../connector-testing.ts'
import { type Answered, type Asked, startServer } from '../http-server.testing.ts'
import { hbase } from './hbase.ts'

interface SentRow {
  key: string
  Cell: { column: string; timestamp?: number; $: string }[]
}

const text = (base64: string) => Buffer.from(base64, 'base64').toString()

/** A REST server with one table `t` and the families `cf` and `meta`. */
async function startRest(test: TestContext, refuse: (asked: Asked) => Answered | null | undefined = () => undefined) {
  const families = new Map([['t', ['cf', 'meta']]])
  const puts: { key: string; cells: Record<string, [value: string, timestamp: number | undefined]> }[] = []
  const deletes: string[] = []
  const server = await startServer(test, asked => {
    const refused = refuse(asked)
    if (refused !== undefined) return refused
    const [, table = '', rest] = asked.path.split('/')
    if (rest === 'schema' && asked.method === 'GET') {
      const known = families.get(table)
      return known === undefined
        ? { status: 404, body: 'Not found' }
        : { status: 200, body: JSON.stringify({ name: table, ColumnSchema: known.map(name => ({ name })) }) }
    }
    if (rest === 'schema') {
      const { ColumnSchema } = JSON.parse(asked.body.toString()) as { ColumnSchema: { name: string }[] }
      families.set(table, [...(asked.method === 'PUT' ? [] : (families.get(table) ?? [])), ...ColumnSchema.map(({ name }) => name)])
      return { status: 201 }
    }
    if (asked.method === 'DELETE') deletes.push(asked.path)
    else {
      const { Row } = JSON.parse(asked.body.toString()) as { Row: SentRow[] }
      for (const row of Row)
        puts.push({
          key: text(row.key),
          cells: Object.fromEntries(row.Cell.map(cell => [text(cell.column), [text(cell.$), cell.timestamp]])),
        })
    }
    return { status: 200 }
  })
  return { url: server.url, asked: server.asked, puts, deletes, families }
}

test('fields are cells, whose version is the time of the record', async t => {
  const rest = await startRest(t)
  const { task } = await openSink(hbase, { 'hbase.rest.url': rest.url, 'table.name.format': 't' })
  const value = struct([
    ['name', 'Zoë'],
    ['n', 9_007_199_254_740_993n],
    ['price', new Decimal(1250n, 2)],
    ['gone', null],
    ['meta', struct([['source', 'web']])],
  ])
  await task.put([
    sinkRecord({ key: 'r1', value, timestampMs: 5n }),
    sinkRecord({
      offset: 1n,
      key: struct([
        ['a', 1],
        ['b', 'x'],
      ]),
      value: 'plain',
      timestampMs: 6n,
    }),
  ])
  assert.deepEqual(rest.puts, [
    { key: 'r1', cells: { 'cf:name': ['Zoë', 5], 'cf:n': ['9007199254740993', 5], 'cf:price': ['12.50', 5], 'meta:source': ['web', 5] } },
    { key: '1,x', cells: { 'cf:value': ['plain', 6] } },
  ])
  await task.close()
})

test('columns can be mapped, with templates and paths, and the row key is a template', async t => {
  const rest = await startRest(t)
  const { task } = await openSink(hbase, {
    'hbase.rest.url': rest.url,
    'table.name.format': 't',
    'row.key': '${value.user.id}-${partition}',
    'column.mapping': 'cf:id=user.id,cf:all=,meta:from=${topic}',
    'cell.timestamp': 'offset',
  })
  await task.put([sinkRecord({ offset: 9n, value: struct([['user', struct([['id', 7]])]]) })])
  assert.deepEqual(rest.puts, [{ key: '7-0', cells: { 'cf:id': ['7', 9], 'cf:all': ['{"user":{"id":7}}', 9], 'meta:from': ['t', 9] } }])
  await task.close()
})

test('numbers of a schema are as Bytes.toBytes writes them', async t => {
  const rest = await startRest(t)
  const { task } = await openSink(hbase, { 'hbase.rest.url': rest.url, 'table.name.format': 't' })
  const types = ['int8', 'int16', 'int32', 'int64', 'float64', 'boolean'] as const
  const valueSchema = { type: 'struct', fields: types.map(type => ({ name: type, schema: { type } })) } as const
  const value = struct([
    ['int8', -1],
    ['int16', 258],
    ['int32', 1],
    ['int64', 1n],
    ['float64', 0.5],
    ['boolean', true],
  ])
  await task.put([sinkRecord({ key: 'r', value, valueSchema })])
  const sent = (JSON.parse(rest.asked.at(-1)!.body.toString()) as { Row: SentRow[] }).Row[0]!.Cell
  const hex = Object.fromEntries(sent.map(cell => [text(cell.column).slice(3), Buffer.from(cell.$, 'base64').toString('hex')]))
  assert.deepEqual(hex, {
    int8: 'ff',
    int16: '0102',
    int32: '00000001',
    int64: '0000000000000001',
    float64: '3fe0000000000000',
    boolean: 'ff',
  })
  await task.close()
})

test('a tombstone deletes up to its version, between the puts around it', async t => {
  const rest = await startRest(t)
  const { task } = await openSink(hbase, { 'hbase.rest.url': rest.url, 'table.name.format': 't' })
  const put = (offset: bigint, timestampMs: bigint) => sinkRecord({ offset, timestampMs, key: 'a b/é', value: struct([['x', offset]]) })
  await task.put([put(0n, 1n), sinkRecord({ offset: 1n, timestampMs: 2n, key: 'a b/é' }), put(2n, 3n)])
  assert.deepEqual(
    rest.asked.slice(1).map(({ method }) => method),
    ['PUT', 'DELETE', 'PUT'],
  )
  assert.deepEqual(rest.deletes, ['/t/a%20b%2F%C3%A9/cf,meta/2'])
  await task.put([sinkRecord({ offset: 3n, timestampMs: 4n, key: Buffer.from([0xff, 1]) })])
  assert.equal(
    rest.deletes.at(-1),
    `/t/_wE/${Buffer.from('cf').toString('base64url')},${Buffer.from('meta').toString('base64url')}/4?e=b64`,
  )
  await task.close()
})

test('of two values for one cell of a batch the later one is sent', async t => {
  const rest = await startRest(t)
  const { task } = await openSink(hbase, { 'hbase.rest.url': rest.url, 'table.name.format': 't' })
  const record = (offset: bigint, x: string) => sinkRecord({ offset, timestampMs: 1n, key: 'r', value: struct([['x', x]]) })
  await task.put([record(0n, 'old'), record(1n, 'new')])
  assert.deepEqual(rest.puts, [{ key: 'r', cells: { 'cf:x': ['new', 1] } }])
  await task.close()
})

test('a row that is refused is reported, and the others are written', async t => {
  const bad = Buffer.from('bad').toString('base64')
  const rest = await startRest(t, asked =>
    asked.method === 'PUT' && asked.body.includes(bad) ? { status: 400, body: 'Bad request' } : undefined,
  )
  const { task, reported } = await openSink(hbase, { 'hbase.rest.url': rest.url, 'table.name.format': 't' })
  await task.put([
    ...['a', 'b', 'bad', 'd'].map((key, index) => sinkRecord({ offset: BigInt(index), key, value: struct([['x', 1]]) })),
    sinkRecord({ offset: 4n, value: struct([['x', 1]]) }),
    sinkRecord({ offset: 5n, key: 'f', value: struct([['other', struct([['x', 1]])]]) }),
  ])
  assert.deepEqual(rest.puts.map(({ key }) => key).sort(), ['a', 'b', 'd'])
  assert.deepEqual(reported.map(({ record }) => record.offset).sort(), [2n, 4n, 5n])
  await task.close()
})

test('a server that is away or busy is asked again, the next one first', async t => {
  let fails = true
  const away = await startRest(t, asked => (fails && asked.method === 'PUT' ? { status: 503, headers: { 'retry-after': '2' } } : undefined))
  const { task, reported } = await openSink(hbase, { 'hbase.rest.url': `${away.url},http://127.0.0.1:1`, 'table.name.format': 't' })
  const records = [sinkRecord({ key: 'a', value: 'x' })]
  await assert.rejects(task.put(records), { name: 'RetriableError', retryAfterMs: 2_000 })
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  fails = false
  await task.put(records)
  assert.deepEqual(
    away.puts.map(({ key }) => key),
    ['a'],
  )
  assert.deepEqual(reported, [])
  await task.close()
})

test('missing rights and a missing table fail the task; tables and families can be created', async t => {
  const denied = await startRest(t, () => ({ status: 403, body: 'Forbidden' }))
  const records = [sinkRecord({ topic: 'new', key: 'a', value: struct([['more', struct([['x', 'y']])]]) })]
  const closed = await openSink(hbase, { 'hbase.rest.url': denied.url })
  await assert.rejects(closed.task.put(records), /403: Forbidden/)
  const rest = await startRest(t)
  const { task } = await openSink(hbase, { 'hbase.rest.url': rest.url })
  await assert.rejects(task.put(records), /there is no table new/)
  const creating = await openSink(hbase, {
    'hbase.rest.url': rest.url,
    'auto.create.tables': 'true',
    'auto.create.column.families': 'true',
  })
  await creating.task.put(records)
  await creating.task.put([sinkRecord({ topic: 'new', offset: 1n, key: 'b', value: 'x' })])
  assert.deepEqual(rest.families.get('new'), ['more', 'cf'])
  for (const each of [closed, creating]) await each.task.close()
  await task.close()
})
