import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { RetriableError, type SourceTask, struct } from '../../connector.ts'
import { sinkRecord, TestContext, valuesOf } from '../../connector-testing.ts'
import { fileSink } from './sink.ts'
import { fileSource } from './source.ts'

const path = '/data/out.txt'

function context(options: { capacityBytes?: number } = {}): TestContext {
  const made = new TestContext(realSystem(memoryFileSystem(options)))
  made.system.files.makeDirectory('/data')
  return made
}

const openSink = (at: TestContext, config: Record<string, string> = {}) =>
  fileSink.open(valuesOf(fileSink.config, { file: path, ...config }), at)
const lines = (...values: string[]) => values.map((value, offset) => sinkRecord({ offset, value }))
const textOf = (at: TestContext, file = path) => at.system.files.readFile(file)?.toString()

test('records are appended as lines: texts as they are, everything else as JSON', async () => {
  const at = context()
  for (const round of [1, 2]) {
    const task = await openSink(at)
    await task.put([
      ...lines('one'),
      sinkRecord({ offset: 1, value: struct([['id', 9007199254740993n]]) }),
      sinkRecord({ offset: 2, value: null }),
    ])
    await task.flush()
    await task.close()
    assert.equal(textOf(at), 'one\n{"id":9007199254740993}\nnull\n'.repeat(round))
  }
})

test('a line that a crash cut off stays apart', async () => {
  const at = context()
  await at.system.files.replaceFile(path, Buffer.from('whole\nhal'))
  const task = await openSink(at, { format: 'json' })
  await task.put(lines('next'))
  await task.close()
  assert.equal(textOf(at), 'whole\nhal\n"next"\n')
})

test('files are renamed by size, and the oldest goes', async () => {
  const at = context()
  const task = await openSink(at, { 'rotate.bytes': '4', 'rotate.keep': '2' })
  for (const value of ['aaaa', 'bbbb', 'cccc', 'dddd']) await task.put(lines(value))
  await task.close()
  assert.deepEqual(
    [textOf(at), textOf(at, `${path}.1`), textOf(at, `${path}.2`), textOf(at, `${path}.3`)],
    ['dddd\n', 'cccc\n', 'bbbb\n', undefined],
  )
})

test('a full disk: the same records are put again, and none is twice', async () => {
  const at = context({ capacityBytes: 200_000 })
  const task = await openSink(at)
  await task.put(lines('first'))
  await at.system.files.replaceFile('/data/ballast', Buffer.alloc(190_000))
  const more = lines('x'.repeat(5_000))
  await assert.rejects(task.put(more), RetriableError)
  at.system.files.remove('/data/ballast')
  await task.put(more)
  await task.close()
  assert.equal(textOf(at), `first\n${'x'.repeat(5_000)}\n`)
})

test('several tasks append to one file, and none writes over what another has written', async () => {
  const at = context()
  const [one, two] = [await openSink(at), await openSink(at)]
  await one.put(lines('a'))
  await two.put(lines('b'))
  await one.put(lines('c'))
  await two.put(lines('d'))
  assert.equal(textOf(at), 'a\nb\nc\nd\n')
  await Promise.all([one.close(), two.close()])
})

async function openSource(at: TestContext, position: bigint | null = null, config: Record<string, string> = {}): Promise<SourceTask> {
  if (position !== null) at.offsets.set(JSON.stringify({ filename: path }), struct([['position', position]]))
  return await fileSource.open(valuesOf(fileSource.config, { file: path, topic: 't', ...config }), at)
}

test('complete lines are read, each with the position behind it', async () => {
  const at = context()
  await at.system.files.replaceFile(path, Buffer.from('one\r\nGrüße\n\nhal'))
  const records = await (await openSource(at)).poll()
  assert.deepEqual(
    records.map(each => each.value),
    ['one', 'Grüße', ''],
  )
  assert.deepEqual(
    records.map(each => each.sourceOffset['position']),
    [5, 13, 14],
  )
  assert.deepEqual({ ...records[0]!.sourcePartition }, { filename: path })
  const again = await (await openSource(at, 5n)).poll()
  assert.deepEqual(
    again.map(each => each.value),
    ['Grüße', ''],
  )
})

test('the rest of a line is read when it is there; a file that became smaller from its beginning', async () => {
  const at = context()
  await at.system.files.replaceFile(path, Buffer.from('one\nhal'))
  const task = await openSource(at)
  assert.equal((await task.poll()).length, 1)
  const handle = at.system.files.open(path, 'rw')
  handle.writeSync([Buffer.from('f\n')], 7)
  assert.deepEqual(
    (await task.poll()).map(each => each.value),
    ['half'],
  )
  handle.truncate(0)
  handle.writeSync([Buffer.from('new\n')], 0)
  assert.deepEqual(
    (await task.poll()).map(each => each.value),
    ['new'],
  )
  assert.equal(at.warnings.length, 1)
})

test('batches and lines are bounded', async () => {
  const at = context()
  await at.system.files.replaceFile(path, Buffer.from('a\nb\nc\n'))
  const task = await openSource(at, null, { 'batch.size': '2' })
  assert.equal((await task.poll()).length, 2)
  assert.equal((await task.poll()).length, 1)
  await at.system.files.replaceFile(path, Buffer.from('x'.repeat(100_000)))
  await assert.rejects((await openSource(at, null, { 'line.max.bytes': '1000' })).poll(), /line\.max\.bytes/)
})
