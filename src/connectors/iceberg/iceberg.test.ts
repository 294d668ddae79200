import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import avsc from 'avsc'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { type ConnectValue, Decimal, decimal, logical, type Schema, type SinkRecord, type SinkTask, struct } from '../../connector.ts'
import { sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeS3 } from '../s3/s3.testing.ts'
import { FakeCatalogue, type Fault } from './catalog.testing.ts'
import { iceberg } from './sink.ts'

interface It {
  catalogue: FakeCatalogue
  objects: FakeS3
  open(config?: Record<string, string>): Promise<{ task: SinkTask; context: TestContext }>
}

async function withFakes(work: (it: It) => Promise<void>): Promise<void> {
  const [catalogue, objects] = await Promise.all([FakeCatalogue.start(), FakeS3.start()])
  const tasks: SinkTask[] = []
  const open = async (config: Record<string, string> = {}) => {
    const context = new TestContext()
    const given = {
      'iceberg.tables': 'db.events',
      'iceberg.catalog.uri': catalogue.url,
      'iceberg.catalog.s3.endpoint': objects.url,
      'iceberg.catalog.s3.access-key-id': 'id',
      'iceberg.catalog.s3.secret-access-key': 'secret',
      'iceberg.tables.auto-create-enabled': 'true',
      'iceberg.tables.evolve-schema-enabled': 'true',
      'iceberg.control.commit.interval-ms': '0',
      ...config,
    }
    const task = await iceberg.open(valuesOf(iceberg.config, given), context)
    tasks.push(task)
    return { task, context }
  }
  try {
    await work({ catalogue, objects, open })
  } finally {
    for (const task of tasks) await task.close()
    await Promise.all([catalogue.stop(), objects.stop()])
  }
}

type Row = Record<string, unknown>

async function readAvro(file: Buffer): Promise<Row[]> {
  const decoder = new avsc.streams.BlockDecoder()
  decoder.end(file)
  const rows: Row[] = []
  for await (const row of decoder) rows.push(row as Row)
  return rows
}

/** As an engine reads the table: by the snapshot's list of manifests. Numbers of the test are small, snapshots' ids are not looked at. */
async function rowsOf({ catalogue, objects }: It, name = 'db.events'): Promise<Row[]> {
  const table = catalogue.tables.get(name)!
  const snapshot = table.snapshots.find(each => each['snapshot-id'] === table['current-snapshot-id'])!
  const fileAt = (location: string) => objects.objects.get(location.replace('s3://b/', ''))!.body
  const rows: Row[] = []
  const { readManifestList } = await import('./manifests.ts')
  for (const manifest of await readManifestList(fileAt(snapshot['manifest-list']))) {
    assert.equal(manifest['manifest_length'], BigInt(fileAt(manifest['manifest_path'] as string).length))
    for (const entry of await readAvro(fileAt(manifest['manifest_path'] as string))) {
      const file = entry['data_file'] as { file_path: string; record_count: number; file_size_in_bytes: number }
      const body = fileAt(file.file_path)
      assert.equal(file.file_size_in_bytes, body.length)
      const bytes = body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer
      const read = await parquetReadObjects({ file: bytes, compressors: { ZSTD: page => zstdDecompressSync(page) } })
      assert.equal(read.length, file.record_count)
      rows.push(...read)
    }
  }
  return rows
}

const record = (offset: number, value: ConnectValue, more: Partial<Parameters<typeof sinkRecord>[0]> = {}) =>
  sinkRecord({ topic: 'events', timestampMs: 0, offset, value, ...more })
const range = (from: number, to: number, partition = 0): SinkRecord[] =>
  Array.from({ length: to - from }, (_, index) => record(from + index, struct([['n', from + index]]), { partition }))
const numbers = (rows: readonly Row[]) => rows.map(row => Number(row['n'])).sort((one, other) => one - other)
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

test('a table is made from the first record, with types, and rows are committed with their offsets', () =>
  withFakes(async it => {
    const { task } = await it.open({ 'iceberg.tables.default-partition-by': 'day(at),kind' })
    const schema: Schema = {
      type: 'struct',
      fields: [
        { name: 'id', schema: { type: 'int64' } },
        { name: 'price', schema: decimal(2) },
        { name: 'day', schema: { type: 'int32', name: logical.date } },
        { name: 'at', schema: { type: 'int64', name: logical.timestamp } },
        { name: 'kind', schema: { type: 'string', optional: true } },
        { name: 'tags', schema: { type: 'array', items: { type: 'string' }, optional: true } },
        { name: 'inner', schema: { type: 'struct', optional: true, fields: [{ name: 'x', schema: { type: 'int32' } }] } },
      ],
    }
    const value = (kind: string | null) =>
      struct([
        ['id', 9007199254740993n],
        ['price', new Decimal(1234n, 2)],
        ['day', 20_000],
        ['at', 1_764_475_200_123n],
        ['kind', kind],
        ['tags', ['a']],
        ['inner', struct([['x', 1]])],
      ])
    await task.put([
      record(0, value('a'), { valueSchema: schema }),
      record(1, value('b'), { valueSchema: schema }),
      record(2, value(null), { valueSchema: schema }),
    ])
    assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 3n }])
    const table = it.catalogue.tables.get('db.events')!
    assert.deepEqual(
      table.schemas[0]!.fields.map(field => [
        field.id,
        field.name,
        field.required,
        typeof field.type === 'string' ? field.type : field.type.type,
      ]),
      [
        [1, 'id', true, 'long'],
        [2, 'price', true, 'decimal(38,2)'],
        [3, 'day', true, 'date'],
        [4, 'at', true, 'timestamptz'],
        [5, 'kind', false, 'string'],
        [6, 'tags', false, 'list'],
        [7, 'inner', false, 'struct'],
      ],
    )
    assert.deepEqual(
      table['partition-specs'][0]!.fields.map(field => [field['source-id'], field.name, field.transform]),
      [
        [4, 'at_day', 'day'],
        [5, 'kind', 'identity'],
      ],
    )
    assert.equal(table.properties['millrace.offsets.test.events.0'], '3')
    const rows = await rowsOf(it)
    assert.equal(rows.length, 3)
    const row = rows.find(each => each['kind'] === 'a')!
    assert.deepEqual([row['id'], row['price'], row['tags'], row['inner']], [9007199254740993n, 12.34, ['a'], { x: 1 }])
    assert.equal((row['at'] as Date).getTime(), 1_764_475_200_123)
    const data = [...it.objects.objects].filter(([name]) => name.endsWith('.parquet'))
    assert.equal(data.length, 3)
    const body = data[0]![1].body
    const { schema: elements } = parquetMetadata(body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer)
    assert.deepEqual(
      elements
        .filter(each => each.field_id !== undefined)
        .map(each => each.field_id)
        .sort((one, other) => one! - other!),
      upTo(10).slice(1),
    )
  }))

test('what was committed is not written again, whatever Kafka believes', () =>
  withFakes(async it => {
    const { task } = await it.open()
    await task.put([...range(0, 5), ...range(0, 3, 1)])
    await task.flush()
    await task.put(range(5, 7))
    const { task: again } = await it.open()
    await again.opened!([])
    await again.put([...range(0, 9), ...range(0, 4, 1)])
    await again.flush()
    assert.deepEqual(
      numbers(await rowsOf(it)),
      [...upTo(9), ...upTo(4)].sort((one, other) => one - other),
    )
  }))

for (const fault of ['reset', 'lost', 500, 502] as Fault[])
  test(`${fault} at a commit: each row is there once`, () =>
    withFakes(async it => {
      const { task } = await it.open()
      await task.put(range(0, 1))
      await task.flush()
      it.catalogue.faults.push({ on: /^POST .*\/tables\/events$/, fault, left: 1 })
      await task.put(range(1, 5))
      await task.flush()
      assert.deepEqual(numbers(await rowsOf(it)), upTo(5))
    }))

test('the offsets of a topic are not those of another one with its name', () =>
  withFakes(async it => {
    for (const topicId of ['before', 'after', 'before']) {
      const { task } = await it.open()
      await task.opened!([{ topic: 'events', partition: 0, topicId }])
      await task.put([0, 1].map(offset => record(offset, struct([['id', offset]]))))
      await task.flush()
    }
    assert.equal((await rowsOf(it)).length, 4)
    const { properties } = it.catalogue.tables.get('db.events')!
    assert.deepEqual(
      ['before', 'after'].map(topicId => properties[`millrace.offsets.test.events:${topicId}.0`]),
      ['2', '2'],
    )
  }))

test('another writer is first: the commit is made again on top of it', () =>
  withFakes(async it => {
    const { task } = await it.open()
    const { task: other } = await it.open()
    await task.put(range(0, 3))
    await other.put(range(0, 3, 1))
    await Promise.all([task.flush(), other.flush()])
    assert.deepEqual(numbers(await rowsOf(it)), [0, 0, 1, 1, 2, 2])
  }))

test('of two tasks with the same partition only one commits', () =>
  withFakes(async it => {
    const { task } = await it.open()
    const { task: zombie } = await it.open()
    await task.put(range(0, 1))
    await task.flush()
    await zombie.put(range(0, 3))
    await task.put(range(1, 3))
    await task.flush()
    await assert.rejects(zombie.flush(), /another one writes the same partition/)
    assert.deepEqual(numbers(await rowsOf(it)), upTo(3))
  }))

test('new fields become columns, numbers become wider; rows before have null', () =>
  withFakes(async it => {
    const { task } = await it.open()
    const one: Schema = { type: 'struct', fields: [{ name: 'n', schema: { type: 'int32' } }] }
    const two: Schema = {
      type: 'struct',
      fields: [
        { name: 'n', schema: { type: 'int64' } },
        { name: 'more', schema: { type: 'string' } },
      ],
    }
    await task.put([record(0, struct([['n', 0]]), { valueSchema: one })])
    await task.put([
      record(
        1,
        struct([
          ['n', 1n],
          ['more', 'x'],
        ]),
        { valueSchema: two },
      ),
    ])
    await task.put([record(2, struct([['n', 2]]), { valueSchema: one })])
    await task.flush()
    const table = it.catalogue.tables.get('db.events')!
    assert.deepEqual(
      table.schemas.at(-1)!.fields.map(field => [field.id, field.name, field.type, field.required]),
      [
        [1, 'n', 'long', true],
        [2, 'more', 'string', false],
      ],
    )
    assert.deepEqual((await rowsOf(it)).map(row => [Number(row['n']), row['more'] ?? null]).sort(), [
      [0, null],
      [1, 'x'],
      [2, null],
    ])
  }))

test('without evolution new fields are left out, and what does not fit is reported', () =>
  withFakes(async it => {
    const { task, context } = await it.open({ 'iceberg.tables.evolve-schema-enabled': 'false' })
    await task.put([
      record(
        0,
        struct([
          ['n', 0],
          ['nothing', null],
        ]),
      ),
      record(
        1,
        struct([
          ['n', 1],
          ['more', 'x'],
        ]),
      ),
      record(2, struct([['n', 'text']])),
      record(3, null),
      record(4, 'text'),
    ])
    await task.flush()
    assert.deepEqual(
      (await rowsOf(it)).map(row => Object.keys(row)),
      [['n'], ['n']],
    )
    assert.deepEqual(
      context.reported.map(each => Number(each.record.offset)),
      [2, 4],
    )
  }))

test('a table for each topic, and none that nobody made', () =>
  withFakes(async it => {
    const { task } = await it.open({ 'iceberg.tables': 'db.${topic}' })
    await task.put([record(0, struct([['n', 1]]), { topic: 'web.a' }), record(0, struct([['n', 2]]), { topic: 'b' })])
    await task.flush()
    assert.deepEqual([...it.catalogue.tables.keys()].sort(), ['db.b', 'db.web_a'])
    const { task: strict } = await it.open({ 'iceberg.tables': 'db.none', 'iceberg.tables.auto-create-enabled': 'false' })
    await assert.rejects(strict.put(range(0, 1)), /there is no table db\.none/)
  }))
