import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from './system.ts'
import { inSlices, runInSlices, Turns } from './turns.ts'

/** An event loop whose time passes only where work says so. */
class Loop {
  nowMs = 0
  readonly #soon: (() => void)[] = []
  readonly turns = new Turns({
    clock: trustingClock(
      () => this.nowMs,
      () => this.nowMs,
    ),
    timers: { soon: callback => void this.#soon.push(callback), after: () => ({ cancel() {} }) },
  })
  /** Milliseconds that each turn was busy. */
  readonly busyMs: number[] = []

  async run(): Promise<void> {
    for (;;) {
      const fromMs = this.nowMs
      for (const callback of this.#soon.splice(0)) callback()
      for (let step = 0; step < 50; step++) await Promise.resolve()
      this.busyMs.push(this.nowMs - fromMs)
      if (this.#soon.length === 0) return
    }
  }
}

test('long lists are worked through in slices, all together no longer than one in each turn', async () => {
  const loop = new Loop()
  const work = (n: number) => {
    loop.nowMs += 0.5
    return n + 1
  }
  const list = Array.from({ length: 100 }, (_, n) => n)
  const both = Promise.all([inSlices(loop.turns, list, work), inSlices(loop.turns, list, async n => work(n))])
  await loop.run()
  const expected = list.map(n => n + 1)
  assert.deepEqual(await both, [expected, expected])
  assert.ok(Math.max(...loop.busyMs) <= 4, `${Math.max(...loop.busyMs)} ms in one turn`)
  assert.equal(loop.nowMs, 100)
})

test('a short list takes no turn of its own', async () => {
  const { turns } = new Loop()
  assert.deepEqual(await inSlices(turns, ['a', 'b'], (text, index) => text + index), ['a0', 'b1'])
})

test('a short list does not wait for work that has used up the turn', async () => {
  const loop = new Loop()
  const long = inSlices(
    loop.turns,
    Array.from({ length: 100 }, (_, n) => n),
    () => void (loop.nowMs += 1),
  )
  assert.ok(loop.turns.over)
  assert.deepEqual(await inSlices(loop.turns, ['a', 'b'], text => text), ['a', 'b'])
  assert.ok(loop.turns.over, 'all that in one turn')
  await loop.run()
  await long
})

test('the more are waiting, the shorter their slices: the last one does not wait for a full slice of each', async () => {
  const loop = new Loop()
  const work = () => void (loop.nowMs += 0.5)
  const long = Array.from({ length: 40 }, () => inSlices(loop.turns, Array(100).fill(0), work))
  let endedMs = 0
  const last = inSlices(loop.turns, Array(9).fill(0), () => {}).then(() => (endedMs = loop.nowMs))
  await loop.run()
  await Promise.all([...long, last])
  assert.ok(endedMs < 40, `waited ${endedMs} ms`)
  assert.equal(loop.nowMs, 40 * 100 * 0.5)
})

test('what fails fails the whole, when everything that was begun has ended', async () => {
  const { turns } = new Loop()
  let ended = false
  const slow = async () => {
    for (let step = 0; step < 10; step++) await Promise.resolve()
    ended = true
  }
  const failing = inSlices(turns, [slow, () => Promise.reject(new Error('no'))], begin => begin())
  await assert.rejects(failing, /no/)
  const throwing = inSlices(turns, [slow, () => assert.fail('at once')], begin => begin())
  ended = false
  await assert.rejects(throwing, /at once/)
  assert.ok(ended)
})

test('a generator is run to its end', async () => {
  const loop = new Loop()
  function* steps(): Generator<void, string> {
    for (let step = 0; step < 20; step++) {
      loop.nowMs += 1
      yield
    }
    return 'done'
  }
  const result = runInSlices(loop.turns, steps())
  await loop.run()
  assert.equal(await result, 'done')
  assert.ok(Math.max(...loop.busyMs) <= 4)
})
