import assert from 'node:assert/strict'
import { type TestContext as Test, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { RetriableError, type SourceRecord, struct } from '../../connector.ts'
import { openSink, openSource, sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeS3 } from '../s3/s3.testing.ts'
import { s3 } from '../s3/sink.ts'
import { keys } from './keys.ts'
import { seriesOf, targetsOf } from './names.ts'
import { s3Source } from './s3-source.ts'

async function start(test: Test): Promise<{ fake: FakeS3; base: Record<string, string> }> {
  const fake = await FakeS3.start()
  test.after(() => fake.stop())
  const base = {
    's3.bucket.name': 'b',
    'store.url': fake.url,
    'aws.access.key.id': 'id',
    'aws.secret.access.key': 'secret',
    's3.part.retries': '0',
    's3.request.timeout.ms': '500',
  }
  return { fake, base }
}

const generic = { mode: 'GENERIC', 'topics.dir': 'in', 'topic.regex.list': 'orders:.*\\.json.*', 's3.poll.interval.ms': '1' }
const put = (fake: FakeS3, key: string, body: string | Buffer) => fake.objects.set(key, { body: Buffer.from(body as string), headers: {} })
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `{"n":${from + at}}\n`).join('')
const numbers = (records: readonly SourceRecord[]) => records.map(({ value }) => Number((value as { n: number }).n))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)

for (const format of ['json', 'avro', 'parquet'])
  test(`what the sink wrote as ${format} goes back into its topic and partition`, async t => {
    const { base } = await start(t)
    const sink = await openSink(s3, {
      ...base,
      'flush.size': '10',
      'format.class': format,
      ...(format === 'json' && { 's3.compression.type': 'gzip' }),
    })
    const record = (partition: number, offset: number) =>
      sinkRecord({ topic: 'web.events', partition, offset, value: struct([['n', offset]]) })
    await sink.task.put(range(0, 30).map(offset => record(0, offset)))
    await sink.task.put(range(0, 10).map(offset => record(1, offset)))
    await sink.task.flush()
    await sink.task.close()
    const { task, read } = await openSource(s3Source, { ...base, 'format.class': format, 's3.poll.interval.ms': '1' })
    const records = await read(6)
    assert.deepEqual(numbers(records.filter(({ partition }) => partition === 0)), range(0, 30))
    assert.deepEqual(numbers(records.filter(({ partition }) => partition === 1)), range(0, 10))
    assert.ok(records.every(({ topic }) => topic === 'web.events'))
    assert.deepEqual(await read(3), [])
    await task.close()
  })

test('a start goes on in the middle of an object, and behind the last one of its series', async t => {
  const { fake, base } = await start(t)
  put(fake, 'in/a-0001.json', lines(0, 5))
  put(fake, 'in/a-0002.json.gz', gzipSync(lines(5, 7)))
  put(fake, 'in/other.txt', 'not to be read')
  const config = { ...base, ...generic, 'record.batch.max.size': '2' }
  const first = await openSource(s3Source, config)
  const records = await first.read()
  assert.deepEqual(numbers(records), [0, 1])
  assert.deepEqual({ ...records[1]!.sourceOffset, etag: '' }, { object: 'in/a-0001.json', records: 2, done: false, etag: '' })
  assert.deepEqual({ ...records[1]!.sourcePartition }, { bucket: 'b', series: 'in/a-####.json' })
  await first.task.close()
  const { context } = first
  const second = await openSource(s3Source, config, context)
  assert.deepEqual(numbers(await second.read(3)), [2, 3, 4, 5, 6])
  put(fake, 'in/a-0003.json', lines(7, 8))
  put(fake, 'in/a-0000.json', lines(100, 101))
  assert.deepEqual(numbers(await second.read(3)), [7], 'what comes before the last one of its series was read')
  await second.task.close()
  const third = await openSource(s3Source, config, context)
  assert.deepEqual(await third.read(3), [])
  await third.task.close()
})

test('a list of many pages is read page by page, and names of any kind', async t => {
  const { fake, base } = await start(t)
  fake.pageSize = 3
  const names = ['z & <x>.json', 'ä/b c.json', 'part-9.json', 'part-10.json', 'part-11.json', '7f3a.json', '0e-1.json', '2026.11.30.json']
  for (const [at, name] of names.entries()) put(fake, `in/${name}`, lines(at, at + 1))
  const { task, read } = await openSource(s3Source, { ...base, ...generic })
  assert.deepEqual(numbers(await read(20)).sort(), range(0, names.length))
  assert.deepEqual(await read(8), [])
  // The number has one digit more than the last one had.
  put(fake, 'in/part-100.json', lines(50, 51))
  assert.deepEqual(numbers(await read(8)), [50])
  await task.close()
})

test('each task reads what no other one reads', async t => {
  const { fake, base } = await start(t)
  for (let at = 0; at < 20; at++) put(fake, `in/${String.fromCharCode(97 + at)}.json`, lines(at, at + 1))
  const config = { ...base, ...generic }
  const found: number[] = []
  for (const own of await s3Source.tasks!(valuesOf(s3Source.config, config), 3)) {
    const { task, read } = await openSource(s3Source, { ...config, ...own })
    const some = numbers(await read(25))
    assert.ok(some.length > 0 && some.length < 20)
    found.push(...some)
    await task.close()
  }
  assert.deepEqual(
    found.sort((one, other) => one - other),
    range(0, 20),
  )
})

test('faults of the service pass, and nothing is lost or twice', async t => {
  const { fake, base } = await start(t)
  put(fake, 'in/a-1.json', lines(0, 4))
  put(fake, 'in/a-2.json', lines(4, 8))
  const { task, read } = await openSource(s3Source, { ...base, ...generic, 'record.batch.max.size': '3' })
  const found: number[] = []
  for (const fault of ['reset', 'silence', 'garbage', 503, null] as const)
    for (const on of [/list-type/, /a-\d/]) {
      if (fault !== null) fake.faults.push({ on, fault, left: 1 })
      for (let poll = 0; poll < 3; poll++)
        try {
          found.push(...numbers(await read()))
        } catch (error) {
          assert.ok(error instanceof RetriableError, String(error))
        }
    }
  assert.deepEqual(found, range(0, 8))
  await task.close()
})

test('missing rights fail the task and are no fault of an object', async t => {
  const { fake, base } = await start(t)
  put(fake, 'in/a.json', lines(0, 1))
  fake.faults.push({ on: /a\.json/, fault: 403, left: 1 })
  const { task, read } = await openSource(s3Source, { ...base, ...generic, 'behavior.on.error': 'ignore' })
  await assert.rejects(read(), { name: 'Error', message: /read in\/a\.json: AccessDenied \(403\)/ })
  assert.deepEqual(numbers(await read()), [0])
  await task.close()
})

test('an object that cannot be read fails the task by its name, or its rest is left out', async t => {
  const { fake, base } = await start(t)
  put(fake, 'in/a.json', `${lines(0, 2)}{broken\n${lines(9, 10)}`)
  put(fake, 'in/b.json', lines(2, 3))
  const failing = await openSource(s3Source, { ...base, ...generic })
  await assert.rejects(failing.read(), { name: 'DataError', message: /object in\/a\.json: line 3 is no JSON/ })
  await failing.task.close()
  const context = new TestContext()
  const { task, read } = await openSource(s3Source, { ...base, ...generic, 'behavior.on.error': 'ignore' }, context)
  assert.deepEqual(numbers(await read(4)), [2])
  assert.equal(context.counts.get('objects_ignored'), 1)
  await task.close()
})

test('an object that changes while it is read is opened anew', async t => {
  const { fake, base } = await start(t)
  put(fake, 'in/a.json', `{"n":0,"x":"${'x'.repeat(5 * 2 ** 20)}"}\n${lines(1, 3)}`)
  const { task, read, context } = await openSource(s3Source, { ...base, ...generic, 'record.batch.max.size': '1' })
  fake.faults.push({ on: /a\.json/, fault: 'reset', left: 0 })
  assert.deepEqual(numbers(await read()), [0])
  put(fake, 'in/a.json', lines(0, 5))
  const found: number[] = []
  for (let poll = 0; poll < 8; poll++) found.push(...numbers(await read().catch(() => [])))
  assert.deepEqual(found, [1, 2])
  await task.close()
  assert.deepEqual(context.warnings, [])
})

test('names', () => {
  const bucket = { 's3.bucket.name': 'b' }
  assert.equal(seriesOf('topics/t/partition=0/t+0+0000000012.json.gz'), 'topics/t/partition=0/t+0+##########.json.gz')
  assert.equal(seriesOf('a1/b'), 'a1/b')
  assert.equal(seriesOf('9'), '#')
  const restore = targetsOf(valuesOf(keys, bucket))
  assert.deepEqual(restore('topics/a.b/partition=3/a.b+3+0000000000.avro'), { topic: 'a.b', partition: 3 })
  for (const other of [
    'topics/+ends/c/t+0.json',
    'topics/t/readme.md',
    'topics/t/t+x+1.json',
    'topics/t/..%2f+0+1.json',
    'topics/t/+0+1.json',
  ])
    assert.equal(restore(other), null, other)
  const dashed = targetsOf(valuesOf(keys, { ...bucket, 'file.delim': '-' }))
  assert.deepEqual(dashed('topics/a-b/partition=3/a-b-3-0000000000.avro'), { topic: 'a-b', partition: 3 })
  // Of topics that were made again, with their ids.
  const id = 'AAAAAAAAAAAAAAAAAAA-_g'
  assert.deepEqual(restore(`topics/a.b/partition=3/a.b+${id}+3+0000000000.avro`), { topic: 'a.b', partition: 3 })
  assert.deepEqual(restore(`topics/renamed/partition=3/a.b+${id}+3+0000000000.avro`), { topic: 'a.b', partition: 3 })
  assert.deepEqual(dashed(`topics/a-b/partition=3/a-b-${id}-3-0000000000.avro`), { topic: 'a-b', partition: 3 })
  assert.deepEqual(dashed(`topics/a-${id}/partition=3/a-${id}-3-0000000000.avro`), { topic: `a-${id}`, partition: 3 })
  assert.deepEqual(restore(`topics/t/${id}+0+1.json`), { topic: id, partition: 0 })
  const chosen = targetsOf(valuesOf(keys, { ...bucket, 'topic.regex.list': 't:.*hour=05.*' }))
  assert.equal(chosen('topics/t/hour=04/t+0+1.json'), null)
  assert.deepEqual(chosen('topics/t/hour=05/t+0+1.json'), { topic: 't', partition: 0 })
  assert.throws(() => valuesOf(s3Source.config, { 'topic.regex.list': 'no expression' }), { name: 'InvalidConfig' })
})
