/** Several registries on one topic: one of them writes, the others forward, and one that was deposed cannot write. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openClient } from '../../src/client.ts'
import { startBroker } from '../../src/millrace.ts'
import { startRegistry } from './registry.ts'

const schema = (name: string) => ({ schema: JSON.stringify({ type: 'record', name, fields: [] }) })

test('a write is answered the same wherever it is sent, and is seen where it was sent', async () => {
  await using broker = await startBroker({ memory: true })
  await using first = await startRegistry(broker.address)
  await using second = await startRegistry(broker.address)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? first : second).ask('POST', `/subjects/s${index}/versions`, schema(`R${index}`)),
    ),
  )
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  const ids = answers.map(({ body }) => body.id as number).sort((a, b) => a - b)
  assert.deepEqual(
    ids,
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
  for (const registry of [first, second]) {
    const { status, body } = await registry.ask('PUT', '/config/s1', { compatibility: 'NONE' })
    assert.deepEqual([status, body], [200, { compatibility: 'NONE' }])
    const wrong = await registry.ask('POST', '/subjects/s1/versions', { schema: '{' })
    assert.deepEqual([wrong.status, wrong.body.error_code], [422, 42_201])
  }
})

test('when the leader goes, another one goes on with the next id', async () => {
  await using broker = await startBroker({ memory: true })
  const first = await startRegistry(broker.address)
  assert.equal((await first.ask('POST', '/subjects/a/versions', schema('A'))).body.id, 1)
  await using second = await startRegistry(broker.address)
  await first[Symbol.asyncDispose]()
  assert.equal((await second.ask('POST', '/subjects/b/versions', schema('B'))).body.id, 2)
})

test('what a deposed writer sends is refused, and what was written before it is not lost', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 't', partitions: 1 })
  const options = { transactionalId: 'x', topic: 't', partition: 0 }
  const record = (value: string) => [{ key: Buffer.from('k'), value: Buffer.from(value) }]
  const old = await client.openFencedWriter(options)
  assert.equal(await old.append(record('1')), 0n)
  const next = await client.openFencedWriter(options)
  assert.equal(await next.append(record('2')), 1n)
  await assert.rejects(old.append(record('3')), { code: /EPOCH|FENCED/ })
  assert.equal(await next.append([...record('4'), ...record('5')]), 2n)
  assert.deepEqual(await client.offsets('t', [0], 'latest'), new Map([[0, 4n]]))
})

test('a registry whose topic somebody else has written to reads that before it writes', async () => {
  await using broker = await startBroker({ memory: true })
  await using registry = await startRegistry(broker.address)
  await registry.ask('POST', '/subjects/a/versions', schema('A'))
  await using client = openClient({ bootstrap: broker.address })
  const other = await client.openFencedWriter({ transactionalId: '_schemas-writer', topic: '_schemas', partition: 0 })
  await other.append([
    {
      key: Buffer.from('{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}'),
      value: Buffer.from('{"subject":"b","version":1,"id":2,"schema":"\\"string\\"","deleted":false}'),
    },
  ])
  const refused = await registry.ask('POST', '/subjects/c/versions', schema('C'))
  assert.deepEqual([refused.status, refused.body.error_code], [500, 50_004])
  assert.equal((await registry.ask('POST', '/subjects/c/versions', schema('C'))).body.id, 3)
})
