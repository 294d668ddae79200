import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../protocol.ts'
import { memoryPartitionLog, testSystem } from '../runtime.testing.ts'
import { acknowledgeTypes as ack, type Change, deliveryStates } from './in-flight.ts'
import { SharePartition } from './share-partition.ts'
import type { ShareState } from './state-shard.ts'

const { archiving, archived } = deliveryStates

function setUp() {
  const system = testSystem()
  const log = memoryPartitionLog()
  const value = Buffer.from('x')
  log.append(buildBatch({ records: Array.from({ length: 4 }, () => ({ key: null, value })) }), { origin: 'coordinator' })
  const stored: ShareState[] = []
  const burials: (Change & { done: () => void })[] = []
  let failure: Error | null = null
  const partition = new SharePartition({
    system,
    log,
    config: {
      autoOffsetReset: 'earliest',
      isolationLevel: 'read_uncommitted',
      deliveryCountLimit: 5,
      recordLockDurationMs: 30_000,
      maxRecordLocks: 100,
      renewEnabled: true,
      deadLetters: true,
    },
    state: { stateEpoch: 0, leaderEpoch: 0, startOffset: 0, deliveryCompleteCount: 0, stateBatches: [] },
    async store(change) {
      if (failure !== null) throw failure
      stored.push(change)
    },
    bury: change => new Promise(resolve => burials.push({ ...change, done: resolve })),
    available() {},
    lost() {},
  })
  const written = () =>
    stored.splice(0).map(({ startOffset, stateBatches }) => {
      return [
        startOffset,
        ...stateBatches.map(({ firstOffset, lastOffset, deliveryState }) => `${firstOffset}-${lastOffset}:${deliveryState}`),
      ]
    })
  const acquire = async () => {
    const acquisition = await partition.acquire({ memberId: 'm', maxBytes: 1000, maxRecords: 100, strict: false })
    acquisition?.release()
  }
  const fail = (error: Error) => {
    failure = error
  }
  return { system, partition, burials, written, acquire, fail }
}

test('being archived is stored before the letter is written, archived only when it is durable', async () => {
  const { system, partition, burials, written, acquire } = setUp()
  await acquire()
  await partition.acknowledge('m', [{ firstOffset: 0, lastOffset: 3, types: [ack.reject, ack.reject, ack.accept, ack.release] }])
  assert.deepEqual(written(), [[0, `0-1:${archiving}`, '2-2:2', '3-3:0']])
  assert.deepEqual(
    burials.map(({ firstOffset, lastOffset, deliveryCount, cause }) => [firstOffset, lastOffset, deliveryCount, cause]),
    [[0, 1, 1, 'Offset rejected by client.']],
  )
  await system.settle()
  assert.deepEqual(written(), [])
  burials[0]!.done()
  await system.settle()
  // Finished up to 2: what lies before the start needs no state.
  assert.deepEqual(written(), [[3]])
  assert.ok(partition.hasAvailable)
})

test('a partition that is given up before its letters are durable says nothing more of them', async () => {
  const { system, partition, burials, written, acquire } = setUp()
  await acquire()
  await partition.acknowledge('m', [{ firstOffset: 1, lastOffset: 2, types: [ack.reject] }])
  assert.deepEqual(written(), [[0, `1-2:${archiving}`]])
  partition.close()
  burials[0]!.done()
  await system.settle()
  assert.deepEqual(written(), [])
})

test('what could not be stored gets no letter', async () => {
  const { partition, burials, acquire, fail } = setUp()
  await acquire()
  fail(new Error('disk'))
  await assert.rejects(partition.acknowledge('m', [{ firstOffset: 0, lastOffset: 0, types: [ack.reject] }]))
  assert.deepEqual(burials, [])
})

test('letters in the middle are archived by themselves', async () => {
  const { system, partition, burials, written, acquire } = setUp()
  await acquire()
  await partition.acknowledge('m', [{ firstOffset: 2, lastOffset: 2, types: [ack.reject] }])
  burials[0]!.done()
  await system.settle()
  assert.deepEqual(written(), [
    [0, `2-2:${archiving}`],
    [0, `2-2:${archived}`],
  ])
})
