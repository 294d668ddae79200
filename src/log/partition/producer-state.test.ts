import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Int64, maxInt64 } from '../../base.ts'
import type { ErrorName } from '../../protocol.ts'
import { type BatchInfo, emptyBatchInfo } from './batch-info.ts'
import { ProducerStates } from './producer-state.ts'

const maxSequence = 2 ** 31 - 1

function data(
  producerId: Int64,
  producerEpoch: number,
  baseSequence: number,
  baseOffset: number,
  more: Partial<BatchInfo> = {},
): BatchInfo {
  const lastOffset = more.lastOffset ?? baseOffset
  const lastSequence = (baseSequence + lastOffset - baseOffset) % 2 ** 31
  return { ...emptyBatchInfo(), producerId, producerEpoch, baseSequence, lastSequence, baseOffset, lastOffset, maxTimestamp: 1000, ...more }
}

function marker(producerId: Int64, producerEpoch: number, offset: number, committed: boolean, coordinatorEpoch = 0): BatchInfo {
  const control = { isControl: true, isTransactional: true, marker: { committed, coordinatorEpoch } }
  return { ...emptyBatchInfo(), producerId, producerEpoch, baseOffset: offset, lastOffset: offset, maxTimestamp: 1000, ...control }
}

function append(states: ProducerStates, batch: BatchInfo) {
  assert.equal(states.check(batch, 'client'), null)
  return states.apply(batch)
}

function refuses(states: ProducerStates, batch: BatchInfo, name: ErrorName, origin: 'client' | 'coordinator' = 'client') {
  const before = states.list()
  assert.throws(() => states.check(batch, origin), { name, message: new RegExp(`producer(Id)? ${batch.producerId} .*t-0`) })
  assert.deepEqual(states.list(), before)
}

const historyTo = (to: number) => [{ from: Number.NEGATIVE_INFINITY, to }]

test('sequences increase one by one, and wrap around after 2^31 - 1', () => {
  const states = new ProducerStates('t-0')
  append(states, data(7, 0, 0, 0, { lastOffset: 9 }))
  refuses(states, data(7, 0, 11, 10), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  refuses(states, data(7, 0, 9, 10), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  append(states, data(7, 0, 10, 10))
  const wrapping = new ProducerStates('t-0')
  append(wrapping, data(7, 0, maxSequence - 1, 0, { lastOffset: 3 }))
  assert.equal(wrapping.list()[0]?.lastSequence, 1)
  assert.deepEqual(wrapping.check(data(7, 0, maxSequence - 1, 50, { lastOffset: 53 }), 'client'), {
    baseOffset: 0,
    lastOffset: 3,
    timestamp: 1000,
  })
  append(wrapping, data(7, 0, 2, 4))
  const exact = new ProducerStates('t-0')
  append(exact, data(7, 0, maxSequence, 0))
  append(exact, data(7, 0, 0, 1))
})

test('an unknown producer may start anywhere, but with no epoch below -1; a new epoch only with 0', () => {
  const states = new ProducerStates('t-0')
  refuses(states, data(7, -2, 0, 0), 'INVALID_PRODUCER_EPOCH')
  assert.equal(states.check(data(7, -1, 0, 0), 'client'), null)
  append(states, data(7, 3, 500, 0))
  refuses(states, data(7, 4, 501, 1), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  append(states, data(7, 4, 0, 1))
  refuses(states, data(7, 3, 501, 2), 'INVALID_PRODUCER_EPOCH')
  append(states, data(7, 4, 1, 2))
})

test('the first batch of a transaction with its own epoch has sequence 0 (KIP-890)', () => {
  const states = new ProducerStates('t-0')
  const transactional = { isTransactional: true }
  assert.throws(() => states.check(data(7, 3, 1, 0, transactional), 'client', true), { name: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
  assert.equal(states.check(data(7, 3, 1, 0, transactional), 'client', false), null)
  assert.equal(states.check(data(7, 3, 0, 0, transactional), 'client', true), null)
  append(states, data(7, 3, 0, 0, transactional))
  states.apply(marker(7, 4, 1, true))
  for (const isFirst of [true, false])
    assert.throws(() => states.check(data(7, 4, 1, 2, transactional), 'client', isFirst), { name: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
  assert.equal(states.check(data(7, 4, 0, 2, transactional), 'client', true), null)
})

test('the last five batches are known as duplicates, with their offsets', () => {
  const states = new ProducerStates('t-0')
  for (let nth = 0; nth < 7; nth++) append(states, data(7, 0, nth * 2, 100 + nth * 2, { lastOffset: 101 + nth * 2 }))
  for (let nth = 2; nth < 7; nth++)
    assert.deepEqual(states.check(data(7, 0, nth * 2, 999, { lastOffset: 1000 }), 'client'), {
      baseOffset: 100 + nth * 2,
      lastOffset: 101 + nth * 2,
      timestamp: 1000,
    })
  refuses(states, data(7, 0, 2, 999, { lastOffset: 1000 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  // The same first sequence with another number of records is no duplicate.
  refuses(states, data(7, 0, 12, 999, { lastOffset: 999 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
})

test('transactions hold the last stable offset until their markers are below the high watermark', () => {
  const states = new ProducerStates('t-0')
  assert.equal(states.firstUnstableOffset(), -1)
  append(states, data(1, 0, 0, 10, { isTransactional: true }))
  append(states, data(2, 0, 0, 11, { isTransactional: true }))
  append(states, data(1, 0, 1, 12, { isTransactional: true }))
  assert.equal(states.firstUnstableOffset(), 10)
  assert.deepEqual(append(states, marker(1, 0, 13, false)), {
    producerId: 1,
    firstOffset: 10,
    lastOffset: 13,
    lastStableOffset: 11,
    aborted: true,
  })
  assert.equal(states.firstUnstableOffset(), 10)
  states.highWatermarkMoved(13)
  assert.equal(states.firstUnstableOffset(), 10)
  states.highWatermarkMoved(14)
  assert.equal(states.firstUnstableOffset(), 11)
  assert.equal(append(states, marker(2, 0, 14, true))?.lastStableOffset, 15)
  states.highWatermarkMoved(15)
  assert.equal(states.firstUnstableOffset(), -1)
  assert.equal(append(states, marker(2, 0, 15, true)), null)
})

test('within a transaction only transactional batches; markers are fenced by both epochs', () => {
  const states = new ProducerStates('t-0')
  append(states, data(1, 5, 0, 0, { isTransactional: true }))
  refuses(states, data(1, 5, 1, 1), 'INVALID_TXN_STATE')
  append(states, marker(1, 5, 1, true, 9))
  refuses(states, marker(1, 5, 2, true, 8), 'TRANSACTION_COORDINATOR_FENCED', 'coordinator')
  refuses(states, marker(1, 4, 2, true, 9), 'INVALID_PRODUCER_EPOCH', 'coordinator')
  append(states, marker(1, 6, 2, false, 10))
  assert.deepEqual(states.list(), [
    { producerId: 1, producerEpoch: 6, lastSequence: -1, lastTimestampMs: 1000, coordinatorEpoch: 10, currentTransactionStartOffset: -1 },
  ])
  refuses(states, data(1, 6, 3, 3), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  append(states, data(1, 6, 0, 3))
})

test('coordinators’ batches have no sequence and are never duplicates', () => {
  const states = new ProducerStates('t-0')
  for (const offset of [0, 1]) {
    const batch = data(1, 0, -1, offset, { lastSequence: -1, isTransactional: true })
    assert.equal(states.check(batch, 'coordinator'), null)
    states.apply(batch)
  }
  assert.equal(states.firstUnstableOffset(), 0)
})

test('idle producers expire, those with an open transaction do not', () => {
  const states = new ProducerStates('t-0')
  append(states, data(1, 0, 0, 0))
  append(states, data(2, 0, 0, 1, { isTransactional: true }))
  append(states, data(3, 0, 0, 2, { maxTimestamp: 5000 }))
  states.settle(states.mark())
  states.expire(historyTo(6000), 5000)
  assert.deepEqual(
    states.list().map(({ producerId }) => producerId),
    [2, 3],
  )
  append(states, data(3, 0, 1, 3))
  append(states, data(1, 0, 9, 4))
})

test('timestamp -1: producers of batches without timestamps expire after an observed idle time, also after a restart', () => {
  const states = new ProducerStates('t-0')
  append(states, data(1, 0, 0, 0, { maxTimestamp: -1 }))
  states.settle(states.mark())
  const snapshot = states.encodeSnapshot()
  states.expire(historyTo(1e12), 5000)
  // Its retry is a duplicate, not a newcomer.
  assert.equal(states.check(data(1, 0, 0, 1, { maxTimestamp: -1 }), 'client')?.baseOffset, 0)
  states.expire(historyTo(1e12 + 4999), 5000)
  assert.equal(states.size, 1)
  states.expire(historyTo(1e12 + 5000), 5000)
  assert.equal(states.size, 0)
  states.loadSnapshot(snapshot, historyTo(2e12), 5000)
  assert.equal(states.size, 1)
  states.expire(historyTo(2e12), 5000)
  states.expire(historyTo(2e12 + 5000), 5000)
  assert.equal(states.size, 0)
})

test('with too many producers the longest idle are forgotten, but none whose transaction is open or whose batch may be taken back', () => {
  const states = new ProducerStates('t-0', { maxProducerIdsPerPartition: 32 })
  const ids = () => new Set(states.list().map(({ producerId }) => producerId))
  let offset = 0
  append(states, data(1000, 0, 0, offset++, { isTransactional: true }))
  for (let id = 0; id < 31; id++) append(states, data(id, 0, 0, offset++))
  append(states, data(0, 0, 1, offset++))
  states.settle(states.mark())
  append(states, data(1, 0, 1, offset++))
  const mark = states.mark()
  append(states, data(2, 0, 1, offset++))
  // One more than there may be: a sixteenth of them goes, the oldest first. 0 and 1 wrote again, what 2 wrote may still be taken back.
  append(states, data(50, 0, 0, offset++))
  assert.equal(states.size, 31)
  for (const id of [1000, 0, 1, 2, 5, 50]) assert.ok(ids().has(id), `${id}`)
  for (const id of [3, 4]) assert.ok(!ids().has(id), `${id}`)
  states.rollback(mark)
  assert.ok(!ids().has(50))
  append(states, data(2, 0, 1, offset++))
  states.settle(states.mark())
  for (let id = 2000; id < 12_000; id++) {
    append(states, data(id, 0, 0, offset++))
    states.settle(states.mark())
    assert.ok(states.size <= 32)
  }
  assert.ok(ids().has(1000))
  assert.equal(states.firstUnstableOffset(), 0)
})

test('what the state log keeps brings all retained batches back, with their timestamps', () => {
  const states = new ProducerStates('t-0')
  for (let sequence = 0; sequence < 7; sequence++) append(states, data(1, 2, sequence, sequence, { maxTimestamp: 100 + sequence }))
  append(states, data(2 ** 40, 1, 7, 7, { isTransactional: true }))
  append(states, marker(3, 0, 8, true, 4))
  const bytes = states.encodeRetained()
  const loaded = new ProducerStates('t-0')
  loaded.loadSnapshot(bytes, historyTo(1000), 10_000)
  assert.deepEqual(loaded.list(), states.list())
  assert.deepEqual(loaded.lastRecords(), states.lastRecords())
  assert.equal(loaded.firstUnstableOffset(), 7)
  for (let sequence = 2; sequence < 7; sequence++)
    assert.deepEqual(loaded.check(data(1, 2, sequence, 99), 'client'), {
      baseOffset: sequence,
      lastOffset: sequence,
      timestamp: 100 + sequence,
    })
  refuses(loaded, data(1, 2, 1, 99), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(loaded.encodeRetained(), bytes)
  assert.throws(() => loaded.loadSnapshot(bytes.subarray(0, -1), historyTo(1000), 10_000), /malformed/)
  assert.equal(loaded.size, 3)
})

test('a snapshot brings everything back but all batches before the last', () => {
  const states = new ProducerStates('t-0')
  append(states, data(1, 2, 0, 0, { lastOffset: 4 }))
  append(states, data(1, 2, 5, 5))
  append(states, data(2n ** 60n + 1n, 1, 7, 6, { isTransactional: true, maxTimestamp: maxInt64 }))
  append(states, marker(3, 0, 7, true, 4))
  const file = states.encodeSnapshot()
  const loaded = new ProducerStates('t-0')
  loaded.loadSnapshot(file, historyTo(1000), 10_000)
  assert.deepEqual(loaded.list(), states.list())
  assert.equal(loaded.firstUnstableOffset(), 6)
  assert.deepEqual(loaded.lastRecords(), states.lastRecords())
  assert.equal(loaded.check(data(1, 2, 5, 99), 'client')?.baseOffset, 5)
  refuses(loaded, data(1, 2, 0, 99, { lastOffset: 103 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  loaded.loadSnapshot(file, historyTo(20_000), 10_000)
  assert.deepEqual(
    loaded.list().map(({ producerId }) => producerId),
    [2n ** 60n + 1n],
  )
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file)
    damaged[at]! ^= 1
    assert.throws(() => loaded.loadSnapshot(damaged, historyTo(0), 10_000), `bit flipped at ${at}`)
  }
  assert.equal(loaded.size, 1)
})

test('what was applied since a mark can be taken back, whatever it was', () => {
  // Pseudo-random histories: the state after `rollback` must be the state without the batches since the mark.
  let seed = 42
  const below = (bound: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return Math.floor((seed / 2 ** 32) * bound)
  }
  const observe = (states: ProducerStates) => ({
    list: states.list().sort((a, b) => (a.producerId < b.producerId ? -1 : 1)),
    unstable: states.firstUnstableOffset(),
  })
  let rolledBack = 0
  for (let round = 0; round < 200; round++) {
    const states = new ProducerStates('t-0')
    const reference = new ProducerStates('t-0')
    let offset = 0
    const random = (): BatchInfo => {
      const id = ([0, 1, 2n ** 60n, 2n ** 60n + 1n] as const)[below(4)]!
      const known = states.list().find(({ producerId }) => producerId === id)
      const epoch = (known?.producerEpoch ?? 0) + (below(6) === 0 ? 1 : 0)
      if (below(4) === 0) return marker(id, epoch, offset, below(2) === 0)
      const sequence = known === undefined || known.producerEpoch !== epoch ? 0 : known.lastSequence + 1
      const inTransaction = known !== undefined && known.currentTransactionStartOffset >= 0
      return data(id, epoch, sequence, offset, { isTransactional: inTransaction || below(2) === 0 })
    }
    for (let step = 0; step < 10; step++) {
      const mark = states.mark()
      const batches: BatchInfo[] = []
      for (let n = below(5); n >= 0; n--, offset++) {
        const batch = random()
        append(states, batch)
        batches.push(batch)
      }
      if (below(2) === 0) {
        states.rollback(mark)
        rolledBack++
      } else {
        for (const batch of batches) append(reference, batch)
        if (below(2) === 0) states.settle(states.mark())
      }
      assert.deepEqual(observe(states), observe(reference))
      for (const batch of batches)
        if (batch.marker === null) {
          const outcome = (of: ProducerStates) => {
            try {
              return of.check(batch, 'client')
            } catch (error) {
              return (error as Error).message
            }
          }
          assert.deepEqual(outcome(states), outcome(reference))
        }
    }
  }
  assert.ok(rolledBack > 500)
})
