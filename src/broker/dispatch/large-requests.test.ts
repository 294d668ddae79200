import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ResponseMemory } from '../connections/response-memory.ts'
import { LargeRequests } from './large-requests.ts'

const mib = 2 ** 20
const small = { bytes: 1, prompt: false }
const prompt = { bytes: 1, prompt: true }

function made() {
  const responses = new ResponseMemory(10 * mib)
  return { responses, large: new LargeRequests(responses) }
}

test('four at a time; a waiting request is called when one has finished, and one whose client is gone passes its place on', () => {
  const { large } = made()
  const inside = [1, 2, 3, 4].map(() => large.enter(small)!)
  assert.equal(large.enter(small), null)
  const entered: string[] = []
  large.whenFree(small, () => void entered.push('gone'))
  for (const name of ['a', 'b']) {
    const enter = () => (large.enter(small) === null ? large.whenFree(small, enter) : entered.push(name))
    large.whenFree(small, enter)
  }
  inside[0]!()
  inside[0]!()
  assert.deepEqual(entered, ['gone', 'a'])
  inside[1]!()
  assert.deepEqual(entered, ['gone', 'a', 'b'])
  assert.equal(large.enter(small), null)
  inside[2]!()
  assert.notEqual(large.enter(small), null)
})

test('a very large request is processed alone, and those that come later do not overtake it', () => {
  const { large } = made()
  const huge = { bytes: 100 * mib, prompt: false }
  const first = large.enter(small)!
  assert.equal(large.enter(huge), null)
  let leave: (() => void) | null = null
  large.whenFree(huge, () => {
    leave = large.enter(huge)
  })
  assert.equal(large.enter(small), null, 'it waits behind the huge one')
  first()
  assert.notEqual(leave, null)
  assert.equal(large.enter(small), null, 'nothing beside the huge one')
})

test('none begins while clients have not read half of the memory for responses, except what must be answered promptly', async () => {
  const { large, responses } = made()
  responses.holdOther(5 * mib)
  assert.equal(large.enter(small), null)
  let leave: (() => void) | null = null
  void large.place(small).then(free => {
    leave = free
  })
  assert.notEqual(large.enter(prompt), null)
  await turn()
  assert.equal(leave, null)
  responses.giveOther(1)
  await turn()
  assert.notEqual(leave, null)
  assert.deepEqual([large.waiting, responses.heldBytes], [0, 5 * mib - 1])
})

test('fetches that fill their part keep no other response waiting until even they get nothing', () => {
  const { large, responses } = made()
  responses.settle(0, 19 * mib)
  large.enter(small)!()
  responses.settle(0, mib)
  assert.equal(large.enter(small), null)
  let called = 0
  large.whenFree(small, () => called++)
  responses.give(1)
  assert.equal(called, 1)
})
