import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetriableError, type SourceTask, struct } from '../../connector.ts'
import { openSource, TestContext } from '../../connector-testing.ts'
import { lsnText } from './lsn.ts'
import { offsetOf, start } from './position.ts'
import { FakeServer } from './server.testing.ts'
import { postgresqlCdc } from './source.ts'

const stored = 100n
const exported = 150n

/** A task that may go on from {@link stored}, and a server whose slot is as far. It has no tables; a snapshot of it is of {@link exported}. */
async function open(
  work: (task: SourceTask, server: FakeServer) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const server: FakeServer = await FakeServer.start(sql => {
    if (sql.startsWith('CREATE_REPLICATION_SLOT')) return [{ consistent_point: lsnText(exported), snapshot_name: 's' }]
    if (sql.includes('server_version_num')) return [{ version: '150000', level: 'logical' }]
    if (sql.includes('pg_publication')) return [{ all: 't' }]
    if (!sql.includes('from pg_replication_slots s where')) return []
    const confirmed = lsnText(server.confirmed.at(-1) ?? stored)
    return [{ plugin: 'pgoutput', database: 'lab', confirmed, status: 'reserved', here: 'lab' }]
  })
  const context = new TestContext()
  context.offsets.set(JSON.stringify(struct([['server', 'shop']])), offsetOf({ ...start, commit: stored }, null, null))
  const config = {
    ...{ 'database.hostname': '127.0.0.1', 'database.port': String(server.port), 'database.sslmode': 'disable' },
    ...{ 'database.user': 'me', 'database.dbname': 'lab', 'topic.prefix': 'shop', 'poll.interval.ms': '10' },
    ...more,
  }
  const { task } = await openSource(postgresqlCdc, config, context)
  try {
    await work(task, server)
  } finally {
    await task.close()
    server.close()
  }
}

/** A logical message outside of transactions. */
function message(lsn: bigint): Buffer {
  const body = Buffer.alloc(10)
  body.write('M')
  body.writeBigUInt64BE(lsn, 2)
  return Buffer.concat([body, Buffer.from('p\0\0\0\0\x01x')])
}

/** Resolves when the task has said how far it is more than so many times. */
async function told(server: FakeServer, times: number): Promise<void> {
  while (server.confirmed.length <= times) await server.status()
}

/** Resolves when the task has got all that was sent before. */
async function alive(server: FakeServer, lsn: bigint): Promise<void> {
  const before = server.confirmed.length
  server.keepAlive(lsn, true)
  await told(server, before)
}

/** The server breaks the stream; resolves when the task has begun a new one. */
async function reconnect(task: SourceTask, server: FakeServer): Promise<void> {
  const [streams, times] = [server.commands.length, server.confirmed.length]
  server.drop()
  await assert.rejects(async () => {
    for (let left = 100; left > 0; left--) await task.poll()
  }, RetriableError)
  assert.deepEqual(await task.poll(), [])
  assert.equal(server.commands.length, streams + 1)
  await told(server, times)
}

test('what was handed on, but is not committed, is not confirmed to the server by a later session either', () =>
  open(async (task, server) => {
    await told(server, 0)
    server.send(200n, message(200n))
    await alive(server, 300n)
    assert.equal((await task.poll()).length, 1)
    await reconnect(task, server)
    assert.match(server.commands.at(-1)!, /LOGICAL 0\/12C /, 'it goes on after the record')
    await alive(server, 400n)
    assert.deepEqual([await task.poll(), await task.poll()], [[], []])
    await alive(server, 400n)
    assert.deepEqual(new Set(server.confirmed), new Set([stored]))
    await task.committed!([], [])
    while (server.confirmed.at(-1) !== 400n) await server.status()
  }))

test('with nothing that waits to be committed, a session confirms what makes no records, also after another one broke', () =>
  open(async (task, server) => {
    await told(server, 0)
    server.send(200n, message(200n))
    await alive(server, 300n)
    assert.equal((await task.poll()).length, 1)
    await task.committed!([], [])
    while (server.confirmed.at(-1) !== 300n) await server.status()
    await reconnect(task, server)
    await alive(server, 400n)
    assert.deepEqual(await task.poll(), [])
    while (server.confirmed.at(-1) !== 400n) await server.status()
    assert.deepEqual(
      [...server.confirmed],
      [...server.confirmed].sort((one, other) => Number(one - other)),
      'never back',
    )
  }))

test('snapshot.mode=always reads all rows at each start, but not again when only the session breaks', () =>
  open(
    async (task, server) => {
      assert.deepEqual(server.commands, [], 'a snapshot comes first')
      while (server.commands.length === 0) assert.deepEqual(await task.poll(), [])
      assert.match(server.commands[0]!, / LOGICAL 0\/96 /)
      await told(server, 0)
      await reconnect(task, server)
      assert.match(server.commands[1]!, / LOGICAL 0\/96 /)
    },
    { 'snapshot.mode': 'always' },
  ))

test('snapshot.mode=initial_only reads no changes, also when it is started again', () =>
  open(
    async (task, server) => {
      for (let polls = 3; polls > 0; polls--) assert.deepEqual(await task.poll(), [])
      assert.deepEqual(server.commands, [])
    },
    { 'snapshot.mode': 'initial_only' },
  ))
