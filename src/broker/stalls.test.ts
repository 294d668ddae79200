import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { realSystem, watchTurns } from '../base.ts'
import { silentLogger } from './logger.ts'
import { Seldom } from './seldom.ts'
import { Stalls } from './stalls.ts'

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('a long turn is counted and told with the API that took the longest, a wait is not', async () => {
  const system = realSystem()
  const lines: object[] = []
  const logger = { ...silentLogger, warn: (details: object) => void lines.push(details) }
  const stalls = new Stalls(system, logger as never, new Seldom(system.clock))
  const watch = watchTurns(busyMs => stalls.turn(busyMs))
  await sleep(60)
  // A busy machine may have held up the wait itself.
  const before = stalls.durations.count
  lines.length = 0
  setImmediate(() => {
    stalls.worksFor('Heartbeat', performance.now())
    busy(5)
    stalls.worksFor('ListOffsets', performance.now())
    busy(40)
    stalls.worksFor('Metadata', performance.now())
  })
  await sleep(20)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.ok(stalls.durations.count > before)
  assert.ok(stalls.durations.totalMs >= 45)
  assert.equal((lines[0] as { api: string }).api, 'ListOffsets')
  assert.ok((lines[0] as { stallMs: number }).stallMs >= 45)
  watch.cancel()
})

test('turns without work are not stalls', () => {
  const system = realSystem()
  const stalls = new Stalls(system, silentLogger, new Seldom(system.clock))
  stalls.worksFor('Fetch', 0)
  stalls.turn(19)
  assert.equal(stalls.durations.count, 0)
  stalls.turn(21)
  assert.equal(stalls.durations.count, 1)
})
