import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base.ts'
import { Outage } from './outage.ts'

test('an outage is told when it has lasted a while, and again when it is over', () => {
  let nowMs = 0
  const said: string[] = []
  const outage = new Outage({
    clock: { monotonic: () => nowMs, now: () => 0 } as Clock,
    service: 'the store',
    report: what => void said.push(what),
    recovered: (service, ms) => void said.push(`${service} answers again after ${ms}`),
  })
  const fail = (begunMs: number) => outage.report('it fails', new Error('no'), begunMs, 3_000)
  outage.succeeded()
  nowMs = 1_000
  fail(900)
  outage.succeeded()
  assert.deepEqual(said, [], 'a failure that passes')
  nowMs = 20_000
  outage.succeeded()
  nowMs = 22_000
  fail(5_000)
  assert.deepEqual(said, [], 'others succeeded meanwhile')
  nowMs = 23_500
  fail(22_500)
  nowMs = 25_000
  outage.succeeded()
  assert.deepEqual(said.splice(0), ['it fails', 'the store answers again after 5000'])
  nowMs = 60_000
  fail(45_000)
  assert.deepEqual(said.splice(0), ['it fails'], 'a request that hung for long')
  outage.succeeded()
  assert.deepEqual(said, ['the store answers again after 15000'])
})
