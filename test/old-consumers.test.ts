/** Consumers older than record batches (Fetch v0–3), where converting leaves nothing of what was read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../sim/world/batches.ts'
import { startBroker } from '../src/millrace.ts'
import { apis } from '../src/protocol.ts'
import { connect, createTopic, produce, type RawClient } from './support/client.ts'

const markers = 2_000

async function writeMarkers(client: RawClient): Promise<void> {
  const topics = [{ name: 't', partitionIndexes: [0] }]
  const marker = (producerId: number) => ({ producerId, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0, topics })
  const answer = await client.request(apis.writeTxnMarkers, 1, { markers: Array.from({ length: markers }, (_, nth) => marker(nth + 1)) })
  assert.ok(answer.markers.every(({ topics: [topic] }) => topic!.partitions[0]!.errorCode === 0))
}

async function fetchOld(client: RawClient, version: number, fetchOffset: number): Promise<Buffer> {
  const answer = await client.request(apis.fetch, version, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1000 }] }],
    forgottenTopicsData: [],
  })
  const { errorCode, records } = answer.responses[0]!.partitions[0]!
  assert.equal(errorCode, 0)
  return records!
}

test('a long run of transaction markers does not stop an old consumer', async () => {
  const broker = await startBroker({ memory: true })
  const client = await connect(broker.port)
  try {
    await createTopic(client, 't')
    await writeMarkers(client)
    for (const version of [0, 2, 3]) assert.equal((await fetchOld(client, version, 0)).length, 0, 'markers only')
    assert.equal((await produce(client, 't', buildBatch({ values: ['behind'] }))).baseOffset, markers)
    for (const version of [0, 2, 3]) {
      for (const from of [0, markers - 1, markers]) {
        const records = await fetchOld(client, version, from)
        assert.ok(records.length > 0, `version ${version} from ${from} receives nothing`)
        assert.equal(Number(records.readBigInt64BE(0)), markers, `version ${version} from ${from}`)
        assert.ok(records.includes('behind'))
      }
    }
  } finally {
    client.close()
    await broker.close()
  }
})
