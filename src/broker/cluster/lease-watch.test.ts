import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Process } from '../../../sim/world/process.ts'
import { simulatedWorld } from '../../../sim/world/world.ts'
import { frameKind, type StreamHead } from '../../store.ts'
import { LeaseWatch, noSeq } from './lease-watch.ts'

function setting() {
  const world = simulatedWorld({ seed: 1 })
  const process = new Process(world.system.timers)
  const system = { ...world.system, timers: process }
  const state = { heads: [] as StreamHead[], expected: [] as number[], ended: 0, proven: true, answers: true, delayMs: 1 }
  /** By session, the longest silence that was told. */
  const told = new Map<number, number>()
  const watch = new LeaseWatch({
    system,
    async heads() {
      const { heads } = state
      await process.sleep(state.delayMs)
      if (!state.answers) throw new Error('no answer')
      return heads
    },
    expected: () => state.expected,
    proven: () => state.proven,
    silentMs: 3_000,
    hasEnded: session => session === state.ended,
    looked(silent) {
      for (const [session, ms] of silent) told.set(session, ms)
    },
  })
  watch.start()
  return { world, process, state, told, watch }
}

const head = (session: number, seq: number): StreamHead => ({ session, seq, kind: frameKind.heartbeat })

test('a stream is silent when it has not grown for the time; one that grows never is', async () => {
  const { world, state, told, watch } = setting()
  for (let seq = 1; seq <= 12; seq++) {
    state.heads = [head(1, seq), head(2, 7)]
    await world.pass(500)
    if (seq === 5) assert.equal(told.size, 0)
  }
  assert.deepEqual([...told.keys()], [2])
  assert.ok(told.get(2)! >= 3_000 && told.get(2)! < 6_000)
  assert.deepEqual([watch.silentAt(1), watch.silentAt(2)], [null, 7])
  state.heads = [head(1, 13), head(2, 8)]
  await world.pass(500)
  assert.equal(watch.silentAt(2), null)
  watch.close()
})

test('a watcher that was paused forgets what it saw', async () => {
  const { world, process, state, told, watch } = setting()
  state.heads = [head(1, 5)]
  await world.pass(2_900)
  process.pause(60_000)
  await world.pass(59_000)
  assert.equal(watch.silentAt(1), null, 'nobody has looked')
  // It wakes, and sees the same frame: the session may have been paused with it.
  await world.pass(1_000 + 2_900)
  assert.equal(told.size, 0)
  await world.pass(1_000)
  assert.deepEqual([...told.keys()], [1])
  watch.close()
})

test('while the database does not answer, or this broker is not proven, nobody is silent', async () => {
  const { world, state, told, watch } = setting()
  state.heads = [head(1, 5)]
  await world.pass(2_000)
  state.answers = false
  await world.pass(1_000)
  state.answers = true
  await world.pass(2_500)
  assert.equal(told.size, 0)
  state.proven = false
  await world.pass(10_000)
  assert.equal(told.size, 0)
  state.proven = true
  await world.pass(2_500)
  assert.equal(told.size, 0)
  state.delayMs = 2_000
  await world.pass(20_000)
  assert.equal(told.size, 0, 'answers that come too late show nothing')
  state.delayMs = 1
  await world.pass(6_000)
  assert.deepEqual([...told.keys()], [1])
  watch.close()
})

test('a registered session that is not there is as silent as one that does not grow', async () => {
  const { world, state, told, watch } = setting()
  state.expected = [1, 2]
  state.heads = [head(2, 1)]
  for (let seq = 1; seq <= 8; seq++) {
    state.heads = [head(2, seq)]
    await world.pass(500)
  }
  assert.deepEqual([...told.keys()], [1])
  assert.equal(watch.silentAt(1), noSeq)
  watch.close()
})

test('a session whose process has ended is silent at once', async () => {
  const { world, state, told, watch } = setting()
  state.heads = [head(1, 5), head(2, 5)]
  await world.pass(1_000)
  state.ended = 2
  await world.pass(500)
  assert.deepEqual([...told], [[2, Number.POSITIVE_INFINITY]])
  assert.deepEqual([watch.silentAt(1), watch.silentAt(2)], [null, 5])
  watch.close()
})
