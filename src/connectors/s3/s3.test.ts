import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { RetriableError, type SinkRecord, type SinkTask, struct } from '../../connector.ts'
import { problemsIn, sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeS3, type Fault } from './s3.testing.ts'
import { s3 } from './sink.ts'

async function opened(config: Record<string, string>, work: (it: { task: SinkTask; fake: FakeS3; context: TestContext }) => Promise<void>) {
  const fake = await FakeS3.start()
  const context = new TestContext()
  const values = valuesOf(s3.config, {
    's3.bucket.name': 'b',
    'store.url': fake.url,
    'aws.access.key.id': 'id',
    'aws.secret.access.key': 'secret',
    'flush.size': '100',
    's3.part.retries': '0',
    ...config,
  })
  const task = await s3.open(values, context)
  try {
    await work({ task, fake, context })
  } finally {
    await task.close()
    await fake.stop()
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) =>
    sinkRecord({ topic: 'events', timestampMs: 0, offset: from + index, value: struct([['n', from + index]]) }),
  )

async function putPatiently(task: SinkTask, records: readonly SinkRecord[]): Promise<number> {
  for (let attempt = 0; ; attempt++)
    try {
      await task.put(records)
      return attempt
    } catch (error) {
      if (!(error instanceof RetriableError) || attempt > 20) throw error
    }
}

test('small objects are put at once, under the names of Confluent’s connector', () =>
  opened({ 's3.compression.type': 'gzip', 's3.ssea.name': 'AES256', 's3.acl.canned': 'private' }, async ({ task, fake }) => {
    await task.put(range(0, 250))
    assert.deepEqual(
      [...fake.objects.keys()],
      ['topics/events/partition=0/events+0+0000000000.json.gz', 'topics/events/partition=0/events+0+0000000100.json.gz'],
    )
    const { body, headers } = fake.objects.get('topics/events/partition=0/events+0+0000000100.json.gz')!
    assert.equal(gunzipSync(body).toString(), Array.from({ length: 100 }, (_, n) => `{"n":${100 + n}}\n`).join(''))
    assert.equal(headers['x-amz-server-side-encryption'], 'AES256')
    assert.equal(headers['x-amz-acl'], 'private')
    assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 200n }])
  }))

test('parquet is read back', () =>
  opened({ 'format.class': 'io.confluent.connect.s3.format.parquet.ParquetFormat' }, async ({ task, fake }) => {
    await task.put(range(0, 100))
    const { body } = fake.objects.get('topics/events/partition=0/events+0+0000000000.parquet')!
    const rows = await parquetReadObjects({ file: body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer })
    assert.deepEqual(
      rows.map(row => row['n']),
      Array.from({ length: 100 }, (_, n) => BigInt(n)),
    )
  }))

const large = (offset: number) => sinkRecord({ topic: 'events', timestampMs: 0, offset, value: 'x'.repeat(2 ** 20) })

test('large objects go in parts, and nobody sees them before they are complete', () =>
  opened({ 'flush.size': '12', 's3.part.size': String(5 * 2 ** 20) }, async ({ task, fake }) => {
    for (let offset = 0; offset < 11; offset++) await task.put([large(offset)])
    assert.equal(fake.objects.size, 0)
    assert.equal(fake.uploads.size, 1)
    await task.put([large(11)])
    assert.equal(fake.uploads.size, 0)
    assert.equal(fake.objects.get('topics/events/partition=0/events+0+0000000000.json')!.body.length, 12 * (2 ** 20 + 3))
    assert.equal(fake.log.filter(line => line.includes('partNumber')).length, 3)
  }))

test('closing gives up what is not complete', () =>
  opened({ 'flush.size': '12', 's3.part.size': String(5 * 2 ** 20) }, async ({ task, fake }) => {
    for (let offset = 0; offset < 6; offset++) await task.put([large(offset)])
    assert.equal(fake.uploads.size, 1)
    await task.closed!([{ topic: 'events', partition: 0 }])
    assert.equal(fake.uploads.size, 0)
  }))

test('uploads of an earlier run are given up, those of other partitions are not', () =>
  opened({}, async ({ task, fake }) => {
    fake.uploads.set('old', { key: 'topics/events/partition=1/events+1+0000000000.json', parts: new Map() })
    fake.uploads.set('other', { key: 'topics/events/partition=11/events+11+0000000000.json', parts: new Map() })
    await task.opened!([{ topic: 'events', partition: 1 }])
    assert.deepEqual([...fake.uploads.keys()], ['other'])
  }))

for (const fault of [500, 503, 'reset', 'silence', 'lost', 'garbage'] as Fault[])
  test(`${fault}: the object is written again, once`, () =>
    opened(fault === 'silence' ? { 's3.request.timeout.ms': '500' } : {}, async ({ task, fake }) => {
      fake.faults.push({ on: /^PUT/, fault, left: 2 })
      assert.equal(await putPatiently(task, range(0, 100)), 2)
      assert.deepEqual([...fake.objects.keys()], ['topics/events/partition=0/events+0+0000000000.json'])
      assert.equal(fake.objects.get('topics/events/partition=0/events+0+0000000000.json')!.body.toString().split('\n').length, 101)
    }))

test('the answer to a completed upload was lost: it is complete', () =>
  opened({ 'flush.size': '6', 's3.part.size': String(5 * 2 ** 20) }, async ({ task, fake }) => {
    fake.faults.push({ on: /^POST .*uploadId/, fault: 'lost', left: 1 })
    assert.equal(
      await putPatiently(
        task,
        Array.from({ length: 6 }, (_, offset) => large(offset)),
      ),
      1,
    )
    assert.equal(fake.objects.size, 1)
    assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 6n }])
  }))

test('an upload that is gone fails the task, which reads again', () =>
  opened({ 'flush.size': '7', 's3.part.size': String(5 * 2 ** 20) }, async ({ task, fake }) => {
    await task.put(Array.from({ length: 6 }, (_, offset) => large(offset)))
    fake.uploads.clear()
    await assert.rejects(task.put([large(6)]), (error: Error) => !(error instanceof RetriableError) && /NoSuchUpload/.test(error.message))
    assert.deepEqual(await task.flush().catch(() => 'fails again'), 'fails again')
  }))

test('what is not allowed fails the task, and says what was asked for, without secrets', () =>
  opened({}, async ({ task, fake }) => {
    fake.faults.push({ on: /^PUT/, fault: 403, left: 1 })
    await assert.rejects(task.put(range(0, 100)), (error: Error) => {
      assert.ok(!(error instanceof RetriableError))
      assert.match(error.message, /put topics\/events\/partition=0\/events\+0\+0000000000\.json: AccessDenied \(403\)/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }))

test('configurations that cannot work are refused, key by key', async () => {
  const check = async (config: Record<string, string>) => [...(await problemsIn(s3, config)).keys()].sort()
  assert.deepEqual(await check({}), ['flush.size', 's3.bucket.name'])
  const good = { 's3.bucket.name': 'b', 'flush.size': '1' }
  assert.deepEqual(await check(good), [])
  assert.deepEqual(await check({ ...good, 'aws.access.key.id': 'x' }), ['aws.access.key.id'])
  assert.deepEqual(await check({ ...good, 'partitioner.class': 'field' }), ['partition.field.name'])
  assert.deepEqual(await check({ ...good, 'partitioner.class': 'time', 'partition.duration.ms': '1' }), ['path.format'])
  assert.deepEqual(await check({ ...good, 'partitioner.class': 'time', 'path.format': 'YYYY-q', 'partition.duration.ms': '1' }), [
    'path.format',
  ])
  assert.deepEqual(await check({ ...good, 's3.sse.customer.key': 'short' }), ['s3.sse.customer.key'])
  for (const [key, value] of Object.entries({
    'format.class': 'xml',
    's3.part.size': '1',
    'store.url': 'ftp://x',
    's3.compression.type': 'lz4',
    timezone: 'Mars/Olympus',
    'csv.delimiter': '""',
    'flush.size': '0',
  }))
    assert.throws(() => valuesOf(s3.config, { ...good, [key]: value }), new RegExp(key.replaceAll('.', '\\.')))
})

const place = { topic: 'events', partition: 0 }
const first = 'AAAAAAAAAAAAAAAAAAAAAQ'
const second = 'AAAAAAAAAAAAAAAAAAAAAg'

test('objects and notes of a topic that was made again replace none of the one before', () =>
  opened({ 'rotate.schedule.interval.ms': '3600000' }, async ({ task, fake }) => {
    // Of a version that did not note ids.
    await task.opened!([place])
    await task.put(range(0, 100))
    await task.closed!([place])
    await task.opened!([{ ...place, topicId: first }])
    await task.put(range(100, 200))
    await task.closed!([place])
    fake.uploads.set('old', { key: 'topics/events/partition=0/events+0+0000000200.json', parts: new Map() })
    await task.opened!([{ ...place, topicId: second }])
    assert.equal(fake.uploads.size, 0)
    await task.put(range(0, 100))
    const again = `events+${second}+0`
    assert.deepEqual(
      [...fake.objects.keys()],
      [
        'topics/+ends/test/events+0.json',
        'topics/events/partition=0/events+0+0000000000.json',
        'topics/+topics/events',
        'topics/events/partition=0/events+0+0000000100.json',
        `topics/+ends/test/${again}.json`,
        `topics/events/partition=0/${again}+0000000000.json`,
      ],
    )
    assert.equal(fake.objects.get('topics/+ends/test/events+0.json')!.body.toString(), '["99","199"]')
    assert.equal(fake.objects.get('topics/+topics/events')!.body.toString(), first)
  }))

for (const on of [/^GET .*topics/, /^PUT .*topics/])
  test(`who may not ${on.source} notes goes on with plain names`, () =>
    opened({}, async ({ task, fake, context }) => {
      fake.faults.push({ on, fault: 403, left: 1 })
      await task.opened!([{ ...place, topicId: first }])
      assert.equal(context.warnings.length, 1)
      await task.put(range(0, 100))
      assert.deepEqual([...fake.objects.keys()], ['topics/events/partition=0/events+0+0000000000.json'])
    }))
