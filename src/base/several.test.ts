import assert from 'node:assert/strict'
import { test } from 'node:test'
import { severalAtOnce } from './several.ts'

test('some at once, each once; after a failure no more are begun, and what was begun ends', async () => {
  const begun: number[] = []
  let [running, most] = [0, 0]
  const work = async (item: number) => {
    begun.push(item)
    most = Math.max(most, ++running)
    await new Promise(resolve => setImmediate(resolve))
    running--
    if (item === 7) throw new Error('seven')
  }
  await severalAtOnce([1, 2, 3, 4, 5], 2, work)
  assert.deepEqual([begun, most], [[1, 2, 3, 4, 5], 2])
  await assert.rejects(severalAtOnce([6, 7, 8, 9, 10], 2, work), /seven/)
  assert.deepEqual([begun.slice(5).includes(10), running], [false, 0])
})
