/** An int64 beyond 53 bits is exact: rejected with a fitting error where values cannot be that large, and preserved where Kafka stores it. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { int64Edges } from '../sim/fuzzers/grammar.ts'
import { Int64World, int64Config, int64Fields, tryField } from '../sim/fuzzers/int64.ts'
import { type FileSystem, type Int64, maxInt64, memoryFileSystem, minInt64, realSystem } from '../src/base.ts'
import { loadBrokerConfig, startBroker } from '../src/broker.ts'
import { silentLogger } from '../src/logger.ts'
import { type Api, apis, buildBatch, errorName, forEachRecord, type Uuid } from '../src/protocol.ts'
import { connect, coordinates, createTopic, fetchRecords, findCoordinator, produce, type RawClient } from './support/client.ts'

const wide = [2n ** 53n + 1n, 2n ** 60n, 2n ** 60n + 1n, 2n ** 60n + 7n, maxInt64 - 1n, maxInt64, -(2n ** 53n) - 1n, minInt64, -2]

async function start(t: TestContext, files: FileSystem = memoryFileSystem()) {
  const set = {
    ...int64Config,
    'http.listen': 'none',
    'log.dirs': '/data',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.snapshot.update.records.per.snapshot': '2',
    'group.streams.acceptable.recovery.lag': String(maxInt64),
  }
  const running = await startBroker({
    system: realSystem(files),
    config: loadBrokerConfig({ set }),
    logger: silentLogger,
    onFatal: assert.fail,
    onThisMachine: false,
  })
  t.after(() => running.close())
  return { port: running.ports.get('PLAINTEXT')!, saslPort: running.ports.get('SASL_PLAINTEXT')!, close: () => running.close() }
}

/** `before` in one run of the broker, `after` in the next and at the end of the first. */
async function acrossRestart(
  t: TestContext,
  before: (client: RawClient) => Promise<void>,
  after: (client: RawClient) => Promise<void>,
): Promise<void> {
  const files = memoryFileSystem()
  for (const run of ['first', 'second']) {
    const broker = await start(t, files)
    const client = await connect(broker.port)
    try {
      if (run === 'first') await before(client)
      await after(client)
    } finally {
      client.close()
      await broker.close()
    }
  }
}

test('every int64 of every request, at its edges: never an error of the server, never a closed connection', async t => {
  const broker = await start(t)
  const world = await Int64World.open(broker.port, broker.saslPort)
  const all = int64Fields(await world.ranges())
  const newest = new Map<string, (typeof all)[number]>()
  for (const field of all) newest.set(`${field.api.name} ${field.path.join('.')}`, field)
  assert.ok(newest.size >= 32, `${newest.size} fields`)
  for (const field of newest.values()) for (const value of int64Edges) await tryField(world, field, value)
  world.close()
  await broker.close()
})

test('committed offsets, plain and in a transaction', async t => {
  let topicId = '' as Uuid
  const session = { transactionalId: 'tx', producerId: -1 as Int64, producerEpoch: -1 }
  const committed = (offset: Int64) => ({ partitionIndex: 0, committedOffset: offset, committedMetadata: '' })
  await acrossRestart(
    t,
    async client => {
      topicId = await createTopic(client, 't')
      await findCoordinator(client, 'g0')
      await findCoordinator(client, 'tx', coordinates.transaction)
      for (const [index, offset] of wide.entries()) {
        const plain = { groupId: `g${index}`, memberId: '', topics: [{ topicId, partitions: [committed(offset)] }] }
        const { topics } = await client.request(apis.offsetCommit, 10, plain)
        assert.equal(errorName(topics[0]!.partitions[0]!.errorCode), 'NONE')
        const timed = [{ name: 't', partitions: [{ ...committed(offset), commitTimestamp: maxInt64 }] }]
        await client.request(apis.offsetCommit, 1, { groupId: `timed${index}`, memberId: '', topics: timed })
        const kept = { groupId: `kept${index}`, memberId: '', retentionTimeMs: maxInt64, topics: plain.topics }
        await client.request(apis.offsetCommit, 4, { ...kept, topics: [{ name: 't', partitions: [committed(offset)] }] })
      }
      const {
        errorCode: _,
        throttleTimeMs: __,
        ongoingTxnProducerEpoch: ___,
        ongoingTxnProducerId: ____,
        ...begun
      } = await client.request(apis.initProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 60_000 })
      Object.assign(session, begun)
      for (const [index, offset] of wide.entries()) {
        const topics = [{ topicId, partitions: [committed(offset)] }]
        const answer = await client.request(apis.txnOffsetCommit, 6, { ...session, groupId: `tx${index}`, topics })
        assert.equal(errorName(answer.topics[0]!.partitions[0]!.errorCode), 'NONE')
      }
      assert.equal((await client.request(apis.endTxn, 4, { ...session, committed: true })).errorCode, 0)
    },
    async client => {
      await findCoordinator(client, 'g0')
      for (const [index, offset] of wide.entries()) {
        const groups = ['g', 'tx', 'timed', 'kept'].map(name => ({
          groupId: `${name}${index}`,
          topics: [{ topicId, partitionIndexes: [0] }],
        }))
        for (let attempt = 0; ; attempt++) {
          const fetched = await client.request(apis.offsetFetch, 10, { groups, requireStable: true })
          const answers = fetched.groups.map(group => group.topics[0]!.partitions[0]!)
          if (answers.some(({ errorCode }) => errorName(errorCode) === 'UNSTABLE_OFFSET_COMMIT') && attempt < 100) continue
          assert.deepEqual(
            answers.map(answer => answer.committedOffset),
            [offset, offset, offset, offset],
          )
          break
        }
      }
    },
  )
})

test('what share groups store', async t => {
  let topicId = '' as Uuid
  const batches = [
    { firstOffset: -(2n ** 60n), lastOffset: 5, deliveryState: 2, deliveryCount: 1 },
    { firstOffset: 2n ** 53n + 1n, lastOffset: 2n ** 60n, deliveryState: 4, deliveryCount: 2 },
    { firstOffset: 2n ** 60n + 1n, lastOffset: maxInt64, deliveryState: 0, deliveryCount: 3 },
  ]
  const place = (index: number, more: object) => ({ groupId: `s${index}`, topics: [{ topicId, partitions: [{ partition: 0, ...more }] }] })
  await acrossRestart(
    t,
    async client => {
      topicId = await createTopic(client, 'shared')
      for (const [index, startOffset] of wide.entries()) {
        await findCoordinator(client, `s${index}:${topicId}:0`, coordinates.share)
        await client.request(apis.initializeShareGroupState, 0, place(index, { stateEpoch: 0, startOffset }) as never)
      }
      const index = wide.length
      await findCoordinator(client, `s${index}:${topicId}:0`, coordinates.share)
      await client.request(apis.initializeShareGroupState, 0, place(index, { stateEpoch: 0, startOffset: minInt64 }) as never)
      // So many that a snapshot is written, and what lies over it.
      for (const batch of [...batches, batches[0]!]) {
        const change = place(index, { stateEpoch: 0, leaderEpoch: 0, startOffset: -1, stateBatches: [batch] })
        const { results } = await client.request(apis.writeShareGroupState, 1, change as never)
        assert.equal(results[0]!.partitions[0]!.errorCode, 0)
      }
    },
    async client => {
      const read = async (index: number) => {
        await findCoordinator(client, `s${index}:${topicId}:0`, coordinates.share)
        const { results } = await client.request(apis.readShareGroupState, 0, place(index, { leaderEpoch: 0 }) as never)
        const { errorCode, errorMessage, partition, ...state } = results[0]!.partitions[0]!
        assert.deepEqual([errorCode, errorMessage, partition], [0, null, 0])
        return state
      }
      for (const [index, startOffset] of wide.entries()) {
        assert.deepEqual(await read(index), { stateEpoch: 0, startOffset, stateBatches: [] })
        const { results } = await client.request(apis.readShareGroupStateSummary, 1, place(index, { leaderEpoch: 0 }) as never)
        assert.equal(results[0]!.partitions[0]!.startOffset, startOffset)
      }
      assert.deepEqual(await read(wide.length), { stateEpoch: 0, startOffset: minInt64, stateBatches: batches })
    },
  )
})

test('offsets to which a share group was moved', async t => {
  const join = { groupId: 's', memberId: 'm', memberEpoch: 0, rackId: null, subscribedTopicNames: ['t'] }
  const broker = await start(t)
  const client = await connect(broker.port)
  const topicId = await createTopic(client, 't')
  await produce(client, 't', buildBatch({ records: [{ key: null, value: null }], timestamp: Date.now() }))
  await findCoordinator(client, 's')
  await client.request(apis.shareGroupHeartbeat, 1, join)
  await client.request(apis.shareGroupHeartbeat, 1, { ...join, memberEpoch: -1 })
  for (const startOffset of wide) {
    const topics = [{ topicName: 't', partitions: [{ partitionIndex: 0, startOffset }] }]
    assert.equal((await client.request(apis.alterShareGroupOffsets, 0, { groupId: 's', topics })).responses[0]!.partitions[0]!.errorCode, 0)
    const asked = [{ groupId: 's', topics: [{ topicName: 't', partitions: [0] }] }]
    const described = await client.request(apis.describeShareGroupOffsets, 1, { groups: asked })
    assert.equal(described.groups[0]!.topics[0]!.partitions[0]!.startOffset, startOffset)
    // A member finds nothing there, or all of the log; and other members go on.
    const partitions = [{ partitionIndex: 0, acknowledgementBatches: [] }]
    const session = { groupId: 's', memberId: `reader ${startOffset}`, shareSessionEpoch: 0, maxWaitMs: 0, minBytes: 0, maxRecords: 1 }
    const fetch = { ...session, batchSize: 1, topics: [{ topicId, partitions }], forgottenTopicsData: [] }
    const answer = await client.request(apis.shareFetch, 1, fetch)
    assert.equal(errorName(answer.responses[0]?.partitions[0]?.errorCode ?? answer.errorCode), 'NONE', String(startOffset))
    assert.equal(answer.responses[0]?.partitions[0]?.acquiredRecords.length ?? 0, startOffset < 0 ? 1 : 0, String(startOffset))
    await client.request(apis.shareFetch, 1, { ...fetch, shareSessionEpoch: -1 })
  }
  client.close()
  await broker.close()
})

test('how far tasks of a streams group are and may be', async t => {
  const broker = await start(t)
  const world = await Int64World.open(broker.port, broker.saslPort)
  for (const field of int64Fields(await world.ranges())) {
    if (field.api !== (apis.streamsGroupHeartbeat as Api)) continue
    for (const value of wide) {
      const answer = await tryField(world, field, value)
      assert.equal(answer['acceptableRecoveryLag'], field.version === 0 ? -1 : maxInt64)
      const { groups } = await world.client.request(apis.streamsGroupDescribe, 0, {
        groupIds: ['streams'],
        includeAuthorizedOperations: false,
      })
      const member = groups[0]!.members[0]!
      assert.equal(field.path[0] === 'taskOffsets' ? member.taskOffsets[0]!.offset : member.taskEndOffsets[0]!.offset, value)
    }
  }
  world.close()
  await broker.close()
})

test('producers whose ids differ in the last bit', async t => {
  const ids = [2n ** 60n, 2n ** 60n + 1n, 2n ** 53n, 2n ** 53n + 1n, maxInt64 - 1n, maxInt64]
  const batch = (producerId: Int64) => {
    const records = [{ key: null, value: Buffer.from(String(producerId)) }]
    return buildBatch({ records, timestamp: Date.now(), producerId, producerEpoch: 0, baseSequence: 0 })
  }
  await acrossRestart(
    t,
    async client => {
      await createTopic(client, 't')
      for (const [index, id] of ids.entries()) assert.deepEqual(await produce(client, 't', batch(id)), { errorCode: 0, baseOffset: index })
    },
    async client => {
      // Repetitions, each of its own.
      for (const [index, id] of ids.entries()) assert.deepEqual(await produce(client, 't', batch(id)), { errorCode: 0, baseOffset: index })
      const asked = { topics: [{ name: 't', partitionIndexes: [0] }] }
      const { topics } = await client.request(apis.describeProducers, 0, asked)
      assert.deepEqual(new Set(topics[0]!.partitions[0]!.activeProducers.map(({ producerId }) => producerId)), new Set(ids))
    },
  )
})

test('aborted transactions of producers whose ids differ in the last bit', async t => {
  const ids = [2n ** 60n, 2n ** 60n + 1n]
  await acrossRestart(
    t,
    async client => {
      await createTopic(client, 't')
      for (const producerId of ids) {
        const records = [{ key: null, value: Buffer.from('x') }]
        const more = { timestamp: Date.now(), producerEpoch: 0, baseSequence: 0, isTransactional: true }
        const topicData = [{ name: 't', partitionData: [{ index: 0, records: buildBatch({ records, producerId, ...more }) }] }]
        const written = { transactionalId: 'tx', acks: -1, timeoutMs: 1000, topicData }
        const { responses } = await client.request(apis.produce, 9, written)
        assert.equal(errorName(responses[0]!.partitionResponses[0]!.errorCode), 'NONE')
      }
      for (const [index, producerId] of ids.entries()) {
        const end = {
          producerEpoch: 0,
          transactionResult: index === 1,
          coordinatorEpoch: 0,
          topics: [{ name: 't', partitionIndexes: [0] }],
        }
        const { markers } = await client.request(apis.writeTxnMarkers, 1, { markers: [{ producerId, ...end }] })
        assert.deepEqual([markers[0]!.producerId, markers[0]!.topics[0]!.partitions[0]!.errorCode], [producerId, 0])
      }
    },
    async client => {
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }]
      const request = { maxWaitMs: 0, minBytes: 0, isolationLevel: 1, topics: [{ topic: 't', partitions }], forgottenTopicsData: [] }
      const { responses } = await client.request(apis.fetch, 11, request)
      assert.deepEqual(responses[0]!.partitions[0]!.abortedTransactions, [{ producerId: ids[0], firstOffset: 0 }])
    },
  )
})

test('timestamps and look-ups by them', async t => {
  const times = [2n ** 53n, 2n ** 53n + 1n, 2n ** 53n + 2n, 2n ** 60n + 1n, maxInt64 - 1n]
  const lookUp = async (client: RawClient, timestamp: Int64) => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }]
    const found = (await client.request(apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics })).topics[0]!.partitions[0]!
    return [errorName(found.errorCode), found.timestamp, found.offset]
  }
  await acrossRestart(
    t,
    async client => {
      const forever = { 'message.timestamp.after.max.ms': String(maxInt64), 'segment.ms': String(maxInt64), 'index.interval.bytes': '0' }
      await createTopic(client, 't', 1, forever)
      for (const timestamp of times) {
        const { errorCode } = await produce(client, 't', buildBatch({ records: [{ key: null, value: null }], timestamp }))
        assert.equal(errorName(errorCode), 'NONE', String(timestamp))
      }
    },
    async client => {
      for (const [offset, timestamp] of times.entries()) assert.deepEqual(await lookUp(client, timestamp), ['NONE', timestamp, offset])
      assert.deepEqual(await lookUp(client, 2n ** 53n + 3n), ['NONE', times[3], 3])
      assert.deepEqual(await lookUp(client, maxInt64), ['NONE', -1, -1])
      assert.deepEqual(await lookUp(client, -3), ['NONE', maxInt64 - 1n, 4])
      const read: Int64[] = []
      forEachRecord((await fetchRecords(client, 't', 0)).records, ({ timestamp }) => void read.push(timestamp))
      assert.deepEqual(read, times)
    },
  )
})

test('delegation tokens that never end', async t => {
  const files = memoryFileSystem()
  const made: unknown[] = []
  for (const run of ['first', 'second']) {
    const broker = await start(t, files)
    const user = await connect(broker.saslPort)
    await user.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })
    await user.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0fuzz\0fuzz-pw') })
    if (run === 'first') {
      const { tokenId, issueTimestampMs } = await user.request(apis.createDelegationToken, 2, { renewers: [], maxLifetimeMs: maxInt64 })
      made.push([tokenId, issueTimestampMs, maxInt64, maxInt64])
    }
    const { tokens } = await user.request(apis.describeDelegationToken, 2, { owners: null })
    const known = tokens.map(token => [token.tokenId, token.issueTimestamp, token.expiryTimestamp, token.maxTimestamp])
    assert.deepEqual(known, made)
    user.close()
    await broker.close()
  }
})
