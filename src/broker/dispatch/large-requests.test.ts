import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LargeRequests } from './large-requests.ts'

test('four at a time; a waiting request is called when one has finished, and one whose client is gone passes its place on', () => {
  const large = new LargeRequests()
  const inside = [1, 2, 3, 4].map(() => large.enter()!)
  assert.equal(large.enter(), null)
  const entered: string[] = []
  large.whenFree(() => void entered.push('gone'))
  for (const name of ['a', 'b']) {
    const enter = () => (large.enter() === null ? large.whenFree(enter) : entered.push(name))
    large.whenFree(enter)
  }
  inside[0]!()
  inside[0]!()
  assert.deepEqual(entered, ['gone', 'a'])
  inside[1]!()
  assert.deepEqual(entered, ['gone', 'a', 'b'])
  assert.equal(large.enter(), null)
  inside[2]!()
  assert.notEqual(large.enter(), null)
})
