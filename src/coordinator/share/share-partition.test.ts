import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch, buildMarkerBatch, KafkaError } from '../../protocol.ts'
import { type MemoryPartitionLog, memoryPartitionLog, testSystem } from '../runtime.testing.ts'
import { acknowledgeTypes as ack, type Change, deliveryStates } from './in-flight.ts'
import { SharePartition } from './share-partition.ts'
import type { ShareState } from './state-shard.ts'

const { archiving, archived } = deliveryStates

const record = { key: null, value: Buffer.from('x') }

function logOf(...batches: Buffer[]): MemoryPartitionLog {
  const log = memoryPartitionLog()
  for (const batch of batches) log.append(batch, { origin: 'coordinator' })
  return log
}

function setUp(log = logOf(buildBatch({ records: [record, record, record, record] }))) {
  const system = testSystem()
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
    const acquiring = partition.acquire({ memberId: 'm', maxBytes: 1000, maxRecords: 100, strict: false })
    let settled = false
    const mark = () => {
      settled = true
    }
    acquiring.then(mark, mark)
    while (!settled) await system.settle()
    const acquisition = await acquiring
    acquisition?.release()
    return acquisition?.acquired.map(({ firstOffset, lastOffset }) => `${firstOffset}-${lastOffset}`) ?? []
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

test('a partition that is discarded before its letters are durable does not report them', async () => {
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

const one = () => buildBatch({ records: [record] })
const accept = { types: [ack.accept] }

test('a hole that compaction left is jumped over, however large: in front, in the middle, behind a record in delivery', async () => {
  const log = logOf(...Array.from({ length: 5_000 }, one))
  // What is left: 1000, 1001, 4998, 4999.
  ;(log.batches as Buffer[]).splice(1_002, 3_996)
  ;(log.batches as Buffer[]).splice(0, 1_000)
  const { partition, written, acquire } = setUp(log)
  assert.deepEqual(await acquire(), ['1000-1001'])
  assert.deepEqual(written(), [[1_000]])
  assert.deepEqual(await acquire(), ['4998-4999'], 'though 1000 is not finished yet')
  await partition.acknowledge('m', [{ firstOffset: 4_998, lastOffset: 4_999, ...accept }])
  await partition.acknowledge('m', [{ firstOffset: 1_000, lastOffset: 1_001, ...accept }])
  assert.deepEqual(written(), [[1_000, `1002-4997:${archived}`], [1_000, '4998-4998:2', '4999-4999:2'], [5_000]])
  assert.equal(partition.hasAvailable, false)
})

test('more control batches in a row than there is room for records in delivery', async () => {
  const marker = buildMarkerBatch({ producerId: 1, producerEpoch: 0, committed: true, coordinatorEpoch: 0, timestamp: 0 })
  const log = logOf(one(), ...Array.from({ length: 300 }, () => Buffer.from(marker)), one())
  const { acquire } = setUp(log)
  assert.deepEqual(await acquire(), ['0-0'])
  assert.deepEqual(await acquire(), ['301-301'])
})

test('a range of hidden records is one change, however many batches it has', async () => {
  const marker = buildMarkerBatch({ producerId: 1, producerEpoch: 0, committed: true, coordinatorEpoch: 0, timestamp: 0 })
  const log = logOf(one(), ...Array.from({ length: 4_000 }, () => Buffer.from(marker)), one())
  log.batchesPerRead = 10_000
  // A hole, with control batches on both sides.
  ;(log.batches as Buffer[]).splice(2_000, 1_000)
  const { partition, written, acquire } = setUp(log)
  assert.deepEqual(await acquire(), ['0-0', '4001-4001'])
  assert.deepEqual(written(), [[0, `1-4000:${archived}`]])
  await partition.acknowledge('m', [{ firstOffset: 0, lastOffset: 0, ...accept }])
  await partition.acknowledge('m', [{ firstOffset: 4_001, lastOffset: 4_001, ...accept }])
  assert.deepEqual(written(), [[4_001], [4_002]])
})

test('more control batches than one step checks', async () => {
  const marker = buildMarkerBatch({ producerId: 1, producerEpoch: 0, committed: true, coordinatorEpoch: 0, timestamp: 0 })
  const log = logOf(one(), ...Array.from({ length: 12_000 }, () => Buffer.from(marker)), one())
  log.batchesPerRead = 20_000
  const { written, acquire } = setUp(log)
  assert.deepEqual(await acquire(), ['0-0'])
  assert.deepEqual(await acquire(), ['12001-12001'])
  assert.deepEqual(written(), [
    [0, `1-4999:${archived}`],
    [0, `5000-9999:${archived}`],
    [0, `10000-12000:${archived}`],
  ])
})

test('records that are given back in front of a hole are delivered again without it', async () => {
  const log = logOf(one(), one(), one(), one())
  ;(log.batches as Buffer[]).splice(1, 2)
  const { partition, acquire } = setUp(log)
  assert.deepEqual(await acquire(), ['0-0', '3-3'])
  await partition.releaseMember('m')
  assert.deepEqual(await acquire(), ['0-0', '3-3'])
})

test('a log that cannot be read is an error also where nothing can be acquired: who waited for more would be called at once, again and again', async () => {
  const { partition, acquire } = setUp()
  await acquire()
  assert.deepEqual(await acquire(), [])
  partition.log.read = () => {
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER')
  }
  await assert.rejects(acquire, { name: 'NOT_LEADER_OR_FOLLOWER' })
})

test('one that was closed stores nothing more: its successor has read what is stored', async () => {
  const { partition, acquire, written } = setUp()
  await acquire()
  partition.close()
  await assert.rejects(partition.acknowledge('m', [{ firstOffset: 0, lastOffset: 3, types: [ack.accept] }]), {
    name: 'NOT_LEADER_OR_FOLLOWER',
  })
  assert.deepEqual(written(), [])
})
