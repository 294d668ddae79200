import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { realSystem, watchTurns } from '../base.ts'
import { silentLogger } from '../logger.ts'
import { Seldom } from './seldom.ts'
import { Stalls } from './stalls.ts'

class World {
  nowMs = 0
  readonly lines: object[] = []
  readonly stalls: Stalls

  constructor() {
    const clock = { ...realSystem().clock, monotonic: () => this.nowMs }
    const logger = { ...silentLogger, info: (details: object) => void this.lines.push(details) }
    this.stalls = new Stalls({ ...realSystem(), clock }, logger as never, new Seldom(clock))
  }

  /** A turn that works so long for each API. */
  turn(...work: [api: string, ms: number][]): void {
    const beganMs = this.nowMs
    for (const [api, ms] of work) {
      this.stalls.worksFor(api, this.nowMs)
      this.nowMs += ms
    }
    this.stalls.turn(this.nowMs - beganMs)
  }
}

test('a long turn is counted, and logged with the API that took most of it', () => {
  const world = new World()
  world.turn(['Heartbeat', 5], ['ListOffsets', 40], ['Metadata', 1])
  world.turn(['Fetch', 10], ['Produce', 9])
  world.turn(['Fetch', 10], ['Metadata', 10], ['Produce', 10])
  assert.equal(world.stalls.durations.count, 2)
  assert.equal(world.stalls.durations.totalMs, 76)
  assert.deepEqual(world.lines, [
    { api: 'ListOffsets', stallMs: 46 },
    { api: null, stallMs: 30 },
  ])
})

test('an API is logged once a minute', () => {
  const world = new World()
  for (let round = 0; round < 10; round++) world.turn(['ListOffsets', 100])
  assert.equal(world.lines.length, 1)
  world.nowMs += 60_000
  world.turn(['ListOffsets', 100])
  assert.equal(world.lines.length, 2)
  assert.equal(world.stalls.durations.count, 11)
})

test('the turns of the event loop are measured without the time in which it waited', async () => {
  let busyMs = 0
  const watch = watchTurns(ms => {
    busyMs += ms
  })
  const beganMs = performance.now()
  await sleep(300)
  setImmediate(() => {
    for (const endMs = performance.now() + 40; performance.now() < endMs; );
  })
  await sleep(60)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  watch.cancel()
  assert.ok(busyMs >= 40, `${busyMs} ms`)
  assert.ok(busyMs < performance.now() - beganMs - 100, `${busyMs} ms`)
})
