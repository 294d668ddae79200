import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { connect } from './connection.ts'
import { configOf } from './recorded.testing.ts'
import { ReplicationStream, type StreamOptions } from './replication.ts'
import { FakeServer } from './server.testing.ts'

const system = realSystem(memoryFileSystem())

async function open(
  work: (stream: ReplicationStream, server: FakeServer) => Promise<void>,
  more: Partial<StreamOptions> = {},
): Promise<void> {
  const server = await FakeServer.start()
  const config = configOf({
    'database.hostname': '127.0.0.1',
    'database.port': String(server.port),
    'database.user': 'me',
    'database.sslmode': 'disable',
  })
  const client = await connect(config, system.files, 'replication')
  const options = {
    slot: 'my_slot',
    publication: 'My"pub',
    from: 0x1_0000_0002n,
    confirmed: 0x1_0000_0001n,
    logicalMessages: true,
    mostBytes: 100_000,
    statusMs: 20,
    idleMs: 60_000,
    ...more,
  }
  const stream = await ReplicationStream.start(client, system, options)
  try {
    await work(stream, server)
  } finally {
    await stream.close()
    server.close()
  }
}

/** The next one, within a second. */
async function next(stream: ReplicationStream) {
  for (let left = 100; left > 0; left--) {
    const frame = stream.frames.take()
    if (frame !== null) return frame
    await stream.frames.arrival(10)
  }
  throw new Error('nothing has come')
}

test('the stream begins where it is told, and gives what is sent in its order', () =>
  open(async (stream, server) => {
    assert.deepEqual(server.commands, [
      `START_REPLICATION SLOT "my_slot" LOGICAL 1/2 (proto_version '1', publication_names '"My""pub"', messages 'true')`,
    ])
    server.send(5n, Buffer.from('one'))
    server.keepAlive(6n)
    server.keepAlive(7n)
    server.send(8n, Buffer.from('two'))
    assert.deepEqual(await next(stream), { kind: 'data', lsn: 5n, body: Buffer.from('one') })
    // Of several positions the last one is enough.
    const alive = await next(stream)
    assert.deepEqual([alive.kind, alive.lsn === 6n || alive.lsn === 7n], ['alive', true])
    assert.deepEqual((await next(stream)).kind === 'data' ? 'two' : (await next(stream)).kind, alive.lsn === 7n ? 'two' : 'data')
  }))

test('only what is confirmed is told to the server, again and again', () =>
  open(async (stream, server) => {
    server.send(0x1_0000_0100n, Buffer.from('x'))
    server.keepAlive(0x1_0000_0200n, true)
    await next(stream)
    await server.status()
    await server.status()
    assert.deepEqual(new Set(server.confirmed), new Set([0x1_0000_0001n]), 'neither what was received nor where it begins is safe')
    stream.confirm(0x1_0000_0150n)
    stream.confirm(0x1_0000_0100n)
    while (server.confirmed.at(-1) !== 0x1_0000_0150n) await server.status()
    await server.status()
    assert.equal(server.confirmed.at(-1), 0x1_0000_0150n)
  }))

test('what nobody takes is not read: the server waits, and still hears that somebody is there', () =>
  open(async (stream, server) => {
    const body = Buffer.alloc(50_000, 'x')
    for (let at = 1n; at <= 1_000n; at++) server.send(at, body)
    for (let round = 0; round < 10; round++) await server.status()
    assert.ok(server.waiting > 20_000_000, `${server.waiting} bytes wait`)
    for (let at = 1n; at <= 1_000n; at++) assert.equal((await next(stream)).lsn, at)
    assert.equal(server.waiting, 0)
  }))

test('a stream that ends gives what it has, and then an error that passes', () =>
  open(async (stream, server) => {
    server.send(5n, Buffer.from('one'))
    await stream.frames.arrival(1_000)
    server.drop()
    assert.equal((await next(stream)).kind, 'data')
    await assert.rejects(async () => {
      for (;;) await next(stream)
    }, RetriableError)
  }))

test('a message that is no part of the protocol ends the stream', () =>
  open(async (stream, server) => {
    server.sendRaw(Buffer.from('zzzzzzzzzzzz'))
    await assert.rejects(next(stream), /has no message "z"/)
    server.sendRaw(Buffer.from('w'))
  }))

test('a stream from which nobody takes anything ends, so that the server can shut down', () =>
  open(
    async (stream, server) => {
      server.send(5n, Buffer.from('one'))
      await server.ended()
      assert.equal(stream.frames.take()?.kind, 'data')
      assert.throws(() => stream.frames.take(), RetriableError)
    },
    { idleMs: 50 },
  ))
