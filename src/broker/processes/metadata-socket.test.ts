import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { silentLogger } from '../../logger.ts'
import { loadBrokerConfig } from '../config.ts'
import { type RunningBroker, startBroker } from '../start.ts'

function socketPath(t: TestContext): string {
  const path = join(tmpdir(), `millrace-${randomBytes(8).toString('hex')}.sock`)
  t.after(() => rmSync(path, { force: true }))
  return path
}

/** A process of its own would have its own files, too. */
function start(id: number, metadataSocket: string, files = memoryFileSystem()): Promise<RunningBroker> {
  const set = { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data', 'node.id': String(id) }
  // The socket itself lies on the machine's disk.
  const exists = (path: string) => (path === metadataSocket ? existsSync(path) : files.exists(path))
  const remove = (path: string) => (path === metadataSocket ? rmSync(path) : files.remove(path))
  return startBroker({
    system: realSystem({ ...files, exists, remove }),
    config: loadBrokerConfig({ set }),
    logger: silentLogger,
    onThisMachine: false,
    processes: { metadataSocket, keepsMetadata: id === 0 },
    onFatal: assert.fail,
  })
}

async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}

function topicsOf({ broker }: RunningBroker): string[] {
  return broker.metadata.topics().map(({ name }) => name)
}

const topic = (name: string) => [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]

test('processes that share a socket have the same metadata, also after the one that keeps it was away', async t => {
  const path = socketPath(t)
  // Left by a process that was killed.
  writeFileSync(path, '')
  const files = memoryFileSystem()
  const first = await start(0, path, files)
  const second = await start(1, path)
  await second.broker.metadata.createTopics(topic('a'), false)
  await first.broker.metadata.createTopics(topic('b'), false)
  await eventually(() => topicsOf(second).length === 2)
  assert.deepEqual(topicsOf(first), ['a', 'b'])
  for (const { broker } of [first, second]) {
    assert.deepEqual(
      broker.metadata.brokers().map(({ id, endpoints }) => [id, endpoints.get('PLAINTEXT')!.port]),
      [first, second].map(({ ports }, id) => [id, ports.get('PLAINTEXT')]),
    )
  }
  await first.close()
  // It may be sent before the end of the connection is noticed. Then its fate is known when the log is back.
  const meanwhile = second.broker.metadata.createTopics(topic('c'), false).then(
    () => 'created',
    error => error.name,
  )
  assert.deepEqual(topicsOf(second), ['a', 'b'])
  const again = await start(0, path, files)
  if ((await meanwhile) !== 'created') {
    assert.equal(await meanwhile, 'NOT_CONTROLLER')
    await eventually(() => {
      void second.broker.metadata.createTopics(topic('c'), false).catch(() => {})
      return topicsOf(second).includes('c')
    })
  }
  assert.deepEqual(topicsOf(again), ['a', 'b', 'c'])
  await Promise.all([again.close(), second.close()])
})
