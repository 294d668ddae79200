import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogMemory, PartitionMemory } from './memory.ts'

/** Appends `count` batches of one offset each. */
function fill(memory: PartitionMemory, from: number, count: number, bytes: number): number {
  for (let offset = from; offset < from + count; offset++) memory.add(Buffer.alloc(bytes, offset), offset, offset + 1, offset)
  return from + count
}

test('small neighbours join, and a reader of what was there before still has it', () => {
  const memory = new PartitionMemory(new LogMemory(1_000), 0)
  memory.add(Buffer.from('ab'), 0, 1, 5)
  const view = memory.chunk(memory.find(0))!.bytes
  memory.add(Buffer.from('cd'), 1, 2, 3)
  assert.deepEqual([String(view), memory.unflushed().map(({ bytes }) => String(bytes))], ['ab', ['abcd']])
  assert.deepEqual([memory.find(0), memory.find(1), memory.find(2), memory.unflushed()[0]!.maxTimestamp], [0, 0, -1, 5])
  memory.sent(1, 2)
  memory.add(Buffer.from('ef'), 2, 3, 1)
  assert.equal(memory.unflushed().length, 2, 'what was sent is not changed')
  const other = new PartitionMemory(new LogMemory(1_000), 0)
  other.add(Buffer.alloc(9_000), 0, 1, 1)
  other.add(Buffer.alloc(10), 1, 2, 1)
  assert.equal(other.unflushed().length, 2, 'a large append stays by itself')
})

test('where the stream has what is not flushed', () => {
  const memory = new PartitionMemory(new LogMemory(1_000), 0)
  fill(memory, 0, 2, 10)
  memory.sent(4, 2)
  fill(memory, 2, 2, 10)
  assert.deepEqual([memory.seqFrom(0, 9), memory.seqFrom(1, 9), memory.seqFrom(2, 9), memory.seqFrom(4, 9)], [4, 4, 9, 9])
  memory.sent(6, 3)
  assert.equal(memory.seqFrom(3, 9), 6, 'a chunk counts from the first frame that has bytes of it')
})

test('what is in pieces stays while there is room; the first flushed leaves first, whosever it is', () => {
  const log = new LogMemory(30_000)
  const [one, two] = [new PartitionMemory(log, 0), new PartitionMemory(log, 0)]
  fill(one, 0, 2, 10_000)
  fill(two, 0, 2, 10_000)
  assert.deepEqual([log.unflushedBytes, one.unflushedBytes], [40_000, 20_000])
  one.seal()
  one.flushed(2)
  two.flushed(1)
  assert.deepEqual([log.cachedBytes, log.unflushedBytes, one.start, two.start], [30_000, 10_000, 0, 0])
  two.flushed(2)
  assert.deepEqual([log.cachedBytes, one.start, one.find(0), one.find(1), two.find(0)], [30_000, 1, -1, 1, 0])
  one.drop()
  assert.deepEqual([log.cachedBytes, log.unflushedBytes, one.start], [20_000, 0, null])
  const three = new PartitionMemory(log, 0)
  fill(three, 0, 3, 10_000)
  three.flushed(3)
  assert.deepEqual([log.cachedBytes, two.start, three.find(2)], [30_000, null, 2])
})

test('what was cleaned leaves memory at once, and does not count any more', () => {
  const log = new LogMemory(100_000)
  const [one, two] = [new PartitionMemory(log, 0), new PartitionMemory(log, 0)]
  fill(one, 0, 4, 10_000)
  fill(two, 0, 4, 10_000)
  one.flushed(3)
  two.flushed(4)
  one.forgetBefore(2)
  assert.deepEqual([one.find(1), one.find(2), one.find(3), log.cachedBytes, log.unflushedBytes], [-1, 2, 3, 50_000, 10_000])
  one.forgetBefore(100)
  assert.deepEqual([one.find(2), one.find(3), log.cachedBytes], [-1, 3, 40_000], 'what is in no piece stays')
  fill(one, 4, 6, 10_000)
  one.flushed(10)
  assert.ok(log.cachedBytes <= 100_000 && log.cachedBytes >= 80_000, `${log.cachedBytes}`)
})

test('thousands of chunks come and go', () => {
  const log = new LogMemory(100_000)
  const memory = new PartitionMemory(log, 0)
  let end = 0
  for (let round = 0; round < 50; round++) {
    end = fill(memory, end, 200, 9_000)
    memory.sent(round, end)
    memory.seal()
    memory.flushed(end)
    assert.ok(log.cachedBytes <= 100_000)
    assert.equal(memory.find(end - 1) >= 0, true)
    assert.equal(memory.chunk(memory.find(end - 1))!.bytes[0], (end - 1) & 255)
  }
  assert.equal(memory.start, end - 11)
  for (let round = 0; round < 3_000; round++) {
    const short = new PartitionMemory(log, 0)
    fill(short, 0, 1, 9_000)
    short.flushed(1)
    short.drop()
  }
  assert.ok(log.cachedBytes <= 100_000)
})
