import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, RetriableError, type Schema, type SinkRecord, struct, type TopicPartition } from '../../connector.ts'
import { sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { FileTask } from './file-task.ts'
import { storageKeys } from './keys.ts'
import type { Finished, OpenFile, Piece, Storage } from './storage.ts'

class MemoryFile implements OpenFile {
  parts: Buffer[] = []
  held = 0
  isDiscarded = false
  readonly storage: MemoryStorage

  constructor(storage: MemoryStorage) {
    this.storage = storage
  }

  async write(bytes: Buffer): Promise<void> {
    this.parts.push(bytes)
    this.held += bytes.length
    this.storage.fail('write')
  }
}

class MemoryStorage implements Storage<MemoryFile> {
  readonly files = new Map<string, string>()
  discarded = 0
  /** Calls that are yet to fail, by name. */
  readonly failures = new Map<string, number>()
  readonly ends = new Map<number, readonly bigint[]>()

  async opened(): Promise<void> {}

  create(_: Piece): MemoryFile {
    return new MemoryFile(this)
  }

  async publish(finished: readonly Finished<MemoryFile>[]): Promise<void> {
    this.fail('publish')
    for (const { file, piece } of finished)
      this.files.set(
        `${piece.topicDirectory}/${piece.directory}/${piece.topic}+${piece.partition}+${piece.first}${piece.extension}`,
        Buffer.concat(file.parts).toString(),
      )
  }

  async remember({ partition }: TopicPartition, ends: readonly bigint[]): Promise<void> {
    this.fail('remember')
    this.ends.set(partition, ends)
  }

  async recall({ partition }: TopicPartition): Promise<readonly bigint[]> {
    return this.ends.get(partition) ?? []
  }

  async discard(files: readonly MemoryFile[]): Promise<void> {
    this.discarded += files.length
  }

  fail(what: string): void {
    const left = this.failures.get(what) ?? 0
    if (left === 0) return
    this.failures.set(what, left - 1)
    throw new RetriableError(`no ${what}`)
  }
}

function opened(config: Record<string, string>, storage = new MemoryStorage()) {
  const context = new TestContext()
  context.nowMs = 0
  const task = new FileTask(valuesOf(storageKeys, { 'flush.size': '3', ...config }), context, storage, { wrapping: 'none', level: null })
  return { context, storage, task }
}

const record = (offset: number, value: ConnectValue = struct([['n', offset]]), more: Partial<Parameters<typeof sinkRecord>[0]> = {}) =>
  sinkRecord({ topic: 'events', timestampMs: 0, offset, value, ...more })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => record(from + index))

/** As the worker does: again, until it is taken. */
async function putPatiently(task: FileTask<MemoryFile>, records: readonly SinkRecord[]): Promise<number> {
  for (let attempt = 0; ; attempt++)
    try {
      await task.put(records)
      return attempt
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
    }
}

test('files are completed by number, and offsets are committed behind complete files only', async () => {
  const { task, storage } = opened({})
  await task.put(range(0, 7))
  assert.deepEqual([...storage.files.keys()], ['events/partition=0/events+0+0.json', 'events/partition=0/events+0+3.json'])
  assert.equal(storage.files.get('events/partition=0/events+0+3.json'), '{"n":3}\n{"n":4}\n{"n":5}\n')
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 6n }])
})

test('gaps in offsets, as markers of transactions leave them, change nothing', async () => {
  const { task, storage } = opened({})
  await task.put([0, 2, 5, 9].map(offset => record(offset)))
  assert.deepEqual([...storage.files.keys()], ['events/partition=0/events+0+0.json'])
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 9n }])
})

test('a crash writes the same files again, by fields and with schemas as well', async () => {
  const config = {
    'partitioner.class': 'io.confluent.connect.storage.partitioner.FieldPartitioner',
    'partition.field.name': 'kind',
    'flush.size': '5',
  }
  const kinds = ['a', 'b', 'a', 'c', 'b', 'a', 'a', 'c', 'b', 'b', 'a', 'c']
  const records = kinds.map((kind, offset) =>
    record(
      offset,
      struct([
        ['kind', kind],
        ['n', offset],
      ]),
    ),
  )
  const whole = opened(config)
  await whole.task.put(records)
  const crashed = opened(config)
  await crashed.task.put(records.slice(0, 8))
  const [committed] = await crashed.task.flush()
  assert.equal(committed!.offset, 5n)
  const again = opened(config, crashed.storage)
  await again.task.put(records.slice(Number(committed!.offset)))
  assert.deepEqual([...crashed.storage.files].sort(), [...whole.storage.files].sort())
  assert.ok(crashed.storage.files.has('events/kind=c/events+0+7.json'))
})

test('what fails for a while is tried again: nothing is lost, nothing is twice', async () => {
  const calm = opened({ 'max.open.files.per.partition': '2' })
  await calm.task.put(range(0, 20))
  for (const what of ['publish', 'write']) {
    const { task, storage } = opened({ 'max.open.files.per.partition': '2' })
    storage.failures.set(what, 3)
    const attempts = await putPatiently(task, range(0, 20))
    assert.ok(attempts > 0, what)
    assert.deepEqual([...storage.files], [...calm.storage.files], what)
  }
})

test('files are completed by the time of records, whatever the clock says', async () => {
  const { task, storage } = opened({ 'flush.size': '1000', 'rotate.interval.ms': '1000', 'timestamp.extractor': 'Record' })
  await task.put(
    [0, 400, 999, 1000, 1500, 2500].map((timestampMs, offset) => record(offset, struct([['t', timestampMs]]), { timestampMs })),
  )
  assert.deepEqual([...storage.files.keys()], ['events/partition=0/events+0+0.json', 'events/partition=0/events+0+3.json'])
})

test('files are completed by the wall clock when offsets are committed, though no record arrives', async () => {
  const { task, storage, context } = opened({ 'flush.size': '1000', 'rotate.schedule.interval.ms': '60000' })
  context.nowMs = 30_000
  await task.put(range(0, 2))
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 0n }])
  context.nowMs = 60_000
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 2n }])
  assert.equal(storage.files.size, 1)
})

test('what the wall clock completed is completed there again, when its offsets were not committed', async () => {
  const config = { 'flush.size': '4', 'rotate.schedule.interval.ms': '60000', 'partitioner.class': 'field', 'partition.field.name': 'kind' }
  const kinds = ['a', 'b', 'a', 'a', 'a', 'b', 'a', 'c', 'b', 'a', 'c', 'a']
  const records = kinds.map((kind, offset) =>
    record(
      offset,
      struct([
        ['kind', kind],
        ['n', offset],
      ]),
    ),
  )
  const crashed = opened(config)
  await crashed.task.opened([{ topic: 'events', partition: 0 }])
  await crashed.task.put(records.slice(0, 6))
  crashed.context.nowMs = 60_000
  // Completes 4 and 5; the commit never arrives.
  await crashed.task.flush()
  await crashed.task.put(records.slice(6, 11))
  const again = opened(config, crashed.storage)
  await again.task.opened([{ topic: 'events', partition: 0 }])
  await again.task.put(records.slice(0, 2))
  // Whatever the clock says now, the ends of the earlier run count.
  again.context.nowMs = 120_000
  assert.deepEqual(await again.task.flush(), [{ topic: 'events', partition: 0, offset: 0n }])
  await again.task.put(records.slice(2))
  again.context.nowMs = 180_000
  assert.deepEqual(await again.task.flush(), [{ topic: 'events', partition: 0, offset: 12n }])
  const numbers = [...crashed.storage.files.values()].flatMap(text =>
    text
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { n: number }).n),
  )
  assert.deepEqual(
    numbers.sort((one, other) => one - other),
    kinds.map((_, offset) => offset),
  )
})

test('what was completed by number is completed there again, though the wall clock would have ended it before', async () => {
  const config = { 'flush.size': '3', 'rotate.schedule.interval.ms': '60000' }
  const crashed = opened(config)
  await crashed.task.opened([{ topic: 'events', partition: 0 }])
  // Completes 0 to 2 and 3 to 5; no commit arrives.
  await crashed.task.put(range(0, 7))
  const again = opened(config, crashed.storage)
  await again.task.opened([{ topic: 'events', partition: 0 }])
  await again.task.put(range(0, 2))
  again.context.nowMs = 60_000
  assert.deepEqual(await again.task.flush(), [{ topic: 'events', partition: 0, offset: 0n }])
  await again.task.put(range(2, 8))
  again.context.nowMs = 120_000
  assert.deepEqual(await again.task.flush(), [{ topic: 'events', partition: 0, offset: 8n }])
  assert.deepEqual(
    [...crashed.storage.files.keys()].map(name => name.replace('events/partition=0/events+0+', '')),
    ['0.json', '3.json', '6.json'],
  )
  assert.deepEqual(
    [...crashed.storage.files.values()].map(text => text.match(/\d+/g)!.join()),
    ['0,1,2', '3,4,5', '6,7'],
  )
})

test('an end that cannot be noted keeps its files from being completed, and takes no more records', async () => {
  const { task, storage, context } = opened({ 'flush.size': '3', 'rotate.schedule.interval.ms': '60000' })
  storage.failures.set('remember', 2)
  context.nowMs = 1
  assert.equal(await putPatiently(task, range(0, 5)), 2)
  assert.deepEqual([...storage.files.values()], ['{"n":0}\n{"n":1}\n{"n":2}\n'])
  assert.deepEqual(storage.ends.get(0), [2n])
})

test('files are completed by size', async () => {
  const { task, storage } = opened({ 'flush.size': '1000', 'rotate.bytes': '20' })
  await task.put(range(0, 7))
  assert.deepEqual([...storage.files.values()], ['{"n":0}\n{"n":1}\n{"n":2}\n', '{"n":3}\n{"n":4}\n{"n":5}\n'])
})

test('directories by time: of the record, in a time zone, and by a field', async () => {
  const time = Date.UTC(2026, 10, 30, 23, 30)
  const byRecord = { 'flush.size': '1', 'partitioner.class': 'hourly', 'timestamp.extractor': 'Record' }
  const utc = opened(byRecord)
  await utc.task.put([record(0, struct(), { timestampMs: time })])
  assert.deepEqual([...utc.storage.files.keys()], ['events/year=2026/month=11/day=30/hour=23/events+0+0.json'])
  const shanghai = opened({ ...byRecord, timezone: 'Asia/Shanghai', 'partitioner.class': 'daily' })
  await shanghai.task.put([record(0, struct(), { timestampMs: time })])
  assert.deepEqual([...shanghai.storage.files.keys()], ['events/year=2026/month=12/day=01/events+0+0.json'])
  const byField = opened({
    'flush.size': '1',
    'partitioner.class': 'io.confluent.connect.storage.partitioner.TimeBasedPartitioner',
    'timestamp.extractor': 'RecordField',
    'timestamp.field': 'meta.at',
    'path.format': "'dt'=YYYY-MM-dd'T'HHmm",
    'partition.duration.ms': '600000',
  })
  await byField.task.put([record(0, struct([['meta', struct([['at', '2026-11-30T23:37:12Z']])]]))])
  await byField.task.put([record(1, struct([['meta', struct([['at', time]])]]))])
  assert.deepEqual(
    [...byField.storage.files.keys()],
    ['events/dt=2026-11-30T2330/events+0+0.json', 'events/dt=2026-11-30T2330/events+0+1.json'],
  )
})

test('a value leads out of no directory', async () => {
  const { task, storage } = opened({
    'flush.size': '1',
    'partitioner.class': 'field',
    'partition.field.name': 'k',
    'partition.field.format.path': 'false',
  })
  for (const [offset, k] of ['../../etc', '..', 'a/b=c', ''].entries()) await task.put([record(offset, struct([['k', k]]))])
  assert.deepEqual(
    [...storage.files.keys()].map(name => name.split('/')[1]),
    ['..%2F..%2Fetc', '%2E%2E', 'a%2Fb%3Dc', '__HIVE_DEFAULT_PARTITION__'],
  )
})

test('another schema begins other files; with BACKWARD an older record is brought to the schema of the file', async () => {
  const one: Schema = { type: 'struct', name: 'E', version: 1, fields: [{ name: 'n', schema: { type: 'int32' } }] }
  const two: Schema = { ...one, version: 2, fields: [...one.fields!, { name: 'm', schema: { type: 'string', optional: true } }] }
  const records = [one, two, one, two].map((schema, offset) =>
    record(offset, struct([['n', offset], ...(schema === two ? [['m', 'x'] as const] : [])]), { valueSchema: schema }),
  )
  const none = opened({ 'flush.size': '4', 'format.class': 'csv' })
  await none.task.put(records)
  assert.deepEqual(
    [...none.storage.files.keys()].map(name => name.split('+')[2]),
    ['0.csv', '1.csv', '2.csv'],
  )
  const backward = opened({ 'flush.size': '3', 'format.class': 'csv', 'schema.compatibility': 'BACKWARD' })
  await backward.task.put(records)
  assert.deepEqual([...backward.storage.files.values()], ['n\r\n0\r\n', 'n,m\r\n1,x\r\n2,\r\n3,x\r\n'])
})

test('a record that cannot be written is reported, and the others are written', async () => {
  const { task, storage, context } = opened({ 'format.class': 'csv' })
  const schema: Schema = { type: 'struct', fields: [{ name: 'n', schema: { type: 'int32' } }] }
  await task.put([
    record(0, struct([['n', null]]), { valueSchema: schema }),
    record(1, struct([['n', 1]]), { valueSchema: schema }),
    record(2, null),
    record(3, 'text', { valueSchema: { type: 'string' } }),
    record(4, struct([['n', 4]]), { valueSchema: schema }),
    record(5, struct([['n', 5]]), { valueSchema: schema }),
  ])
  assert.deepEqual([...storage.files], [['events/partition=0/events+0+1.csv', 'n\r\n1\r\n4\r\n5\r\n']])
  assert.deepEqual(
    context.reported.map(each => Number(each.record.offset)),
    [0, 2, 3],
  )
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 6n }])
})

test('tombstones can be left out', async () => {
  const { task, context } = opened({ 'behavior.on.null.values': 'ignore' })
  await task.put([record(0, null)])
  assert.equal(context.reported.length, 0)
  assert.deepEqual(await task.flush(), [{ topic: 'events', partition: 0, offset: 1n }])
})

test('memory is bounded: files of the largest partition are completed early', async () => {
  const { task, storage, context } = opened({ 'flush.size': '1000000', 'max.buffered.bytes': String(2 ** 20) })
  const value = 'x'.repeat(10_000)
  for (let offset = 0; offset < 300; offset++) await task.put([record(offset, value, { partition: offset % 3 })])
  assert.ok(storage.files.size > 0)
  assert.ok(context.counts.get('files_completed_early')! > 0)
  const lines = [...storage.files.values()].join('').split('\n').length - 1
  const offsets = await task.flush()
  // What is not in files is read again from the committed offsets.
  const committed = new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]))
  const left = Array.from({ length: 300 }, (_, offset) => offset).filter(offset => offset >= committed.get(offset % 3)!).length
  assert.equal(lines + left, 300)
})

test('partitions that others read are forgotten, and read from the start of their open files', async () => {
  const { task, storage } = opened({})
  await task.put(range(0, 4))
  await task.closed([{ topic: 'events', partition: 0 }])
  assert.equal(storage.discarded, 1)
  await task.put(range(3, 6))
  assert.deepEqual([...storage.files.keys()], ['events/partition=0/events+0+0.json', 'events/partition=0/events+0+3.json'])
})

test('records of two topics that a transform leads to one do not overwrite each other', async () => {
  const { task, storage } = opened({ 'flush.size': '1' })
  for (const topic of ['a', 'b']) {
    const one = sinkRecord({ topic, timestampMs: 0, offset: 0, value: 'x' })
    await task.put([{ ...one, topic: 'all' }])
  }
  assert.deepEqual([...storage.files.keys()], ['all/partition=0/a+0+0.json', 'all/partition=0/b+0+0.json'])
})
