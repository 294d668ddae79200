import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../../base.ts'
import { DataError, RetriableError } from '../../connector.ts'
import { classOfError, type ErrorSettings, Errors, skipped, traceOf } from './errors.ts'

const where = { stage: 'TRANSFORMATION', className: 'c', raw: null } as const

function errorsWith(settings: Partial<ErrorSettings>) {
  const time = { now: 0 }
  const counts = new Map<string, number>()
  const errors = new Errors({
    settings: { retryTimeoutMs: 0, longestRetryMs: 60_000, tolerated: false, logged: false, logsRecords: false, ...settings },
    deadLetters: null,
    system: {
      clock: trustingClock(
        () => 0,
        () => time.now,
      ),
      timers: {
        after(ms, call) {
          time.now += ms
          queueMicrotask(call)
          return { cancel() {} }
        },
        soon() {},
      },
    },
    log: { error() {} },
    signal: new AbortController().signal,
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
  })
  return { errors, counts, time }
}

test('what works is given at once, without a promise', () => {
  assert.equal(
    errorsWith({}).errors.run(where, where.raw, null, () => 7),
    7,
  )
})

test('an error fails the task, or is skipped where errors are tolerated', async () => {
  const broken = () => {
    throw new DataError('broken')
  }
  await assert.rejects(async () => errorsWith({}).errors.run(where, where.raw, null, broken), {
    name: 'ConnectException',
    message: 'Tolerance exceeded in error handler: TRANSFORMATION (c)',
  })
  const place = { topic: 'orders', partition: 1, offset: 8n }
  await assert.rejects(errorsWith({}).errors.report({ ...where, place }, new DataError('refused')), {
    message: 'Tolerance exceeded in error handler: TRANSFORMATION (c), offset 8 of orders-1',
  })
  const { errors, counts } = errorsWith({ tolerated: true })
  assert.equal(await errors.run(where, where.raw, null, broken), skipped)
  assert.equal(await errors.run(where, where.raw, null, async () => broken()), skipped)
  assert.deepEqual(Object.fromEntries(counts), { record_errors: 2, records_skipped: 2 })
})

test('what may pass is tried again, later and later, for as long as it is told', async () => {
  let calls = 0
  const busy = () => {
    if (++calls < 4) throw new RetriableError('busy')
    return 'done'
  }
  const patient = errorsWith({ retryTimeoutMs: -1 })
  assert.equal(await patient.errors.run(where, where.raw, null, busy), 'done')
  assert.equal(patient.time.now, 300 + 600 + 1_200)
  calls = Number.NEGATIVE_INFINITY
  const short = errorsWith({ retryTimeoutMs: 1_000, tolerated: true })
  assert.equal(await short.errors.run(where, where.raw, null, busy), skipped)
  assert.equal(short.time.now, 1_000)
  calls = 0
  await assert.rejects(async () => errorsWith({}).errors.run(where, where.raw, null, busy))
  assert.equal(calls, 1)
})

test('names and traces of errors', () => {
  assert.equal(classOfError(new DataError('x')), 'org.apache.kafka.connect.errors.DataException')
  assert.equal(classOfError(new TypeError('x')), 'TypeError')
  assert.match(traceOf(new Error('outer', { cause: new Error('inner') })), /^Error: outer\n[\s\S]*\nCaused by: Error: inner/)
})
