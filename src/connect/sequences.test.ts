import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sequences, unlessAborted } from './sequences.ts'

test('what is asked of one thing is done in its order, and what is under way hears of what follows', async () => {
  const sequences = new Sequences()
  const done: string[] = []
  const waiting = sequences.run('a', async overtaken => {
    assert.equal(await unlessAborted(overtaken, new Promise<string>(() => {})), null)
    done.push('first')
  })
  assert.equal(sequences.isBusy('a'), true)
  assert.equal(sequences.isBusy('b'), false)
  const failing = sequences.run('a', async overtaken => {
    assert.equal(overtaken.aborted, true)
    done.push('second')
    throw new Error('no')
  })
  const last = sequences.run('a', async overtaken => {
    assert.equal(await unlessAborted(overtaken, Promise.resolve('third')), 'third')
    done.push('third')
  })
  await Promise.all([waiting, assert.rejects(failing, /no/), last])
  await sequences.done()
  assert.deepEqual(done, ['first', 'second', 'third'])
  assert.equal(sequences.isBusy('a'), false)
})
