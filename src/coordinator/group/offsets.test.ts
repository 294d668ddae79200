import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../test/support/processor-time.ts'
import { zeroUuid } from '../../protocol.ts'
import { Offsets } from './offsets.ts'

function offset(recordOffset: number) {
  return {
    recordOffset,
    committedOffset: recordOffset,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: 0,
    expireTimestampMs: -1,
    topicId: zeroUuid,
  }
}

test('whether an offset is pending is one look, however many transactions the group has', () => {
  const offsets = new Offsets()
  const count = 10_000
  for (let producerId = 0; producerId < count; producerId++) offsets.put('g', 't', 0, offset(producerId), producerId)
  const started = processorMs()
  for (let partition = 1; partition <= count; partition++) assert.equal(offsets.hasPending('g', 't', partition), false)
  assert.ok(processorMs() - started < 500)
  for (let producerId = 0; producerId < count; producerId++) {
    assert.equal(offsets.hasPending('g', 't', 0), true)
    offsets.endTransaction(producerId, producerId % 2 === 0)
  }
  assert.equal(offsets.hasOpenTransaction('g'), false)
  assert.equal(offsets.get('g', 't', 0)?.committedOffset, count - 2)
})

test('a tombstone takes what transactions hold; what they hold besides stays', () => {
  const offsets = new Offsets()
  for (const producerId of [1, 2]) for (const partition of [0, 1]) offsets.put('g', 't', partition, offset(producerId), producerId)
  offsets.put('g', 't', 1, offset(0), -1)
  assert.deepEqual(
    [...offsets.partitionsOf('g')],
    [
      ['t', 1],
      ['t', 0],
    ],
  )
  offsets.remove('g', 't', 0)
  assert.equal(offsets.hasPending('g', 't', 0), false)
  assert.equal(offsets.hasPending('g', 't', 1), true)
  for (const producerId of [1, 2]) offsets.endTransaction(producerId, true)
  assert.equal(offsets.get('g', 't', 0), undefined)
  assert.equal(offsets.get('g', 't', 1)?.committedOffset, 2)
})
