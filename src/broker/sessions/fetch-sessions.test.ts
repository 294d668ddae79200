import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, trustingClock } from '../../base.ts'
import { type FetchPartition, FetchSessions } from './fetch-sessions.ts'

function setUp({ slots = 10, mostPartitions = 100 }) {
  const time = { ms: 0 }
  const clock = trustingClock(
    () => time.ms,
    () => time.ms,
  )
  const sessions = new FetchSessions(slots, clock, realSystem().random, mostPartitions)
  const create = (partitions: number) => {
    const map = new Map(Array.from({ length: partitions }, (_, n) => [`${n}`, {} as FetchPartition]))
    return sessions.create(map, true)
  }
  return { time, sessions, create }
}

test('an unused session is evicted if slots or partitions run out', () => {
  for (const [limits, size] of [
    [{ slots: 2 }, 10],
    [{ mostPartitions: 20 }, 10],
    [{ mostPartitions: 20 }, 20],
  ] as const) {
    const { time, sessions, create } = setUp(limits)
    const [first, second] = [create(10)!, create(10)!]
    assert.equal(create(size), null)
    time.ms += 60_000
    assert.notEqual(typeof sessions.resume(second.id, 1, true), 'string')
    time.ms += 60_000
    assert.equal(create(size) === null, size === 20, 'the second has been used')
    assert.equal(sessions.resume(first.id, 1, true), 'FETCH_SESSION_ID_NOT_FOUND')
  }
})

test('a session that can never fit evicts no other', () => {
  const { time, sessions, create } = setUp({ mostPartitions: 20 })
  const session = create(10)!
  time.ms += 1_000_000
  assert.equal(create(21), null)
  assert.equal(sessions.size, 1)
  assert.notEqual(typeof sessions.resume(session.id, 1, true), 'string')
})
