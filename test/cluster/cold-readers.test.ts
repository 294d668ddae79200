/** What readers of the object store make a broker hold in memory stays within `fetch.response.memory.bytes`, though reading takes a while. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { apis } from '../../src/protocol.ts'
import { connect, createTopic, produce, requestBytes } from '../support/client.ts'
import { NonReader, type WithMadeSockets, withMadeSockets } from '../support/made-sockets.ts'
import { SimulatedStores } from './simulated-stores.ts'

const mib = 2 ** 20
const limit = 2 * mib
const readers = 12

function fetchOf(partition: number, partitionMaxBytes: number): Buffer {
  const topics = [
    { topic: 'cold', partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: 0, logStartOffset: -1, partitionMaxBytes }] },
  ]
  const waits = { maxWaitMs: 0, minBytes: 0, maxBytes: partitionMaxBytes, isolationLevel: 0 }
  const session = { sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: '' }
  return requestBytes(apis.fetch, 12, { replicaId: -1, ...waits, ...session, topics } as never)
}

/** With a topic of which each partition has a batch, most of them in the object store only. */
async function withCold(batchBytes: number, work: (it: WithMadeSockets) => Promise<void>): Promise<void> {
  const stores = new SimulatedStores()
  const set = { 'fetch.response.memory.bytes': String(limit), 'tail.bytes': String(4 * mib) }
  const it = await withMadeSockets(more => stores.startBroker(stores.process(), set, more))
  const client = await connect(it.port)
  try {
    await createTopic(client, 'cold', readers, { 'max.message.bytes': String(2 * mib), 'segment.ms': '1000' })
    for (let partition = 0; partition < readers; partition++) {
      const batch = buildBatch({ values: [Buffer.alloc(batchBytes, partition)], timestampMs: Date.now() })
      assert.equal((await produce(client, 'cold', batch, { partition })).errorCode, 0)
    }
    const { metadata } = it.broker.broker
    const isCold = ({ log }: { log: object | null }) => log !== null && 'flushedEnd' in log && log.flushedEnd === 1
    while (!metadata.topic('cold')!.partitions.every(isCold)) await sleep(20)
    await work(it)
  } finally {
    client.close()
    await it.broker.close()
  }
}

test('large batches that many read at once, and do not take', { timeout: 300_000 }, () =>
  withCold(1.5 * mib, async ({ broker, accept }) => {
    const sockets = Array.from({ length: readers }, (_, partition) => {
      const socket = new NonReader().on('error', () => {})
      accept(socket)
      socket.push(fetchOf(partition, 1_000))
      return socket
    })
    const { metrics, responseMemory } = broker.broker
    let most = 0
    while ((metrics.requests.get('Fetch')?.durations.count ?? 0) < readers) {
      most = Math.max(most, responseMemory.heldBytes)
      await sleep(1)
    }
    most = Math.max(most, responseMemory.heldBytes)
    assert.ok(most >= limit, `${most} bytes held`)
    assert.ok(most < 2 * limit + 2 * mib, `${most} bytes held`)
    for (const socket of sockets) socket.destroy()
  }),
)
