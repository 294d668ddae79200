/** Batches: retries, splitting, partial results, age, and a function that cannot be reached. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Unavailable } from '../callee.ts'
import { firstFailure } from '../results.ts'
import { FunctionError } from '../runner/process.ts'
import { type BatchActions, type BatchSettings, type Entry, processBatch } from './batch.ts'

function entry(offset: number, timestampMs = 1_000): Entry {
  return {
    record: { topic: 't', partition: 0, offset: BigInt(offset), timestampMs: BigInt(timestampMs), key: null, value: null, headers: [] },
    item: String(offset),
  }
}

const offsets = (entries: readonly Entry[]) => entries.map(({ record }) => Number(record.offset))

/** Runs ten records through a function, and tells what was called, delivered, given up, and how long it has waited. */
async function run(
  behave: (offsets: number[], call: number) => unknown,
  settings: Partial<BatchSettings> = {},
  entries = Array.from({ length: 10 }, (_, at) => entry(at)),
) {
  const told = {
    calls: [] as number[][],
    delivered: [] as number[],
    givenUp: [] as [number[], string, number][],
    pauses: [] as number[],
    again: 0,
  }
  const actions: BatchActions = {
    async call(some) {
      told.calls.push(offsets(some))
      return behave(offsets(some), told.calls.length)
    },
    firstFailure: (result, some) => firstFailure(result, 't', 0, new Set(some.map(({ record }) => record.offset))),
    async deliver(_, some) {
      told.delivered.push(...offsets(some))
    },
    async giveUp(some, { error, attempts }) {
      told.givenUp.push([offsets(some), error.message, attempts])
    },
    async pause(ms) {
      told.pauses.push(ms)
    },
    refused: () => {},
    again: () => void told.again++,
    now: () => 10_000,
  }
  await processBatch(entries, { retries: 2, maxAgeMs: null, bisect: false, ...settings }, actions)
  return told
}

const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const fail = (message = 'no') => {
  throw new FunctionError('error', 'Error', message)
}

test('what fails is tried again, later and later, and then given up', async () => {
  const good = await run(() => null)
  assert.deepEqual([good.calls.length, good.delivered, good.pauses], [1, all, []])
  const third = await run((_, call) => (call < 3 ? fail() : null))
  assert.deepEqual([third.calls.length, third.delivered, third.pauses, third.givenUp], [3, all, [100, 200], []])
  const never = await run(() => fail('broken'))
  assert.deepEqual([never.calls.length, never.delivered, never.givenUp], [3, [], [[all, 'broken', 3]]])
  assert.equal((await run(() => fail(), { retries: 0 })).calls.length, 1)
})

test('splitting costs no retries, keeps the order, and finds the bad record', async () => {
  const told = await run(some => (some.includes(3) ? fail() : null), { bisect: true, retries: 1 })
  assert.deepEqual(told.delivered, [0, 1, 2, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(
    told.givenUp.map(([some]) => some),
    [[3]],
  )
  assert.deepEqual(told.calls, [all, [0, 1, 2, 3, 4], [0, 1, 2], [3, 4], [3], [3], [4], [5, 6, 7, 8, 9]])
  assert.deepEqual(told.pauses.length, 1)
})

test('it is told that records are called with again, however they have failed', async () => {
  assert.equal((await run(() => fail())).again, 2, 'and not when they are given up')
  assert.equal((await run(() => fail(), { retries: 0, bisect: true })).again, 9, 'for each split')
  const partial = await run((given, call) =>
    call === 1 ? { batchItemFailures: [{ itemIdentifier: { partition: 't-0', offset: given[5] } }] } : null,
  )
  assert.equal(partial.again, 1)
})

test('a partial result: what is before the first failure is done', async () => {
  const failed = (...some: number[]) => ({ batchItemFailures: some.map(offset => ({ itemIdentifier: { partition: 't-0', offset } })) })
  const told = await run((_, call) => (call === 1 ? failed(7, 4) : call === 2 ? failed(4) : failed()))
  assert.deepEqual(
    told.calls.map(some => some[0]),
    [0, 4, 4],
  )
  assert.deepEqual(told.delivered, all)
  const stuck = await run(some => (some.includes(4) ? failed(4) : null), { retries: 1 })
  assert.deepEqual([stuck.delivered, stuck.givenUp.map(([some]) => some)], [[0, 1, 2, 3], [[4, 5, 6, 7, 8, 9]]])
  const nonsense = await run(() => failed(99), { retries: 0 })
  assert.deepEqual([nonsense.delivered, nonsense.givenUp.length], [[], 1], 'a bad answer is a failure of all')
})

test('what cannot be reached costs no retry', async () => {
  const told = await run((_, call) => {
    if (call <= 20) throw new Unavailable('away')
    return null
  })
  assert.deepEqual([told.calls.length, told.delivered, told.givenUp], [21, all, []])
  assert.equal(Math.max(...told.pauses), 30_000)
  assert.equal(told.again, 20)
  for (const [retryAfterMs, paused] of [
    [7_000, 7_000],
    [0, 100],
  ] as const) {
    const patient = await run((_, call) => {
      if (call === 1) throw new Unavailable('busy', { isThrottle: true, retryAfterMs })
      return null
    })
    assert.deepEqual(patient.pauses, [paused])
  }
})

test('records that have become too old are given up, also before the first call', async () => {
  const told = await run(() => null, { maxAgeMs: 5_000 }, [entry(0, 4_000), entry(1, 6_000), entry(2, -1)])
  assert.deepEqual([told.calls, told.delivered], [[[1, 2]], [1, 2]])
  assert.deepEqual(told.givenUp, [[[0], 'the record is older than 5000 ms', 0]])
})

test('anything else ends it', async () => {
  await assert.rejects(
    run(() => {
      throw new TypeError('a bug')
    }),
    /a bug/,
  )
})
