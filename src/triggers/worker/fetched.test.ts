/** One sum for all triggers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FetchedBytes } from './fetched.ts'

test('it is full by what all have together, and no longer when some of it is done', () => {
  const fetched = new FetchedBytes(100)
  const [one, other] = [{}, {}]
  fetched.set(one, 60)
  fetched.set(one, 70)
  assert.equal(fetched.isFull, false)
  fetched.set(other, 30)
  assert.equal(fetched.isFull, true)
  fetched.set(one, 0)
  assert.equal(fetched.isFull, false)
  fetched.set(other, 100)
  assert.equal(fetched.isFull, true)
  fetched.set(other, 0)
  fetched.set(other, 99)
  assert.equal(fetched.isFull, false)
})
