import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeaderEpochs } from './leader-epochs.ts'

const starts = (epochs: LeaderEpochs) => epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

test('an epoch is noted where it begins, once', () => {
  const epochs = new LeaderEpochs()
  assert.equal(epochs.latest, -1)
  assert.equal(epochs.assign(0, 0), true)
  assert.equal(epochs.assign(0, 10), false)
  assert.equal(epochs.assign(2, 20), true)
  assert.deepEqual(starts(epochs), [
    [0, 0],
    [2, 20],
  ])
})

test('entries that contradict a new one are dropped', () => {
  const epochs = new LeaderEpochs([
    { epoch: 1, startOffset: 0 },
    { epoch: 2, startOffset: 10 },
    { epoch: 4, startOffset: 20 },
  ])
  epochs.assign(3, 15)
  assert.deepEqual(starts(epochs), [
    [1, 0],
    [2, 10],
    [3, 15],
  ])
  epochs.assign(5, 10)
  assert.deepEqual(starts(epochs), [
    [1, 0],
    [5, 10],
  ])
})

test('the end of an epoch is where the next one begins (KIP-101)', () => {
  const epochs = new LeaderEpochs([
    { epoch: 1, startOffset: 5 },
    { epoch: 3, startOffset: 20 },
    { epoch: 6, startOffset: 40 },
  ])
  assert.deepEqual(epochs.endOffsetFor(6, 50), { leaderEpoch: 6, endOffset: 50 })
  assert.deepEqual(epochs.endOffsetFor(3, 50), { leaderEpoch: 3, endOffset: 40 })
  assert.deepEqual(epochs.endOffsetFor(5, 50), { leaderEpoch: 3, endOffset: 40 })
  assert.deepEqual(epochs.endOffsetFor(0, 50), { leaderEpoch: 0, endOffset: 5 })
  assert.deepEqual(epochs.endOffsetFor(7, 50), { leaderEpoch: -1, endOffset: -1 })
  assert.deepEqual(epochs.endOffsetFor(-1, 50), { leaderEpoch: -1, endOffset: -1 })
})

test('truncation from the start keeps the epoch in force, from the end drops what begins there', () => {
  const epochs = new LeaderEpochs([
    { epoch: 1, startOffset: 5 },
    { epoch: 3, startOffset: 20 },
    { epoch: 6, startOffset: 40 },
  ])
  assert.equal(epochs.truncateBefore(5), false)
  assert.equal(epochs.truncateBefore(30), true)
  assert.deepEqual(starts(epochs), [
    [3, 30],
    [6, 40],
  ])
  assert.equal(epochs.truncateFrom(41), false)
  assert.equal(epochs.truncateFrom(40), true)
  assert.deepEqual(starts(epochs), [[3, 30]])
})

test('the checkpoint is in Kafka’s format and damage is noticed', () => {
  const text = '0\n2\n1 5\n3 20\n'
  assert.equal(LeaderEpochs.decode(text).encode(), text)
  for (const damaged of ['', '1\n0\n', '0\n2\n1 5\n', '0\n1\n1 x\n', '0\n-1\n', '0\n1\n2147483648 0\n', '0\n1\n1 9223372036854775807\n'])
    assert.throws(() => LeaderEpochs.decode(damaged), damaged)
  assert.equal(LeaderEpochs.decode('0\n1\n2147483647 0\n').latest, 2 ** 31 - 1)
})

test('a torn file, or one with the end of an earlier content, is refused', () => {
  const whole = new LeaderEpochs([
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 157 },
  ]).encode()
  for (let bytes = 0; bytes < whole.length; bytes++) assert.throws(() => LeaderEpochs.decode(whole.slice(0, bytes)), `${bytes} bytes`)
  assert.throws(() => LeaderEpochs.decode(`${whole}4 200\n`))
  assert.equal(LeaderEpochs.decode(whole).latest, 3)
})
