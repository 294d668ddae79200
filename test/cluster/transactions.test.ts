/** Transactions over partitions of two brokers: markers, verification, and a broker that is away (KIP-98, KIP-890). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Int64 } from '../../src/base.ts'
import { apis, batchesIn, buildBatch, errorName, forEachRecordOf } from '../../src/protocol.ts'
import { eventually, proxyTo, startTwo, type TwoBrokers } from './two-brokers.ts'

type Session = { producerId: Int64; producerEpoch: number }

/** The coordinator is always broker 0. */
const idOf = (two: TwoBrokers) => two.nameAt(0, name => two.broker(0).transactions.partitionFor(name))

async function begin(two: TwoBrokers, transactionalId: string, transactionTimeoutMs = 60_000): Promise<Session> {
  const { errorCode, producerId, producerEpoch } = await two.call(0, apis.initProducerId, 5, { transactionalId, transactionTimeoutMs })
  assert.equal(errorName(errorCode), 'NONE')
  return { producerId, producerEpoch }
}

async function produce(two: TwoBrokers, partition: number, transactionalId: string, session: Session, value: string, version = 12) {
  const records = buildBatch({ ...session, records: [{ key: null, value: Buffer.from(value) }], baseSequence: 0, isTransactional: true })
  const { responses } = await two.call(partition % 2, apis.produce, version, {
    transactionalId,
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: 't', partitionData: [{ index: partition, records }] }],
  })
  return errorName(responses[0]!.partitionResponses[0]!.errorCode)
}

async function end(two: TwoBrokers, transactionalId: string, session: Session, committed: boolean, version = 5): Promise<Session> {
  const { errorCode, ...next } = await two.call(0, apis.endTxn, version, { transactionalId, ...session, committed })
  assert.equal(errorName(errorCode), 'NONE')
  return next
}

/** As a consumer with read_committed sees them. */
async function values(two: TwoBrokers, partition: number, broker = partition % 2): Promise<string[]> {
  const { responses } = await two.call(broker, apis.fetch, 11, {
    maxWaitMs: 0,
    minBytes: 0,
    isolationLevel: 1,
    topics: [{ topic: 't', partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
    forgottenTopicsData: [],
  })
  const { records, abortedTransactions, errorCode } = responses[0]!.partitions[0]!
  assert.equal(errorName(errorCode), 'NONE')
  const aborted = new Set((abortedTransactions ?? []).map(({ firstOffset }) => firstOffset))
  const found: string[] = []
  for (const batch of records === null ? [] : batchesIn(records)) {
    if (batch.header.isControl || aborted.has(batch.header.baseOffset)) continue
    forEachRecordOf(batch, record => void found.push(record.value!.toString()))
  }
  return found
}

const shows = (two: TwoBrokers, partition: number, wanted: string[]) =>
  eventually(async () => (await values(two, partition)).join() === wanted.join())

async function statusOf(two: TwoBrokers, transactionalId: string): Promise<string> {
  const { transactionStates } = await two.call(0, apis.describeTransactions, 0, { transactionalIds: [transactionalId] })
  return transactionStates[0]!.transactionState
}

/** Where markers lie, and how they ended their transactions. */
async function stableEnd(two: TwoBrokers, partition: number): Promise<[lastStable: number, end: number]> {
  const log = two.broker(partition % 2).metadata.partitionByName('t', partition)!
  return [log.lastStableOffset, log.logEndOffset]
}

test('a transaction ends on both brokers', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const first = await begin(two, id)
  assert.deepEqual([await produce(two, 0, id, first, 'a'), await produce(two, 1, id, first, 'b')], ['NONE', 'NONE'])
  assert.deepEqual(await values(two, 1), [])
  const second = await end(two, id, first, true)
  await shows(two, 0, ['a'])
  await shows(two, 1, ['b'])
  // The next one begins only when all markers of the last are written.
  const errors = new Set<string>()
  await eventually(async () => errors.add(await produce(two, 1, id, second, 'dropped')).has('NONE'))
  errors.delete('CONCURRENT_TRANSACTIONS')
  assert.deepEqual([...errors], ['NONE'])
  const third = await end(two, id, second, false)
  await eventually(async () => (await stableEnd(two, 1))[0] === (await stableEnd(two, 1))[1])
  await eventually(async () => (await produce(two, 1, id, third, 'c')) === 'NONE')
  await end(two, id, third, true)
  await shows(two, 1, ['b', 'c'])
  assert.equal(await eventually(async () => (await statusOf(two, id)) === 'CompleteCommit'), true)
})

test('a producer of the older generation adds partitions itself, and the leader asks the coordinator', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const session = await begin(two, id)
  assert.equal(await produce(two, 1, id, session, 'never added', 11), 'TRANSACTION_ABORTABLE')
  assert.equal(await produce(two, 1, id, session, 'never added', 9), 'INVALID_TXN_STATE')
  const { resultsByTopicV3AndBelow } = await two.call(0, apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: id,
    v3AndBelowProducerId: session.producerId,
    v3AndBelowProducerEpoch: session.producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [1] }],
  })
  assert.equal(resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode, 0)
  assert.equal(await produce(two, 1, id, session, 'a', 11), 'NONE')
  await end(two, id, session, true, 4)
  await shows(two, 1, ['a'])
  // Whoever comes late does not begin what nobody would end.
  const late = buildBatch({ ...session, records: [{ key: null, value: Buffer.from('late') }], baseSequence: 1, isTransactional: true })
  const { responses } = await two.call(1, apis.produce, 11, {
    transactionalId: id,
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: 't', partitionData: [{ index: 1, records: late }] }],
  })
  assert.notEqual(responses[0]!.partitionResponses[0]!.errorCode, 0)
  const [stable, logEnd] = await stableEnd(two, 1)
  assert.equal(stable, logEnd)
})

test('while the coordinator is away, a producer gets a retriable error and nothing is appended', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const session = await begin(two, id)
  await two.stop(0)
  for (const version of [11, 12]) assert.equal(await produce(two, 1, id, session, 'a', version), 'NOT_ENOUGH_REPLICAS')
  assert.deepEqual(await stableEnd(two, 1), [0, 0])
  await two.startBroker(0)
  await eventually(async () => (await produce(two, 1, id, session, 'a')) === 'NONE')
  await end(two, id, session, true)
  await shows(two, 1, ['a'])
})

test('a broker that dies gets its markers when it is back, and the transaction completes only then', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const session = await begin(two, id)
  for (const partition of [0, 1]) assert.equal(await produce(two, partition, id, session, 'a'), 'NONE')
  await two.stop(1)
  await end(two, id, session, true)
  await shows(two, 0, ['a'])
  assert.equal(await statusOf(two, id), 'PrepareCommit')
  // The coordinator may die as well meanwhile.
  await two.stop(0)
  await two.startBroker(0)
  assert.equal(await eventually(async () => (await statusOf(two, id)) === 'PrepareCommit'), true)
  await two.startBroker(1)
  await shows(two, 1, ['a'])
  await eventually(async () => (await statusOf(two, id)) === 'CompleteCommit')
})

test('a marker whose answer is lost is written again, which changes nothing', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const session = await begin(two, id)
  const cut = { answers: 2 }
  await two.reach(1, await proxyTo(t, two.port(1), cut))
  for (const partition of [0, 1]) assert.equal(await produce(two, partition, id, session, 'a'), 'NONE')
  const next = await end(two, id, session, true)
  await shows(two, 1, ['a'])
  await eventually(async () => (await statusOf(two, id)) === 'CompleteCommit')
  assert.equal(cut.answers, 0)
  await eventually(async () => (await produce(two, 1, id, next, 'b')) === 'NONE')
  assert.deepEqual(await values(two, 1), ['a'])
  await end(two, id, next, true)
  await shows(two, 1, ['a', 'b'])
})

test('markers follow a leader that moves, and wait while there is none', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const session = await begin(two, id)
  assert.equal(await produce(two, 1, id, session, 'a'), 'NONE')
  await two.lead('t', 1, -1)
  await end(two, id, session, false)
  assert.equal(await statusOf(two, id), 'PrepareAbort')
  await two.lead('t', 1, 0)
  await eventually(async () => (await statusOf(two, id)) === 'CompleteAbort')
  assert.equal(two.broker(0).metadata.partitionByName('t', 1)!.logEndOffset, 1)
})

test('offsets that a group on another broker commits belong to the transaction', async t => {
  const two = await startTwo(t)
  const id = idOf(two)
  const groupId = two.nameAt(1, name => two.broker(1).groups.partitionFor(name))
  const commit = async (session: Session, committedOffset: number, version: number) => {
    const { topics } = await two.call(1, apis.txnOffsetCommit, version, {
      transactionalId: id,
      groupId,
      ...session,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: null }] }],
    })
    return errorName(topics[0]!.partitions[0]!.errorCode)
  }
  const committed = async () => {
    const { groups } = await two.call(1, apis.offsetFetch, 8, {
      groups: [{ groupId, topics: [{ name: 't', partitionIndexes: [0] }] }],
      requireStable: true,
    })
    const { errorCode, committedOffset } = groups[0]!.topics[0]!.partitions[0]!
    return errorCode === 0 ? Number(committedOffset) : errorName(errorCode)
  }
  const first = await begin(two, id)
  assert.equal(await commit(first, 7, 4), 'TRANSACTION_ABORTABLE')
  assert.equal(await commit(first, 7, 5), 'NONE')
  assert.equal(await committed(), 'UNSTABLE_OFFSET_COMMIT')
  const second = await end(two, id, first, true)
  await eventually(async () => (await committed()) === 7)
  // The older generation says so itself.
  await eventually(async () => {
    const { errorCode } = await two.call(0, apis.addOffsetsToTxn, 3, { transactionalId: id, ...second, groupId })
    return errorCode === 0
  })
  assert.equal(await commit(second, 9, 3), 'NONE')
  await end(two, id, second, false, 3)
  await eventually(async () => (await committed()) === 7)
  await two.stop(0)
  assert.equal(await commit(second, 9, 4), 'COORDINATOR_LOAD_IN_PROGRESS')
  assert.equal(await committed(), 7)
})

test('a transaction that takes too long is aborted on both brokers', async t => {
  const two = await startTwo(t, { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50' })
  const id = idOf(two)
  const session = await begin(two, id, 100)
  assert.equal(await produce(two, 1, id, session, 'a'), 'NONE')
  await eventually(async () => (await statusOf(two, id)) === 'CompleteAbort')
  assert.deepEqual(await values(two, 1), [])
  const error = await produce(two, 1, id, session, 'b')
  assert.ok(error === 'INVALID_PRODUCER_EPOCH' || error === 'PRODUCER_FENCED', error)
})

test('a replica that does not lead describes the producers that the leader knows', async t => {
  const two = await startTwo(t)
  const transactionalId = idOf(two)
  const session = await begin(two, transactionalId)
  const entered = await two.call(0, apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: session.producerId,
    v3AndBelowProducerEpoch: session.producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [1] }],
  })
  assert.equal(errorName(entered.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode), 'NONE')
  assert.equal(await produce(two, 1, transactionalId, session, 'a', 11), 'NONE')
  const describe = async (id: number, partition: number) => {
    const { topics } = await two.call(id, apis.describeProducers, 0, { topics: [{ name: 't', partitionIndexes: [partition] }] })
    const { errorCode, activeProducers } = topics[0]!.partitions[0]!
    return [errorName(errorCode), ...activeProducers.map(({ producerId, currentTxnStartOffset }) => [producerId, currentTxnStartOffset])]
  }
  assert.deepEqual(await describe(0, 1), ['NOT_LEADER_OR_FOLLOWER'])
  for (const id of [0, 1]) {
    const { metadata } = two.broker(id)
    const change = { topicId: two.topicId, partition: 1, replicas: [1, 0] }
    assert.deepEqual(await metadata.changePartitions([change]), [null])
  }
  assert.deepEqual(await describe(0, 1), ['NONE', [session.producerId, 0]])
  assert.deepEqual(await describe(1, 1), await describe(0, 1))
  await two.stop(1)
  assert.deepEqual(await describe(0, 1), ['NETWORK_EXCEPTION'])
})
