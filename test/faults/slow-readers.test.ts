/** Memory stays within `fetch.response.memory.bytes` however many readers ask for much and take nothing. `os`: so that reads come from files, not from the tail. */
import assert from 'node:assert/strict'
import { connect as connectSocket, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { apis } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, createTopic, fetchRecords, produce, requestBytes } from '../support/client.ts'
import { heldBytes } from '../support/garbage.ts'

const mib = 2 ** 20
const bound = 8 * mib
const readers = 60
const batches = 64
const batchBytes = 512 * 1024

test('sixty readers that ask for 32 MiB each and never read', async () => {
  await attack({ 'fetch.response.memory.bytes': String(bound), durability: 'os' }, async ({ port }) => {
    const client = await connect(port)
    const topicId = await createTopic(client, 'big')
    for (let nth = 0; nth < batches; nth++) {
      const { errorCode } = await produce(client, 'big', buildBatch({ values: ['x'.repeat(batchBytes)], timestampMs: Date.now() }))
      assert.equal(errorCode, 0)
    }
    const before = heldBytes()
    const request = requestBytes(apis.fetch, 13, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 2 ** 31 - 1,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 2 ** 31 - 1 }] }],
      forgottenTopicsData: [],
    })
    const sockets: Socket[] = []
    for (let nth = 0; nth < readers; nth++) {
      const socket = connectSocket({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.pause()
      socket.write(request)
      sockets.push(socket)
    }
    await sleep(1000)
    const grown = heldBytes() - before
    // What is granted, and one batch for each reader, in a buffer of the next power of two.
    const most = bound + readers * 2 * batchBytes
    assert.ok(grown < most, `${(grown / mib).toFixed(1)} MiB for readers that read nothing, at most ${most / mib}`)
    // A reader that reads gets everything meanwhile, if only a batch at a time.
    const { records } = await fetchRecords(client, 'big', batches - 1)
    assert.ok(records.length > batchBytes)
    for (const socket of sockets) socket.destroy()
    client.close()
  })
})
