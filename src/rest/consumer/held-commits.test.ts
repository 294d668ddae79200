import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeldCommits } from './held-commits.ts'

const at = (offset: bigint) => [{ topic: 't', partition: 0, offset }]

function world() {
  let nowMs = 0
  const commits = new HeldCommits({ clock: { monotonic: () => nowMs } as never }, 5_000)
  return { commits, pass: (ms: number) => void (nowMs += ms) }
}

test('what has left is committed when the connection has outlasted it', () => {
  const { commits, pass } = world()
  commits.written(9, null)
  commits.written(100, at(1n))
  assert.deepEqual(commits.due(0), [])
  pass(4_999)
  commits.written(100, at(2n))
  assert.deepEqual(commits.due(0), [])
  pass(1)
  assert.deepEqual(commits.due(0), at(1n))
  assert.deepEqual(commits.due(0), [])
  pass(5_000)
  assert.deepEqual(commits.due(0), at(2n))
  pass(5_000)
  assert.deepEqual(commits.due(0), [])
})

test('what waits in this process is not, however long', () => {
  const { commits, pass } = world()
  commits.written(100, at(1n))
  commits.written(100, at(2n))
  for (let looks = 0; looks < 5; looks++) {
    assert.deepEqual(commits.due(1), [])
    pass(5_000)
  }
  // A stream that is never empty is committed all the same.
  commits.written(1_000, at(3n))
  assert.deepEqual(commits.due(1_000), [])
  pass(5_000)
  assert.deepEqual(commits.due(500), at(2n))
})

test('when the process ends it all what has left is committed', () => {
  const { commits } = world()
  commits.written(100, at(1n))
  commits.due(0)
  commits.written(100, at(2n))
  assert.deepEqual(commits.atEnd(0), at(2n))
  commits.written(100, at(3n))
  commits.due(0)
  commits.written(100, at(4n))
  assert.deepEqual(commits.atEnd(50), at(3n))
  assert.deepEqual(commits.atEnd(50), [])
})

test('what could not be committed is due again, until something newer is', () => {
  const { commits, pass } = world()
  commits.written(100, at(1n))
  commits.due(0)
  pass(5_000)
  commits.again(commits.due(0))
  assert.deepEqual(commits.due(0), at(1n))
  assert.deepEqual(commits.due(0), [])
  commits.again(at(1n))
  commits.written(100, at(2n))
  assert.deepEqual(commits.due(0), at(1n))
  commits.again(at(1n))
  pass(5_000)
  assert.deepEqual(commits.due(0), at(2n))
  assert.deepEqual(commits.due(0), [])
  commits.again(at(2n))
  assert.deepEqual(commits.atEnd(0), at(2n))
})
