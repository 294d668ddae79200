import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { finalEpoch } from './session-epochs.ts'
import { partitionKey, type ShareSession, ShareSessions } from './share-sessions.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid

function fill(sessions: ShareSessions, session: ShareSession, count: number): void {
  sessions.admit(session, count)
  for (let partition = 0; partition < count; partition++)
    session.partitions.set(partitionKey(topicId, partition), { topicId, partition, toldError: 0, toldErrorMs: 0 })
  sessions.changed(session)
}

test('sessions are bounded in number and in partitions; what ends gives its place back', () => {
  const sessions = new ShareSessions(() => 2, 10)
  const refused = { name: 'SHARE_SESSION_LIMIT_REACHED' }
  const one = sessions.open('g', 'one', 1)
  const two = sessions.open('g', 'two', 1)
  assert.throws(() => sessions.open('g', 'three', 1), refused)
  fill(sessions, one, 6)
  assert.throws(() => sessions.admit(two, 6), refused)
  fill(sessions, two, 4)
  one.partitions.clear()
  sessions.changed(one)
  assert.deepEqual(sessions.admit(one, 6), [])
  // The same member begins anew: what its former session had is gone.
  const again = sessions.open('g', 'two', 2)
  assert.deepEqual(sessions.admit(again, 10), [])
  fill(sessions, again, 10)
  assert.throws(() => sessions.admit(again, 1), refused)
  assert.equal(sessions.close(two), false)
  sessions.resume('g', 'two', finalEpoch)
  assert.deepEqual(sessions.admit(one, 10), [])
})

test('the largest sessions are evicted in favor of smaller ones', () => {
  const sessions = new ShareSessions(() => 10, 20)
  const [small, large, larger] = ['small', 'large', 'larger'].map((member, n) => sessions.open('g', member, n)) as [
    ShareSession,
    ShareSession,
    ShareSession,
  ]
  fill(sessions, small, 1)
  fill(sessions, large, 9)
  fill(sessions, larger, 10)
  const next = sessions.open('g', 'next', 9)
  assert.throws(() => sessions.admit(next, 10), { name: 'SHARE_SESSION_LIMIT_REACHED' })
  assert.deepEqual(sessions.admit(next, 5), [larger])
  assert.throws(() => sessions.resume('g', 'larger', 1), { name: 'SHARE_SESSION_NOT_FOUND' })
  sessions.resume('g', 'large', 1)
})

test('the sessions of a connection end with it; those that ended before are not kept', () => {
  const sessions = new ShareSessions(() => 10, 10)
  assert.equal(sessions.knows(1), false)
  const first = sessions.open('g', 'one', 1)
  const second = sessions.open('g', 'one', 1)
  const third = sessions.open('g', 'two', 1)
  sessions.open('g', 'three', 2)
  assert.equal(sessions.knows(1), true)
  assert.deepEqual(sessions.closeAll(1), [second, third])
  assert.equal(sessions.close(first), false)
  assert.equal(sessions.knows(1), false)
  assert.throws(() => sessions.resume('g', 'two', 1), { name: 'SHARE_SESSION_NOT_FOUND' })
  sessions.resume('g', 'three', 1)
})
