/**
 * Crowds of clients whose requests and responses do not fit into memory together: the limits of the whole broker hold
 * (`queued.max.request.bytes`, `fetch.response.memory.bytes`), a small client is served meanwhile, nobody holds memory for ever, and nothing is
 * left behind. Most sockets are made here, because the kernel's buffers would take megabytes for each before anything waits.
 */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { memoryFileSystem } from '../../src/base.ts'
import { type Api, apis, type InputOf } from '../../src/protocol.ts'
import { connect, createTopic, findCoordinator, produce, type RawClient, requestBytes } from '../support/client.ts'
import { collectGarbage } from '../support/garbage.ts'
import { NonReader, startWithMadeSockets, type WithMadeSockets } from '../support/made-sockets.ts'

const mib = 2 ** 20
/** Of a Metadata request. */
const plainly = { allowAutoTopicCreation: false, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }

/** What is in use, without what nobody needs. */
function usedBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The broker's end of a connection whose client reads everything. */
class Reader extends Duplex {
  readonly remoteAddress = '127.0.0.8'
  bytes = 0
  /** In the first response. */
  length = 0

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    if (this.bytes === 0) this.length = 4 + chunk.readInt32BE(0)
    this.bytes += chunk.length
    done()
  }

  async answered(): Promise<void> {
    while (this.bytes === 0 || this.bytes < this.length) {
      assert.ok(!this.destroyed, 'the broker closed a connection that did nothing wrong')
      await sleep(5)
    }
  }
}

async function withBroker(set: Record<string, string>, work: (it: WithMadeSockets, admin: RawClient) => Promise<void>): Promise<void> {
  const it = await startWithMadeSockets(memoryFileSystem({ capacityBytes: 2 ** 40 }), { 'group.initial.rebalance.delay.ms': '0', ...set })
  const admin = await connect(it.port)
  try {
    await createTopic(admin, 'small')
    await work(it, admin)
    // All accounts are even once nobody is there.
    const { requestMemory, responseMemory, largeRequests } = it.broker.broker
    for (let waits = 0; waits < 400 && requestMemory.heldBytes + responseMemory.heldBytes + largeRequests.waiting > 0; waits++)
      await sleep(25)
    assert.deepEqual([requestMemory.heldBytes, responseMemory.heldBytes, largeRequests.waiting], [0, 0, 0])
    assert.notEqual(largeRequests.enter({ bytes: 0, prompt: false }), null)
  } finally {
    admin.close()
    await it.broker.close()
  }
}

/** A small client is served now. */
async function serve(client: RawClient): Promise<void> {
  const { topics } = await client.request(apis.metadata, 9, { topics: [{ name: 'small' }], ...plainly })
  assert.equal(topics[0]!.errorCode, 0)
  const { errorCode } = await produce(client, 'small', buildBatch({ values: ['x'], timestampMs: Date.now() }))
  assert.equal(errorCode, 0)
}

/** Many clients send this and do not read; returns by how much memory in use grew at most while a small client was served. */
async function crowd<A extends Api>(
  { accept }: WithMadeSockets,
  admin: RawClient,
  { many, api, version, request }: { many: number; api: A; version: number; request: InputOf<A['request']> },
): Promise<{ grownBytes: number; sockets: Duplex[] }> {
  const bytes = requestBytes(api, version, request)
  const before = usedBytes()
  const sockets = Array.from({ length: many }, () => {
    const socket = new NonReader().on('error', () => {})
    accept(socket)
    socket.push(Buffer.concat([bytes, bytes]))
    return socket
  })
  let grownBytes = 0
  for (let round = 0; round < 10; round++) {
    await sleep(100)
    await serve(admin)
    grownBytes = Math.max(grownBytes, usedBytes() - before)
  }
  return { grownBytes, sockets }
}

async function manyTopics(admin: RawClient, count: number, numPartitions: number): Promise<string[]> {
  const topics = Array.from({ length: count }, (_, n) => ({
    name: `topic-${n}`,
    numPartitions,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }))
  await admin.request(apis.createTopics, 7, { topics, timeoutMs: 60_000, validateOnly: false })
  return topics.map(({ name }) => name)
}

const responseLimit = { 'fetch.response.memory.bytes': String(8 * mib) }

const crowds: Record<string, (admin: RawClient) => Promise<Parameters<typeof crowd>[2]>> = {
  async DescribeConfigs(admin) {
    const names = await manyTopics(admin, 200, 1)
    const resources = names.map(resourceName => ({ resourceType: 2, resourceName, configurationKeys: null }))
    return { many: 60, api: apis.describeConfigs, version: 4, request: { resources, includeSynonyms: true, includeDocumentation: true } }
  },
  async Metadata(admin) {
    await manyTopics(admin, 20, 1_000)
    return { many: 100, api: apis.metadata, version: 9, request: { topics: null, ...plainly } }
  },
  async DescribeLogDirs(admin) {
    await manyTopics(admin, 20, 1_000)
    return { many: 100, api: apis.describeLogDirs, version: 4, request: { topics: null } }
  },
  async OffsetFetch(admin) {
    const names = await manyTopics(admin, 20, 1_000)
    await findCoordinator(admin, 'group')
    const offset = { committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: 'some words that come with an offset' }
    const topics = names.map(name => ({
      name,
      partitions: Array.from({ length: 1_000 }, (_, partitionIndex) => ({ partitionIndex, ...offset })),
    }))
    const member = { groupId: 'group', generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null }
    await admin.request(apis.offsetCommit, 8, { ...member, topics })
    return { many: 100, api: apis.offsetFetch, version: 8, request: { groups: [{ groupId: 'group', topics: null }], requireStable: false } }
  },
  async DescribeGroups(admin) {
    await findCoordinator(admin, 'group')
    // One member with much to tell.
    const join = { groupId: 'group', sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000, memberId: '', groupInstanceId: null }
    const protocols = [{ name: 'range', metadata: Buffer.alloc(mib, 1) }]
    await admin.request(apis.joinGroup, 3, { ...join, protocolType: 'consumer', protocols })
    return { many: 100, api: apis.describeGroups, version: 5, request: { groups: ['group'], includeAuthorizedOperations: false } }
  },
}

for (const [name, prepare] of Object.entries(crowds)) {
  test(`clients that send small ${name} requests with large responses, and do not read`, { timeout: 300_000 }, () =>
    withBroker(responseLimit, async (it, admin) => {
      const asked = await prepare(admin)
      const { grownBytes, sockets } = await crowd(it, admin, asked)
      // Half the limit, four responses that are being made, and what each of those that wait needs.
      assert.ok(grownBytes < 64 * mib, `${(grownBytes / mib).toFixed(0)} MiB`)
      // One more client with the same request, who reads, is answered once those who do not are gone.
      const reader = new Reader()
      it.accept(reader)
      reader.push(requestBytes(asked.api, asked.version, asked.request as never))
      for (const socket of sockets.slice(0, -10)) socket.destroy()
      await reader.answered()
      reader.destroy()
      for (const socket of sockets) socket.destroy()
    }),
  )
}

test(
  'those who do not read are closed while others wait, and a response larger than the limit reaches its client',
  { timeout: 300_000 },
  () =>
    withBroker({ 'fetch.response.memory.bytes': String(mib) }, async (it, admin) => {
      const { api, version, request } = await crowds['DescribeConfigs']!(admin)
      const { sockets } = await crowd(it, admin, { many: 3, api, version, request })
      const reader = new Reader()
      it.accept(reader)
      reader.push(requestBytes(api, version, request as never))
      await reader.answered()
      assert.ok(reader.length > mib)
      assert.ok(sockets.some(({ destroyed }) => destroyed))
      reader.destroy()
      for (const socket of sockets) socket.destroy()
    }),
)

test('responses for which clients that are gone were waiting are not made', { timeout: 300_000 }, () =>
  withBroker(responseLimit, async (it, admin) => {
    const { api, version, request } = await crowds['DescribeConfigs']!(admin)
    const { largeRequests, requestMemory, metrics } = it.broker.broker
    const places = [1, 2, 3, 4].map(() => largeRequests.enter({ bytes: 0, prompt: false })!)
    const sockets = Array.from({ length: 50 }, () => {
      const socket = new NonReader().on('error', () => {})
      it.accept(socket)
      socket.push(requestBytes(api, version, request as never))
      return socket
    })
    while (largeRequests.waiting < sockets.length) await sleep(5)
    for (const socket of sockets) socket.destroy()
    while (metrics.connections.size > 1) await sleep(5)
    for (const leave of places) leave()
    while (requestMemory.heldBytes > 0) await sleep(5)
    assert.equal(metrics.requests.get('DescribeConfigs')?.durations.count ?? 0, 0)
  }),
)

/** A request of this size, most of it in one field. */
function large(bytes: number): Buffer {
  return requestBytes(apis.syncGroup, 5, {
    groupId: 'group',
    generationId: 1,
    memberId: 'nobody',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId: 'nobody', assignment: Buffer.alloc(bytes) }],
  })
}

/** Not all at once, as no socket gives it. */
async function sendInPieces(socket: Duplex, bytes: Buffer, pieceBytes = 65_536): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; at += pieceBytes) {
    socket.push(bytes.subarray(at, at + pieceBytes))
    while (socket.readableLength > pieceBytes && !socket.destroyed) await sleep(1)
  }
}

test('large requests at the same time: all are answered, within the limit and one request', { timeout: 300_000 }, () =>
  withBroker({ 'queued.max.request.bytes': String(8 * mib) }, async ({ broker: { broker }, accept }, admin) => {
    const bytes = large(6 * mib)
    let most = 0
    const readers = Array.from({ length: 16 }, () => {
      const reader = new Reader()
      accept(reader)
      return reader
    })
    const sent = readers.map(reader => sendInPieces(reader, bytes))
    const sampling = setInterval(() => {
      most = Math.max(most, broker.requestMemory.heldBytes)
    }, 1)
    await serve(admin)
    await Promise.all(readers.map(reader => reader.answered()))
    await Promise.all(sent)
    clearInterval(sampling)
    assert.ok(most <= 8 * mib + bytes.length + 16 * 65_536, `${(most / mib).toFixed(1)} MiB`)
    for (const reader of readers) reader.destroy()
  }),
)

test('the largest legal request passes, however low the limit', { timeout: 300_000 }, () =>
  withBroker({ 'queued.max.request.bytes': String(mib) }, async ({ accept }) => {
    const reader = new Reader()
    accept(reader)
    await Promise.all([sendInPieces(reader, large(100 * mib - 1_000), 4 * mib), reader.answered()])
    reader.destroy()
  }),
)

test('connections in the middle of a request that send no more make room for those who do', { timeout: 300_000 }, () =>
  withBroker({ 'queued.max.request.bytes': String(16 * mib) }, async ({ port }, admin) => {
    const half = large(200_000).subarray(0, 100_000)
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(port)))
    for (const client of clients) client.send(half)
    const sender = await connect(port)
    await sleep(200)
    await serve(admin)
    const began = performance.now()
    sender.send(large(2 * mib))
    await sender.nextFrame()
    assert.ok(performance.now() - began < 15_000, 'much earlier than the deadline of a frame')
    await serve(admin)
    assert.ok(clients.some(({ isClosed }) => isClosed))
    for (const client of [...clients, sender]) client.close()
  }),
)

test('many connections that produce large batches at once', { timeout: 300_000 }, () =>
  withBroker({ 'queued.max.request.bytes': String(8 * mib), 'log.retention.bytes': '1' }, async ({ broker: { broker }, accept }, admin) => {
    const batch = buildBatch({ values: [Buffer.alloc(900 * 1024, 'z')], timestampMs: Date.now() })
    const bytes = requestBytes(apis.produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: 'small', partitionData: [{ index: 0, records: batch }] }],
    })
    let most = 0
    const sampling = setInterval(() => {
      most = Math.max(most, broker.requestMemory.heldBytes)
    }, 1)
    const readers = Array.from({ length: 100 }, () => {
      const reader = new Reader()
      accept(reader)
      return reader
    })
    const sent = readers.map(reader => sendInPieces(reader, bytes))
    await serve(admin)
    await Promise.all(readers.map(reader => reader.answered()))
    await Promise.all(sent)
    clearInterval(sampling)
    // A request of a megabyte is not small here.
    assert.ok(most <= 8 * mib + bytes.length + 100 * 65_536, `${(most / mib).toFixed(1)} MiB`)
    for (const reader of readers) reader.destroy()
  }),
)
