/** A partition: batches by number, size and time, order per partition or per key, and what may be committed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ReceivedRecord } from '../../client.ts'
import type { Entry } from './batch.ts'
import { Lane, type LaneOptions, Stopped } from './lane.ts'

/** Time stands still until it is moved. */
class Time {
  now = 0
  #timers: { at: number; run: () => void }[] = []
  readonly system = {
    clock: { now: () => this.now, monotonic: () => this.now, history: () => [] },
    timers: {
      after: (ms: number, run: () => void) => {
        const timer = { at: this.now + ms, run }
        this.#timers.push(timer)
        return { cancel: () => void (this.#timers = this.#timers.filter(each => each !== timer)) }
      },
      soon: (run: () => void) => void run(),
    },
  }

  async pass(ms: number): Promise<void> {
    this.now += ms
    const due = this.#timers.filter(({ at }) => at <= this.now)
    this.#timers = this.#timers.filter(({ at }) => at > this.now)
    for (const { run } of due) run()
    await setImmediate()
  }
}

function setUp(options: Partial<LaneOptions> = {}) {
  const time = new Time()
  const batches: number[][] = []
  const failures: unknown[] = []
  const stuck: string[] = []
  const finish: ((error?: Error) => void)[] = []
  const offsets = (entries: readonly Entry[]) => entries.map(({ record }) => Number(record.offset))
  const lane = new Lane({
    ...{ topic: 't', partition: 0, from: 0n, batchSize: 3, maxWaitMs: 100, maxItemBytes: 1_000, callsAtOnce: 1 },
    system: time.system,
    toItem: ({ value }) => (value === null ? null : value.toString()),
    work: (_, entries) => {
      batches.push(offsets(entries))
      return new Promise((resolve, reject) => void finish.push(error => (error === undefined ? resolve() : reject(error))))
    },
    tooLarge: async (_, { record }) => void batches.push([-Number(record.offset)]),
    onFailure: error => void failures.push(error),
    onStuck: error => void stuck.push(error.message),
    ...options,
  })
  let next = 0n
  /** A value of null is filtered out. */
  const push = (...values: (string | null)[]) => {
    for (const value of values) lane.push(recordOf(next++, value, null))
    lane.fetched(next)
  }
  const pushKeys = (...keys: string[]) => {
    for (const key of keys) lane.push(recordOf(next++, 'x', key))
    lane.fetched(next)
  }
  return { lane, time, batches, failures, stuck, finish, push, pushKeys }
}

function recordOf(offset: bigint, value: string | null, key: string | null): ReceivedRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
  return { topic: 't', partition: 0, offset, timestampMs: 0n, key: bytes(key), value: bytes(value), headers: [] }
}

test('a batch begins when it is full, or has waited; what comes meanwhile is the next one', async () => {
  const { lane, time, batches, finish, push } = setUp()
  push('a')
  await time.pass(99)
  assert.deepEqual(batches, [])
  await time.pass(1)
  assert.deepEqual(batches, [[0]])
  push('b', 'c', 'd', 'e')
  await time.pass(500)
  assert.deepEqual([batches.length, lane.done], [1, 0n])
  finish[0]!()
  await time.pass(0)
  assert.deepEqual([batches, lane.done], [[[0], [1, 2, 3]], 1n])
  finish[1]!()
  await time.pass(0)
  assert.deepEqual([batches[2], lane.done], [[4], 4n], 'it has waited already')
  finish[2]!()
  await time.pass(0)
  assert.equal(lane.done, 5n)
})

test('what is filtered out is done as soon as nothing before it waits', async () => {
  const { lane, time, batches, finish, push } = setUp()
  push(null, null)
  assert.equal(lane.done, 2n)
  push('a', null, null)
  assert.equal(lane.done, 2n)
  await time.pass(100)
  assert.deepEqual(batches, [[2]])
  finish[0]!()
  await time.pass(0)
  assert.equal(lane.done, 5n)
})

test('events are small enough; a record that is not is handled alone', async () => {
  const { time, batches, finish, push } = setUp({ maxItemBytes: 10, maxWaitMs: 0 })
  push('aaaa', 'bbbb', 'cccc', 'x'.repeat(50), 'd')
  await time.pass(0)
  assert.deepEqual(batches, [[0, 1]])
  for (let at = 0; at < 3; at++) {
    finish[at]?.()
    await time.pass(0)
    await time.pass(0)
  }
  assert.deepEqual(batches, [[0, 1], [2], [-3], [4]])
})

test('per key: different keys at the same time, one key in order', async () => {
  const { lane, time, batches, finish, pushKeys } = setUp({ callsAtOnce: 4, batchSize: 2, maxWaitMs: 0 })
  pushKeys('a', 'b', 'a', 'b', 'a')
  await time.pass(0)
  assert.deepEqual(batches.toSorted(), [
    [0, 2],
    [1, 3],
  ])
  finish[0]!()
  await time.pass(0)
  finish[1]!()
  await time.pass(0)
  assert.deepEqual([batches[2], lane.done], [[4], 0n], 'all of them first')
  finish[2]!()
  await time.pass(0)
  assert.equal(lane.done, 5n)
})

test('stopped, nothing more begins or is done; ended, what is under way is waited for', async () => {
  const stopped = setUp({ maxWaitMs: 0 })
  stopped.push('a')
  const pause = stopped.lane.pause(1_000)
  stopped.lane.stop()
  await assert.rejects(pause, Stopped)
  stopped.finish[0]!()
  await stopped.time.pass(0)
  stopped.push('b')
  await stopped.time.pass(1_000)
  assert.deepEqual([stopped.batches, stopped.lane.done, stopped.failures], [[[0]], 0n, []])
  const ended = setUp({ maxWaitMs: 0, batchSize: 1 })
  ended.push('a', 'b')
  const end = ended.lane.end()
  ended.finish[0]!()
  await end
  await ended.time.pass(0)
  assert.deepEqual([ended.batches, ended.lane.done], [[[0]], 1n])
})

test('a failure is told, and the lane waits for nothing more', async () => {
  const { lane, time, failures, finish, push } = setUp({ maxWaitMs: 0 })
  push('a')
  finish[0]!(new Error('no'))
  await time.pass(0)
  assert.deepEqual([failures.map(error => (error as Error).message), lane.done], [['no'], 0n])
  await lane.end()
})

test('how old the oldest record is that is not done, and what is tried again', async () => {
  const { lane, time, stuck, finish } = setUp()
  const pushAt = (offset: bigint, timestampMs: bigint) => {
    lane.push({ ...recordOf(offset, 'x', null), timestampMs })
    lane.fetched(offset + 1n)
  }
  assert.equal(lane.oldestMs, null)
  pushAt(0n, 5n)
  assert.equal(lane.oldestMs, 5)
  await time.pass(100)
  pushAt(1n, 7n)
  assert.equal(lane.oldestMs, 5, 'it is being called with')
  const [one, other] = [[], []]
  lane.failed(one, new Error('no'))
  lane.failed(other, new Error('not either'))
  lane.failed(one, new Error('still no'), 'Error: still no')
  assert.deepEqual(lane.trouble, { sinceMs: 100, times: 2, message: 'Error: still no' })
  for (let times = 3; times < 20; times++) lane.failed(one, new Error(`no ${times}`))
  assert.deepEqual(stuck, ['no 10'], 'it is told once')
  lane.settled(one)
  assert.equal(lane.trouble?.message, 'not either')
  lane.settled(other)
  assert.equal(lane.trouble, null)
  finish[0]!()
  await time.pass(0)
  assert.equal(lane.oldestMs, 7)
  await time.pass(100)
  finish[1]!()
  await time.pass(0)
  assert.equal(lane.oldestMs, null)
})

test('no pause is longer than five minutes', async () => {
  const { lane, time } = setUp()
  let isOver = false
  const paused = lane.pause(1e15).then(() => void (isOver = true))
  await time.pass(299_999)
  assert.equal(isOver, false)
  await time.pass(1)
  await paused
})

test('what waits in memory is bounded', () => {
  const { lane, push } = setUp()
  assert.equal(lane.wantsMore, true)
  push(...new Array<string>(5_003).fill('a'))
  assert.deepEqual([lane.wantsMore, lane.bytes], [false, 5_000])
})
