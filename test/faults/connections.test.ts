/** Connections that are slow or silent, too many connections, and clients that never read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { apis, decodeResponseHeader } from '../../src/protocol.ts'
import { attack, expectClosed } from '../support/attack.ts'
import { connect, createTopic, findCoordinator, produce, type RawClient, requestBytes } from '../support/client.ts'

test('15: half a frame has a deadline', () =>
  attack({ 'connection.frame.deadline.ms': '300' }, async ({ port }) => {
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(port)))
    for (const client of clients) client.send(Buffer.from([0, 0, 1]))
    const drip = setInterval(() => {
      for (const client of clients.slice(0, 100)) if (!client.isClosed) client.send(Buffer.from([0]))
    }, 50)
    try {
      await Promise.all(clients.map(client => expectClosed(client, 'half a frame')))
    } finally {
      clearInterval(drip)
    }
  }))

test('15: silence has a deadline, but not for those who wait for an answer', () =>
  attack({ 'connections.max.idle.ms': '1000' }, async ({ port }) => {
    const silent = await connect(port)
    const waiting = await connect(port)
    await createTopic(waiting, 'empty')
    const answer = waiting.request(apis.fetch, 4, {
      maxWaitMs: 4000,
      minBytes: 1,
      maxBytes: 1000,
      isolationLevel: 0,
      topics: [{ topic: 'empty', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    })
    await expectClosed(silent, 'a silent connection')
    assert.equal((await answer).responses.length, 1)
    waiting.close()
  }))

test('16: a client that never reads costs its socket buffers, not memory', () =>
  attack({}, async ({ port }) => {
    const writer = await connect(port)
    await createTopic(writer, 'big', 1, { 'max.message.bytes': '2000000' })
    for (let count = 0; count < 8; count++)
      await produce(writer, 'big', buildBatch({ values: [Buffer.alloc(1_000_000)], timestampMs: Date.now() }))
    const fetch = requestBytes(apis.fetch, 4, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 8_000_000,
      isolationLevel: 0,
      topics: [{ topic: 'big', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 8_000_000 }] }],
    })
    const deaf: RawClient[] = []
    const before = process.memoryUsage()
    for (let count = 0; count < 20; count++) {
      const client = await connect(port)
      client.socket.pause()
      deaf.push(client)
      for (let request = 0; request < 50; request++) client.send(fetch)
    }
    await sleep(1500)
    const after = process.memoryUsage()
    const growth = after.external + after.heapUsed - before.external - before.heapUsed
    // 20 connections x 50 requests x 8 MB would be 8 GB; what may wait is one answer each, shared with the log's own memory.
    assert.ok(growth < 256 * 2 ** 20, `memory grew by ${Math.round(growth / 2 ** 20)} MiB`)
    for (const client of deaf) client.close()
    writer.close()
  }))

test('16: ten thousand pipelined requests are answered in order', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const count = 10_000
    const requests = Array.from({ length: count }, (_, id) =>
      id % 2 === 0
        ? requestBytes(apis.metadata, 4, { topics: [{ name: 'innocent' }], allowAutoTopicCreation: false }, id)
        : requestBytes(apis.apiVersions, 0, {}, id),
    )
    for (let from = 0; from < count; from += 100) client.send(Buffer.concat(requests.slice(from, from + 100)))
    for (let id = 0; id < count; id++) {
      const frame = await client.nextFrame()
      assert.equal(decodeResponseHeader(frame, id % 2 === 0 ? apis.metadata : apis.apiVersions, 0).correlationId, id)
    }
    client.close()
  }))

test('17: a group member that falls silent is expelled by its session timeout', () =>
  attack({ 'group.min.session.timeout.ms': '200', 'group.initial.rebalance.delay.ms': '0' }, async ({ port }) => {
    const member = await connect(port)
    await findCoordinator(member, 'silent')
    const joined = await member.request(apis.joinGroup, 2, {
      groupId: 'silent',
      sessionTimeoutMs: 500,
      rebalanceTimeoutMs: 500,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(4) }],
    })
    assert.equal(joined.errorCode, 0)
    await member.request(apis.syncGroup, 1, {
      groupId: 'silent',
      generationId: joined.generationId,
      memberId: joined.memberId,
      assignments: [{ memberId: joined.memberId, assignment: Buffer.alloc(0) }],
    })
    const watcher = await connect(port)
    const state = async () => (await watcher.request(apis.describeGroups, 1, { groups: ['silent'] })).groups[0]!
    assert.equal((await state()).groupState, 'Stable')
    const deadline = performance.now() + 5000
    while ((await state()).members.length > 0 && performance.now() < deadline) await sleep(50)
    assert.equal((await state()).groupState, 'Empty')
    member.close()
    watcher.close()
  }))

test('18: one address cannot take all connections', () =>
  attack({ 'max.connections.per.ip': '20' }, async ({ port }) => {
    const flood = await Promise.all(Array.from({ length: 300 }, () => connect(port)))
    await sleep(500)
    const alive = flood.filter(client => !client.isClosed)
    assert.equal(alive.length, 20)
    const other = await connect(port, 'other', '127.0.0.3')
    assert.equal((await other.request(apis.apiVersions, 0, {})).errorCode, 0)
    const [one] = alive
    assert.equal((await one!.request(apis.apiVersions, 0, {})).errorCode, 0)
    one!.close()
    await one!.closed
    await sleep(50)
    const next = await connect(port)
    assert.equal((await next.request(apis.apiVersions, 0, {})).errorCode, 0, 'a place that was given back is free')
    for (const client of [...flood, other, next]) client.close()
  }))

test('18: connections that come too fast wait for their turn', () =>
  attack({ 'max.connection.creation.rate': '50' }, async ({ port }) => {
    const flood = await Promise.all(Array.from({ length: 300 }, () => connect(port).catch(() => null)))
    let answered = 0
    const answers = flood.map(client =>
      client?.request(apis.apiVersions, 0, {}).then(
        () => answered++,
        () => {},
      ),
    )
    await sleep(300)
    assert.ok(answered < 150, `${answered} of 300 connections at once were served with a rate of 50/s`)
    const later = await connect(port)
    assert.equal((await later.request(apis.apiVersions, 0, {})).errorCode, 0)
    await Promise.all(answers)
    for (const client of [...flood, later]) client?.close()
  }))
