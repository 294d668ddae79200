import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { finalEpoch, partitionKey, type ShareSession, ShareSessions } from './share-sessions.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid

function fill(sessions: ShareSessions, session: ShareSession, count: number): void {
  sessions.admit(count)
  for (let partition = 0; partition < count; partition++) session.partitions.set(partitionKey(topicId, partition), { topicId, partition })
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
