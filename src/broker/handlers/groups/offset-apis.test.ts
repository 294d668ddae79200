import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { apis, errorCode } from '../../../protocol.ts'
import { apiVersionsHandler } from '../cluster/api-versions.ts'
import { inEveryVersion, startTestBroker, type TestBroker } from '../cluster/cluster-apis.testing.ts'
import { describeCluster } from '../cluster/describe-cluster.ts'
import { deleteRecords } from '../records/delete-records.ts'
import { listOffsets } from '../records/list-offsets.ts'
import { offsetForLeaderEpoch } from '../records/offset-for-leader-epoch.ts'
import { describeLogDirs } from '../topics/describe-log-dirs.ts'
import { metadata } from '../topics/metadata.ts'
import { describeProducers } from '../transactions/describe-producers.ts'
import { initProducerId } from '../transactions/init-producer-id.ts'

describe('ListOffsets', () => {
  /** 100 records, of which the first 10 are gone. */
  async function withRecords(): Promise<TestBroker> {
    const broker = await startTestBroker()
    const log = await broker.createTopic('a')
    log.fill(100)
    log.logStartOffset = 10
    log.atTime = { offset: 50, timestampMs: 500, leaderEpoch: 0 }
    log.atMaxTime = { offset: 99, timestampMs: 900, leaderEpoch: 0 }
    return broker
  }

  async function ask(broker: TestBroker, version: number, timestamp: number, more = {}) {
    const partitions = [{ partitionIndex: 0, timestamp, ...more }]
    const request = { replicaId: -1, isolationLevel: 0, topics: [{ name: 'a', partitions }] }
    const { topics } = await broker.call(apis.listOffsets, listOffsets, version, request)
    const { errorCode: code, offset, timestamp: found, leaderEpoch, oldStyleOffsets } = topics[0]!.partitions[0]!
    return version === 0 ? [code, oldStyleOffsets] : [code, offset, found, leaderEpoch]
  }

  it('finds the ends, times and the largest time', async () => {
    const broker = await withRecords()
    assert.deepEqual(await ask(broker, 1, -1), [0, 100, -1, -1])
    assert.deepEqual(await ask(broker, 4, -1), [0, 100, -1, 0])
    assert.deepEqual(await ask(broker, 4, -2), [0, 10, -1, 0])
    assert.deepEqual(await ask(broker, 4, 400), [0, 50, 500, 0])
    assert.deepEqual(await ask(broker, 4, 600), [0, -1, -1, -1])
    assert.deepEqual(await ask(broker, 7, -3), [0, 99, 900, 0])
    assert.deepEqual(await ask(broker, 8, -4), [0, 10, -1, 0])
    assert.deepEqual(await ask(broker, 9, -5), [0, -1, -1, -1])
    assert.deepEqual(await ask(broker, 11, -6), [0, -1, -1, -1])
  })

  it('knows which version may ask for what', async () => {
    const broker = await withRecords()
    const unsupported = [errorCode('UNSUPPORTED_VERSION'), -1, -1, -1]
    assert.deepEqual(await ask(broker, 6, -3), unsupported)
    assert.deepEqual(await ask(broker, 7, -4), unsupported)
    assert.deepEqual(await ask(broker, 8, -5), unsupported)
    assert.deepEqual(await ask(broker, 10, -6), unsupported)
    assert.deepEqual(await ask(broker, 11, -7), unsupported)
    assert.deepEqual(await ask(broker, 0, -3), [errorCode('UNSUPPORTED_VERSION'), []])
  })

  it('lists offsets in v0', async () => {
    const broker = await withRecords()
    assert.deepEqual(await ask(broker, 0, -1), [0, [100]])
    assert.deepEqual(await ask(broker, 0, -1, { maxNumOffsets: 2 }), [0, [100, 10]])
    assert.deepEqual(await ask(broker, 0, -2, { maxNumOffsets: 2 }), [0, [10]])
    assert.deepEqual(await ask(broker, 0, 400, { maxNumOffsets: 9 }), [0, [50, 10]])
    assert.deepEqual(await ask(broker, 0, 400, { maxNumOffsets: -1 }), [0, []])
  })

  it('checks the leader epoch, duplicates and existence', async () => {
    const broker = await withRecords()
    assert.equal((await ask(broker, 4, -1, { currentLeaderEpoch: 1 }))[0], errorCode('UNKNOWN_LEADER_EPOCH'))
    assert.equal((await ask(broker, 4, -1, { currentLeaderEpoch: 0 }))[0], 0)
    assert.equal((await ask(broker, 4, -1, { partitionIndex: 1 }))[0], errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    const partitions = [0, 0].map(partitionIndex => ({ partitionIndex, timestamp: -1 }))
    const request = { replicaId: -1, isolationLevel: 0, topics: [{ name: 'a', partitions }] }
    const { topics } = await broker.call(apis.listOffsets, listOffsets, 5, request)
    assert.deepEqual(
      topics[0]!.partitions.map(each => each.errorCode),
      [errorCode('INVALID_REQUEST'), errorCode('INVALID_REQUEST')],
    )
  })

  it('hides what is not visible', async () => {
    const broker = await withRecords()
    const log = broker.metadata.partitionByName('a', 0)!
    Object.assign(log, { lastStableOffset: 40 })
    const partitions = [{ partitionIndex: 0, timestamp: 400 }]
    const request = { replicaId: -1, isolationLevel: 1, topics: [{ name: 'a', partitions }] }
    const { topics } = await broker.call(apis.listOffsets, listOffsets, 5, request)
    assert.equal(topics[0]!.partitions[0]!.offset, -1)
  })
})

describe('OffsetForLeaderEpoch', () => {
  it('answers in every version', async () => {
    await inEveryVersion(apis.offsetForLeaderEpoch, offsetForLeaderEpoch, async (version, call, broker) => {
      const log = await broker.createTopic('a')
      log.fill(1)
      const ask = async (partition: object) => {
        const response = await call({
          replicaId: -1,
          topics: [{ topic: 'a', partitions: [{ partition: 0, leaderEpoch: 0, ...partition }] }],
        })
        return (response as { topics: { partitions: object[] }[] }).topics[0]!.partitions[0]
      }
      assert.deepEqual(await ask({}), { errorCode: 0, partition: 0, leaderEpoch: version >= 1 ? 0 : -1, endOffset: 1 })
      const newer = { errorCode: version >= 2 ? errorCode('UNKNOWN_LEADER_EPOCH') : 0 }
      assert.equal(((await ask({ currentLeaderEpoch: 3 })) as { errorCode: number }).errorCode, newer.errorCode)
      assert.deepEqual(await ask({ partition: 4 }), {
        errorCode: errorCode('UNKNOWN_TOPIC_OR_PARTITION'),
        partition: 4,
        leaderEpoch: -1,
        endOffset: -1,
      })
    })
  })
})

describe('DeleteRecords', () => {
  async function ask(broker: TestBroker, name: string, offset: number) {
    const request = { topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }], timeoutMs: 1 }
    const { topics } = await broker.call(apis.deleteRecords, deleteRecords, 2, request)
    const { lowWatermark, errorCode: code } = topics[0]!.partitions[0]!
    return [lowWatermark, code]
  }

  it('moves the start up, never down, and to the high watermark for -1', async () => {
    const broker = await startTestBroker()
    const log = await broker.createTopic('a')
    log.fill(9)
    assert.deepEqual(await ask(broker, 'a', 5), [5, 0])
    assert.deepEqual(await ask(broker, 'a', 3), [5, 0])
    assert.deepEqual(await ask(broker, 'a', -1), [9, 0])
    assert.deepEqual(await ask(broker, 'a', -2), [-1, errorCode('OFFSET_OUT_OF_RANGE')])
  })

  it('refuses compacted and internal topics', async () => {
    const broker = await startTestBroker()
    const log = await broker.createTopic('a')
    log.config = { ...log.config, cleanupPolicy: { delete: false, compact: true } }
    assert.deepEqual(await ask(broker, 'a', 0), [-1, errorCode('POLICY_VIOLATION')])
    await broker.metadata.ensureInternalTopic('__consumer_offsets')
    assert.deepEqual(await ask(broker, '__consumer_offsets', 0), [-1, errorCode('INVALID_TOPIC_EXCEPTION')])
    assert.deepEqual(await ask(broker, 'none', 0), [-1, errorCode('UNKNOWN_TOPIC_OR_PARTITION')])
  })
})

describe('DescribeLogDirs', () => {
  it('returns sizes in every version', async () => {
    await inEveryVersion(apis.describeLogDirs, describeLogDirs, async (version, call, broker) => {
      const log = await broker.createTopic('a', 2)
      log.fill(1)
      const response = (await call({ topics: [{ topic: 'a', partitions: [0, 5] }] })) as {
        results: { logDir: string; usableBytes: number; topics: object[] }[]
      }
      const [dir] = response.results
      assert.equal(dir!.logDir, '/data')
      assert.equal(dir!.usableBytes >= 0, version >= 4)
      const partitions = [{ partitionIndex: 0, partitionSize: log.sizeBytes(), offsetLag: 0, isFutureKey: false }]
      assert.deepEqual(dir!.topics, [{ name: 'a', partitions }])
    })
  })
})

describe('DescribeProducers', () => {
  it('returns the producers of a partition', async () => {
    const broker = await startTestBroker()
    const log = await broker.createTopic('a')
    const producer = { producerId: 5, producerEpoch: 1, lastSequence: 9, coordinatorEpoch: -1 }
    log.producers = () => [{ ...producer, lastTimestampMs: 77, currentTransactionStartOffset: -1 }]
    const topics = [
      { name: 'a', partitionIndexes: [0, 1] },
      { name: 'bad name', partitionIndexes: [0] },
    ]
    const response = await broker.call(apis.describeProducers, describeProducers, 0, { topics })
    const [found, missing] = response.topics[0]!.partitions
    assert.deepEqual(found!.activeProducers, [{ ...producer, lastTimestamp: 77, currentTxnStartOffset: -1 }])
    assert.equal(missing!.errorCode, errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(response.topics[1]!.partitions[0]!.errorCode, errorCode('INVALID_TOPIC_EXCEPTION'))
  })
})

describe('InitProducerId', () => {
  const ask = (broker: TestBroker, version: number, more = {}) =>
    broker.call(apis.initProducerId, initProducerId, version, { transactionalId: null, transactionTimeoutMs: 1, ...more })

  it('gives a fresh id in every version', async () => {
    const broker = await startTestBroker()
    for (let version = 0; version <= 5; version++) {
      const { errorCode: code, producerId, producerEpoch } = await ask(broker, version)
      assert.deepEqual([code, producerId, producerEpoch], [0, version, 0])
    }
  })

  it('refuses half an identity, and who may not', async () => {
    const broker = await startTestBroker()
    assert.equal((await ask(broker, 3, { producerId: 4 })).errorCode, errorCode('INVALID_REQUEST'))
    assert.equal((await ask(broker, 3, { transactionalId: '' })).errorCode, errorCode('INVALID_REQUEST'))
    broker.denied.add('WRITE TRANSACTIONAL_ID t')
    assert.equal((await ask(broker, 3, { transactionalId: 't' })).errorCode, errorCode('TRANSACTIONAL_ID_AUTHORIZATION_FAILED'))
    broker.denied.add('IDEMPOTENT_WRITE CLUSTER kafka-cluster')
    assert.equal((await ask(broker, 3)).errorCode, 0, 'who may write some topic may be idempotent (KIP-679)')
    broker.denied.add('WRITE TOPIC *')
    assert.equal((await ask(broker, 3)).errorCode, errorCode('CLUSTER_AUTHORIZATION_FAILED'))
  })
})

describe('ApiVersions', () => {
  const handler = apiVersionsHandler([metadata, describeCluster])
  const client = { clientSoftwareName: 'a-client', clientSoftwareVersion: '1.0' }
  const ask = (broker: TestBroker, version: number, more = {}) => broker.call(apis.apiVersions, handler, version, { ...client, ...more })

  it('announces the handlers in every version, and features from v3 on', async () => {
    const broker = await startTestBroker()
    for (let version = 0; version <= 5; version++) {
      const response = await ask(broker, version)
      assert.equal(response.errorCode, 0)
      assert.deepEqual(response.apiKeys, [
        { apiKey: 3, minVersion: 0, maxVersion: 13 },
        { apiKey: 18, minVersion: 0, maxVersion: 5 },
        { apiKey: 60, minVersion: 0, maxVersion: 2 },
      ])
      const finalized = [
        { name: 'metadata.version', maxVersionLevel: 25, minVersionLevel: 25 },
        { name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 },
        { name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 },
        { name: 'share.version', maxVersionLevel: 2, minVersionLevel: 2 },
        { name: 'streams.version', maxVersionLevel: 1, minVersionLevel: 1 },
      ]
      assert.deepEqual(response.finalizedFeatures, version >= 3 ? finalized : [])
      const least = response.supportedFeatures.find(({ name }) => name === 'transaction.version')?.minVersion
      assert.equal(least, version < 3 ? undefined : version === 3 ? 1 : 0)
    }
    assert.equal(broker.connection.clientSoftwareName, 'a-client')
  })

  it('refuses a name that is none', async () => {
    const broker = await startTestBroker()
    assert.equal((await ask(broker, 3, { clientSoftwareName: '-x' })).errorCode, errorCode('INVALID_REQUEST'))
    assert.equal((await ask(broker, 3, { clientSoftwareVersion: '' })).errorCode, errorCode('INVALID_REQUEST'))
  })

  it('rejects a client that expected another broker', async () => {
    const broker = await startTestBroker()
    assert.equal((await ask(broker, 5, { clusterId: 'cluster', nodeId: 7 })).errorCode, 0)
    assert.equal((await ask(broker, 5, { clusterId: 'other', nodeId: 7 })).errorCode, errorCode('REBOOTSTRAP_REQUIRED'))
    assert.equal((await ask(broker, 5, { clusterId: 'cluster', nodeId: 8 })).errorCode, errorCode('REBOOTSTRAP_REQUIRED'))
  })
})
