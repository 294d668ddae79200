import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { finalEpoch, partitionKey, type ShareSession, ShareSessions } from './share-sessions.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid

function fill(sessions: ShareSessions, session: ShareSession, count: number): void {
  sessions.admit(count)
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
  assert.throws(() => sessions.admit(5), refused)
  fill(sessions, two, 4)
  one.partitions.clear()
  sessions.changed(one)
  sessions.admit(6)
  // The same member begins anew: what its former session had is gone.
  const again = sessions.open('g', 'two', 2)
  sessions.admit(10)
  fill(sessions, again, 10)
  assert.throws(() => sessions.admit(1), refused)
  assert.equal(sessions.close(two), false)
  sessions.resume('g', 'two', finalEpoch)
  sessions.admit(10)
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
