/**
 * Five hundred connections that pipeline fetches and read nothing. A healthy producer and consumer go on, memory stays bounded, and those
 * connections are closed. Their sockets are made here, because the kernel's buffers would take megabytes for each before anything waits.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch, readBatches } from '../../sim/world/batches.ts'
import { memoryFileSystem } from '../../src/base.ts'
import { apis } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, produce, requestBytes } from '../support/client.ts'
import { heldBytes } from '../support/garbage.ts'
import { NonReader, startWithMadeSockets } from '../support/made-sockets.ts'

const mib = 2 ** 20
const readers = 500
const recordBytes = 30_000
/** The log's memory and twice the bound of responses, and the rest of what was read for them. */
const bound = 120 * mib
const settings = {
  durability: 'fsync',
  'tail.bytes': String(4 * mib),
  'fetch.response.memory.bytes': String(8 * mib),
}

test('five hundred connections that pipeline fetches and read nothing', { timeout: 300_000 }, async () => {
  const { broker, port, accept } = await startWithMadeSockets(memoryFileSystem(), settings)
  const healthy = await connect(port)
  const topicId = await createTopic(healthy, 'busy')
  const before = heldBytes()
  const sockets: NonReader[] = []
  let most = 0
  for (let nth = 0; nth < readers; nth++) {
    const { errorCode, baseOffset } = await produce(
      healthy,
      'busy',
      buildBatch({ values: [Buffer.alloc(recordBytes, nth)], timestampMs: 0 }),
    )
    assert.deepEqual([errorCode, baseOffset], [0, nth])
    const request = requestBytes(apis.fetch, 13, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: mib,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: Math.max(0, nth - 3), partitionMaxBytes: mib }] }],
      forgottenTopicsData: [],
    })
    const socket = new NonReader()
    socket.on('error', () => {})
    accept(socket)
    for (let pipelined = 0; pipelined < 4; pipelined++) socket.push(request)
    sockets.push(socket)
    most = Math.max(most, heldBytes(before + bound) - before)
  }
  const { apiKeys } = await healthy.request(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  assert.ok(apiKeys.length > 0)
  const seen: number[] = []
  while (seen.length < readers) {
    const { errorCode, records } = await fetchRecords(healthy, 'busy', seen.length, { maxWaitMs: 500 })
    assert.equal(errorCode, 0)
    for (const { baseOffset } of readBatches(records)) if (baseOffset === seen.length) seen.push(baseOffset)
  }
  assert.ok(most < bound, `${(most / mib).toFixed(0)} MiB`)
  await Promise.all(
    sockets.slice(0, 50).map(socket => new Promise<void>(resolve => (socket.destroyed ? resolve() : socket.once('close', resolve)))),
  )
  assert.ok(!healthy.isClosed)
  healthy.close()
  for (const socket of sockets) socket.destroy()
  await broker.close()
})
