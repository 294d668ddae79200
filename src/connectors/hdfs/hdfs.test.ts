import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetriableError, type SinkRecord, type SinkTask, struct } from '../../connector.ts'
import { problemsIn, sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeHdfs, type Fault } from './hdfs.testing.ts'
import { hdfs } from './sink.ts'

const partition = { topic: 'events', partition: 0 }

async function openTask(fake: FakeHdfs, config: Record<string, string> = {}) {
  const context = new TestContext()
  const values = valuesOf(hdfs.config, {
    'hdfs.url': fake.url,
    'hdfs.user': 'me',
    'flush.size': '3',
    ...config,
  })
  const task = await hdfs.open(values, context)
  return { task, context }
}

async function withFake(work: (fake: FakeHdfs) => Promise<void>): Promise<void> {
  const fake = await FakeHdfs.start()
  try {
    await work(fake)
  } finally {
    await fake.stop()
  }
}

const range = (from: number, to: number, more: object = {}) =>
  Array.from({ length: to - from }, (_, index) =>
    sinkRecord({
      topic: 'events',
      timestampMs: 0,
      offset: from + index,
      value: struct([
        ['n', from + index],
        ['k', index % 2 === 0 ? 'a' : 'b'],
      ]),
      ...more,
    }),
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

test('files appear under topic, partition, first and last offset, when they are complete', () =>
  withFake(async fake => {
    const { task } = await openTask(fake)
    await task.opened!([partition])
    await task.put(range(0, 5))
    assert.deepEqual(fake.visible, ['/topics/events/partition=0/events+0+0000000000+0000000002.json'])
    assert.equal(fake.files.get(fake.visible[0]!)!.toString().split('\n').length, 4)
    assert.deepEqual(await task.flush(), [{ ...partition, offset: 3n }])
    assert.ok(fake.queries.every(query => query.get('user.name') === 'me'))
    await task.close()
  }))

test('a task goes on behind the highest offset that is there, and removes what an earlier run left', () =>
  withFake(async fake => {
    const { task } = await openTask(fake, { 'partitioner.class': 'field', 'partition.field.name': 'k', 'hdfs.append.bytes': '65536' })
    await task.put(range(0, 3))
    // Not complete, but written already.
    await task.put([
      sinkRecord({
        topic: 'events',
        timestampMs: 0,
        offset: 3,
        value: struct([
          ['k', 'a'],
          ['pad', 'x'.repeat(2 ** 21)],
        ]),
      }),
    ])
    assert.equal([...fake.files.keys()].filter(name => name.includes('+tmp')).length, 1)
    const { task: again, context } = await openTask(fake, { 'partitioner.class': 'field', 'partition.field.name': 'k' })
    await again.opened!([partition, { topic: 'events', partition: 1 }])
    assert.deepEqual(context.sought, [{ ...partition, offset: 3n }])
    assert.equal([...fake.files.keys()].filter(name => name.includes('+tmp')).length, 0)
  }))

test('a crash between two renames is made up for: both files are seen', () =>
  withFake(async fake => {
    const config = { 'partitioner.class': 'field', 'partition.field.name': 'k' }
    const { task } = await openTask(fake, config)
    fake.faults.push({ on: /^RENAME .*/, fault: { status: 403, exception: 'AccessControlException' }, left: 0 })
    let renames = 0
    const original = fake.faults[0]!
    original.on = { test: (what: string) => what.startsWith('RENAME') && ++renames === 2 } as RegExp
    original.left = 1
    await assert.rejects(task.put(range(0, 3)))
    assert.equal(fake.visible.length, 1)
    const { task: again, context } = await openTask(fake, config)
    await again.opened!([partition])
    assert.deepEqual(fake.visible, [
      '/topics/events/k=a/events+0+0000000000+0000000002.json',
      '/topics/events/k=b/events+0+0000000001+0000000001.json',
    ])
    assert.deepEqual(context.sought, [{ ...partition, offset: 3n }])
  }))

test('a list of renames that a crash cut off is no list: the records are read again', () =>
  withFake(async fake => {
    fake.files.set('/topics/+tmp/test/events/0/commit.json', Buffer.from('[["/topics/+tmp/te'))
    fake.folders.add('/topics/+tmp/test/events/0')
    const { task, context } = await openTask(fake)
    await task.opened!([partition])
    assert.deepEqual(context.sought, [])
    assert.equal(fake.files.size, 0)
  }))

const passing: Fault[] = [
  'reset',
  'silence',
  'garbage',
  { status: 403, exception: 'StandbyException' },
  { status: 403, exception: 'SafeModeException' },
  { status: 500, exception: 'IOException' },
]
for (const fault of passing)
  for (const on of [/^MKDIRS/, /^RENAME/])
    test(`${JSON.stringify(fault)} at ${on.source}: the files are there, once`, () =>
      withFake(async fake => {
        const { task } = await openTask(fake, fault === 'silence' ? { 'hdfs.request.timeout.ms': '500' } : {})
        fake.faults.push({ on, fault, left: 2 })
        assert.equal(await putPatiently(task, range(0, 4)), 2)
        assert.deepEqual(fake.visible, ['/topics/events/partition=0/events+0+0000000000+0000000002.json'])
        assert.equal(fake.files.get(fake.visible[0]!)!.toString(), '{"n":0,"k":"a"}\n{"n":1,"k":"b"}\n{"n":2,"k":"a"}\n')
      }))

test('a rename whose answer was lost is not made twice', () =>
  withFake(async fake => {
    const { task } = await openTask(fake)
    fake.faults.push({ on: /^RENAME/, fault: 'lost', left: 1 })
    assert.equal(await putPatiently(task, range(0, 3)), 1)
    assert.deepEqual(await task.flush(), [{ ...partition, offset: 3n }])
    assert.equal([...fake.files.keys()].filter(name => name.includes('+tmp')).length, 0)
  }))

test('a first write that may have been done goes to another file; a later one fails the task', () =>
  withFake(async fake => {
    const { task } = await openTask(fake, { 'hdfs.append.bytes': '65536', 'flush.size': '100' })
    fake.faults.push({ on: /^DATA CREATE/, fault: 'lost', left: 1 })
    const large = (offset: number) => [sinkRecord({ topic: 'events', timestampMs: 0, offset, value: 'x'.repeat(2 ** 20) })]
    assert.equal(await putPatiently(task, large(0)), 1)
    await task.put(large(1))
    assert.deepEqual(
      [...fake.files.values()].map(file => file.length),
      [2 ** 20 + 3, 2 * (2 ** 20 + 3)],
    )
    fake.faults.push({ on: /^DATA APPEND/, fault: 'lost', left: 1 })
    await assert.rejects(putPatiently(task, large(2)), /begun again/)
  }))

test('the active NameNode is found', () =>
  withFake(async active => {
    await withFake(async standby => {
      standby.faults.push({ on: /./, fault: { status: 403, exception: 'StandbyException' }, left: 1_000 })
      const { task } = await openTask(active, { 'hdfs.url': `${standby.url},${active.url.replace('http:', 'webhdfs:')}` })
      await task.put(range(0, 3))
      assert.equal(active.visible.length, 1)
      assert.equal(standby.log.length, 1)
    })
  }))

test('what is not allowed fails the task; a delegation token is sent and not told', () =>
  withFake(async fake => {
    const { task } = await openTask(fake, { 'hdfs.delegation.token': 'geheim' })
    fake.faults.push({ on: /^CREATE/, fault: { status: 403, exception: 'AccessControlException' }, left: 1 })
    await assert.rejects(task.put(range(0, 3)), (error: Error) => {
      assert.ok(!(error instanceof RetriableError))
      assert.match(error.message, /AccessControlException/)
      assert.doesNotMatch(String(error.stack), /geheim/)
      return true
    })
    assert.ok(fake.queries.every(query => query.get('delegation') === 'geheim' && !query.has('user.name')))
  }))

test('configurations that cannot work are refused', async () => {
  assert.throws(() => valuesOf(hdfs.config, { 'hdfs.url': 'hdfs://namenode:8020' }), /address for RPC/)
  const check = async (config: Record<string, string>) => [...(await problemsIn(hdfs, config)).keys()].sort()
  assert.deepEqual(await check({}), ['flush.size', 'hdfs.url'])
  assert.deepEqual(await check({ 'hdfs.url': 'http://x', 'flush.size': '1', 'hdfs.authentication.kerberos': 'true' }), [
    'hdfs.authentication.kerberos',
  ])
})

const first = 'AAAAAAAAAAAAAAAAAAAAAQ'
const second = 'AAAAAAAAAAAAAAAAAAAAAg'

test('a topic that was made again is read from its beginning, and its files are beside those of the one before', () =>
  withFake(async fake => {
    const written = async (topicId: string, from: number, to: number) => {
      const { task, context } = await openTask(fake)
      await task.opened!([{ ...partition, topicId }])
      await task.put(range(from, to))
      return context.sought
    }
    // Of a version that did not note ids.
    const { task } = await openTask(fake)
    await task.opened!([partition])
    await task.put(range(0, 3))
    assert.deepEqual(await written(first, 3, 6), [{ ...partition, offset: 3n }])
    assert.deepEqual(await written(second, 0, 3), [])
    assert.deepEqual(await written(second, 3, 6), [{ ...partition, offset: 3n }])
    assert.deepEqual(await written(first, 6, 9), [{ ...partition, offset: 6n }])
    const names = ['0+0000000000+0000000002', '0+0000000003+0000000005', '0+0000000006+0000000008']
    const again = [`${second}+0+0000000000+0000000002`, `${second}+0+0000000003+0000000005`]
    assert.deepEqual(
      fake.visible.filter(name => name.startsWith('/topics/events/')),
      [...names, ...again].map(name => `/topics/events/partition=0/events+${name}.json`),
    )
    assert.equal(fake.files.get('/topics/+topics/events')!.toString(), first)
  }))

test('a note of a topic that was cut off is written again', () =>
  withFake(async fake => {
    fake.folders.add('/topics/+topics')
    fake.files.set('/topics/+topics/events', Buffer.alloc(0))
    const { task } = await openTask(fake)
    await task.opened!([{ ...partition, topicId: first }])
    assert.equal(fake.files.get('/topics/+topics/events')!.toString(), first)
  }))

test('a note of a topic that another task writes at the same time, or whose answer was lost, is that note', () =>
  withFake(async fake => {
    const note = '/topics/+topics/events'
    // A file that is made again while it is written is lost for its first writer.
    for (const fault of ['lost' as const, { status: 404, exception: 'FileNotFoundException' }]) {
      fake.files.delete(note)
      fake.faults.push({ on: /^DATA CREATE .*topics/, fault, left: 1 })
      const { task } = await openTask(fake)
      const opened = task.opened!([{ ...partition, topicId: first }])
      if (fault !== 'lost') {
        while (!fake.log.includes(`DATA CREATE ${note}`)) await new Promise(resolve => setImmediate(resolve))
        fake.files.set(note, Buffer.from(first))
      }
      await opened
      assert.equal(fake.files.get(note)!.toString(), first)
      fake.log.length = 0
    }
  }))

test('a note of a topic that cannot be written fails the task', () =>
  withFake(async fake => {
    fake.faults.push({ on: /^CREATE .*topics/, fault: { status: 403, exception: 'AccessControlException' }, left: 1 })
    const { task } = await openTask(fake)
    await assert.rejects(async () => task.opened!([{ ...partition, topicId: first }]), /AccessControlException/)
  }))
