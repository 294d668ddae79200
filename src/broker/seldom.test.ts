import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base.ts'
import { Seldom } from './seldom.ts'

test('one complaint a minute about each thing, and a bound on the things', () => {
  let nowMs = 0
  const seldom = new Seldom({ monotonic: () => nowMs, now: () => 0 } as Clock)
  assert.deepEqual([seldom.allows('a'), seldom.allows('b'), seldom.allows('a')], [true, true, false])
  nowMs = 59_999
  assert.equal(seldom.allows('a'), false)
  nowMs = 60_000
  assert.deepEqual([seldom.allows('a'), seldom.allows('a')], [true, false])
  for (let key = 0; key < 1_000; key++) seldom.allows(String(key))
  assert.equal(seldom.allows('a'), true)
})
