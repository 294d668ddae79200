import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growingMs, pause } from './pause.ts'

/** Timers that run when the test says so. */
function timers() {
  const waiting = new Set<() => void>()
  const after = (_ms: number, callback: () => void) => {
    waiting.add(callback)
    return { cancel: () => void waiting.delete(callback) }
  }
  return { waiting, timers: { after, soon: (callback: () => void) => void waiting.add(callback) } }
}

test('pauses grow up to the longest, however often it failed', () => {
  const pauseMs = { first: 50, last: 1_000 }
  assert.deepEqual(
    [0, 1, 2, 4, 5, 40, 5_000].map(failures => growingMs(pauseMs, failures)),
    [50, 100, 200, 800, 1_000, 1_000, 1_000],
  )
  assert.equal(growingMs({ first: 2_000, last: 1_000 }, 0), 1_000)
  assert.equal(growingMs({ first: 0, last: 1_000 }, 5_000), 0)
})

test('a pause ends with its time, or with its signal, and leaves no timer behind', async () => {
  const simulated = timers()
  const plain = pause(simulated, 5)
  for (const callback of simulated.waiting) callback()
  await plain
  simulated.waiting.clear()
  const stop = new AbortController()
  const ended = pause(simulated, 5, stop.signal)
  assert.equal(simulated.waiting.size, 1)
  stop.abort()
  await ended
  assert.equal(simulated.waiting.size, 0)
  await pause(simulated, 5, stop.signal)
  assert.equal(simulated.waiting.size, 0)
})
