import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../../base.ts'
import { InlineBudget } from './inline-budget.ts'

const [kib, mib] = [1 << 10, 1 << 20]

function budget() {
  let nowMs = 0
  const made = new InlineBudget(
    trustingClock(Date.now, () => nowMs),
    4 * mib,
    64 * kib,
  )
  return { made, pass: (ms: number) => void (nowMs += ms) }
}

test('a flood of large shares leaves room for small ones', () => {
  const { made, pass } = budget()
  let [inline, small] = [0, 0]
  for (let ms = 0; ms < 10_000; ms++) {
    while (made.take(60 * kib)) inline += 60 * kib
    if (made.take(kib)) small++
    pass(1)
  }
  assert.equal(small, 10_000)
  assert.ok(inline > 25 * mib && inline < 44 * mib, `${inline / mib} MiB inline in 10 s`)
})

test('what goes inline in any case costs others nothing of what is to come', () => {
  const { made, pass } = budget()
  for (let nth = 0; nth < 100; nth++) made.force(4 * mib)
  assert.ok(made.take(64 * kib))
  pass(1_000)
  let inline = 0
  while (made.take(kib)) inline += kib
  assert.ok(inline > 3.9 * mib && inline <= 4 * mib, `${inline / mib} MiB after a second`)
})

test('the largest share fits however many brokers there are', () => {
  const { made } = budget()
  made.brokers = 1_000
  assert.ok(made.take(64 * kib))
})
