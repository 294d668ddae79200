import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactionalIdOf } from './output.ts'

test('no two triggers write with the same transactional id, whatever they and their topics are called', () => {
  const ids = [
    transactionalIdOf('a', 'b-c', 0),
    transactionalIdOf('a-b', 'c', 0),
    transactionalIdOf('a', 'b', 10),
    transactionalIdOf('a', 'b-1', 0),
  ]
  assert.equal(new Set(ids).size, ids.length)
})
