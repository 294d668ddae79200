import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../base.ts'
import { Healing } from './healing.ts'

/** Time stands still but for `now`, and pauses are noted; no pause is longer or shorter by chance. */
function begin(mostAttempts = -1) {
  const time = { now: 0 }
  const waiting: { ms: number; call: () => void }[] = []
  const system = {
    clock: trustingClock(
      () => 1_000,
      () => time.now,
    ),
    timers: {
      after(ms: number, call: () => void) {
        const one = { ms, call }
        waiting.push(one)
        return { cancel: () => void waiting.splice(waiting.indexOf(one) >>> 0, 1) }
      },
      soon: () => {},
    },
    random: { fill: () => {}, below: () => 200 },
  }
  return { time, waiting, healing: new Healing({ firstMs: 100, longestMs: 1_000, mostAttempts }, system, []) }
}

test('later and later, and from the shortest pause again after it has run for a while', () => {
  const { time, healing } = begin()
  const pauses: (number | null)[] = []
  for (let round = 0; round < 6; round++) {
    healing.began()
    pauses.push(healing.failed('Error: broken\n  at x', () => {}))
  }
  assert.deepEqual(pauses, [100, 200, 400, 800, 1_000, 1_000])
  healing.began()
  time.now += 60_000
  assert.equal(
    healing.failed('y', () => {}),
    100,
  )
})

test('the history has the newest failures, with what caused them', () => {
  const { healing } = begin()
  for (let round = 0; round < 12; round++) {
    healing.began()
    healing.failed(`ConnectException: outer ${round}\n  at x\nCaused by: Error: inner\n  at y`, () => {})
  }
  assert.equal(healing.history.length, 10)
  assert.deepEqual(healing.history.at(-1), { atMs: 1_000, reason: 'ConnectException: outer 11; Error: inner', retryMs: 1_000 })
})

test('while brokers are away it is tried again soon, and counts as no attempt', () => {
  const { healing } = begin(0)
  const pauses = Array.from({ length: 4 }, () => healing.failed('x', () => {}, true))
  assert.deepEqual(pauses, [100, 200, 400, 800])
  assert.equal(healing.failed('x', assert.fail), null)
})

test('not for ever if it is told so, and not once it has been stopped', () => {
  const once = begin(1)
  once.healing.began()
  assert.equal(
    once.healing.failed('x', () => {}),
    100,
  )
  once.healing.began()
  assert.equal(
    once.healing.failed('x', () => {}),
    null,
  )
  assert.equal(begin(0).healing.failed('x', assert.fail), null)
  const stopped = begin()
  stopped.healing.failed('x', assert.fail)
  stopped.healing.stop()
  assert.deepEqual(stopped.waiting, [])
})
