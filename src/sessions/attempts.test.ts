import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../base.ts'
import { Attempts } from './attempts.ts'
import type { Unauthorized } from './credentials.ts'

function attempts() {
  let now = 0
  const clock = trustingClock(
    () => now,
    () => now,
  )
  const table = new Attempts(clock)
  /** Seconds to wait; null: it may be tried. */
  const fail = (address: string, user: string | null): number | null => {
    try {
      table.begin(address, user)
      return null
    } catch (error) {
      return (error as Unauthorized).retryAfterSeconds
    }
  }
  return { table, fail, pass: (ms: number) => void (now += ms) }
}

const times = (count: number, work: (at: number) => unknown) => Array.from({ length: count }, (_, at) => work(at))

test('failed logins of a user at an address are few, and then slow', () => {
  const { fail, pass } = attempts()
  assert.deepEqual(new Set(times(10, () => fail('a', 'alice'))), new Set([null]))
  assert.equal(fail('a', 'alice'), 6)
  assert.equal(fail('a', 'bob'), null, 'another user')
  assert.equal(fail('b', 'alice'), null, 'another address')
  pass(6_000)
  assert.equal(fail('a', 'alice'), null)
  assert.equal(fail('a', 'alice'), 6)
})

test('an address cannot try many users, and a user is not tried from many addresses', () => {
  const { fail } = attempts()
  times(100, at => fail('a', `user-${at}`))
  assert.equal(fail('a', 'one-more'), 1)
  times(100, at => fail(`10.0.0.${at}`, 'admin'))
  assert.equal(fail('10.0.1.1', 'admin'), 1)
  times(100, () => fail('c', null))
  assert.equal(fail('c', null), 1, 'tokens, too')
})

test('a success is forgiven, and what is refused counts nothing', () => {
  const { table, fail, pass } = attempts()
  times(1_000, () => table.begin('a', 'alice')())
  times(10, () => fail('a', 'alice'))
  times(50, () => assert.equal(fail('a', 'alice'), 6))
  pass(60_000)
  assert.deepEqual(new Set(times(10, () => fail('a', 'alice'))), new Set([null]))
})

test('what is remembered is bounded', () => {
  const { fail } = attempts()
  times(10, () => fail('a', 'alice'))
  times(5_000, at => fail(`x${at}`, `y${at}`))
  assert.equal(fail('a', 'alice'), null, 'the oldest is forgotten')
})
