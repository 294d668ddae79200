/** What a reader is told that names the epoch of what it read last (KIP-595), as Apache Kafka 4.3.1 answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawBatch } from '../sim/world/raw-batches.ts'
import { startBroker } from '../src/millrace.ts'
import { apis, errorName } from '../src/protocol.ts'
import { connect, createTopic, produce } from './support/client.ts'

test('a reader of another log is told so, one that is ahead where the logs part', async () => {
  const broker = await startBroker({ memory: true })
  const client = await connect(broker.port)
  try {
    await createTopic(client, 't')
    for (let nth = 0; nth < 3; nth++) await produce(client, 't', rawBatch({ records: [{}, {}], baseTimestamp: BigInt(Date.now()) }))
    await client.request(apis.deleteRecords, 2, {
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 2 }] }],
      timeoutMs: 1000,
    })
    const fetch = async (fetchOffset: number, lastFetchedEpoch: number, currentLeaderEpoch = -1): Promise<unknown[]> => {
      const { responses } = await client.request(apis.fetch, 12, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1 << 20,
        topics: [
          { topic: 't', partitions: [{ partition: 0, fetchOffset, lastFetchedEpoch, currentLeaderEpoch, partitionMaxBytes: 1 << 20 }] },
        ],
        forgottenTopicsData: [],
      })
      const { errorCode, divergingEpoch, records } = responses[0]!.partitions[0]!
      return [errorName(errorCode), divergingEpoch.epoch, divergingEpoch.endOffset, records!.length > 0]
    }
    assert.deepEqual(await fetch(2, -1), ['NONE', -1, -1, true])
    assert.deepEqual(await fetch(2, 0), ['NONE', -1, -1, true])
    assert.deepEqual(await fetch(2, 1), ['OFFSET_OUT_OF_RANGE', -1, -1, false])
    assert.deepEqual(await fetch(6, 0), ['NONE', -1, -1, false])
    assert.deepEqual(await fetch(7, 0), ['NONE', 0, 6, false])
    assert.deepEqual(await fetch(1, 0), ['OFFSET_OUT_OF_RANGE', -1, -1, false])
    assert.deepEqual(await fetch(2, 0, -2), ['FENCED_LEADER_EPOCH', -1, -1, false])
    assert.deepEqual(await fetch(2, 0, 1), ['UNKNOWN_LEADER_EPOCH', -1, -1, false])
    const { topics } = await client.request(apis.offsetForLeaderEpoch, 4, {
      topics: [{ topic: 't', partitions: [{ partition: 0, currentLeaderEpoch: -2, leaderEpoch: 0 }] }],
    })
    assert.equal(errorName(topics[0]!.partitions[0]!.errorCode), 'FENCED_LEADER_EPOCH')
  } finally {
    client.close()
    await broker.close()
  }
})
