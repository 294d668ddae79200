/** An isolation level that does not exist is an error, as in Kafka: a reader must not get less isolation than it asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../sim/world/batches.ts'
import { startBroker } from '../src/millrace.ts'
import { apis, errorName } from '../src/protocol.ts'
import { connect, createTopic, produce } from './support/client.ts'

test('only the isolation levels 0 and 1 can be read with', async () => {
  const broker = await startBroker({ memory: true })
  const client = await connect(broker.port)
  try {
    await createTopic(client, 't')
    await produce(client, 't', buildBatch({ values: ['a'] }))
    for (const [isolationLevel, expected] of [
      [0, 'NONE'],
      [1, 'NONE'],
      [2, 'INVALID_REQUEST'],
      [-1, 'INVALID_REQUEST'],
      [127, 'INVALID_REQUEST'],
    ] as const) {
      for (const version of [4, 11, 12]) {
        const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }]
        const fetched = await client.request(apis.fetch, version, {
          maxWaitMs: 5_000,
          minBytes: 1,
          maxBytes: 1 << 20,
          isolationLevel,
          topics: [{ topic: 't', partitions }],
          forgottenTopicsData: [],
        })
        const [partition] = fetched.responses[0]!.partitions
        assert.equal(errorName(partition!.errorCode), expected, `Fetch v${version}, level ${isolationLevel}`)
        assert.equal(partition!.records!.length > 0, expected === 'NONE')
      }
      const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }]
      const listed = await client.request(apis.listOffsets, 7, { replicaId: -1, isolationLevel, topics })
      assert.equal(errorName(listed.topics[0]!.partitions[0]!.errorCode), expected, `ListOffsets, level ${isolationLevel}`)
    }
  } finally {
    client.close()
    await broker.close()
  }
})
