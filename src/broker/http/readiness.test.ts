import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem, trustingClock } from '../../base.ts'
import { buildBatch } from '../../protocol.ts'
import { loadBrokerConfig } from '../config.ts'
import { silentLogger } from '../logger.ts'
import { startBroker } from '../start.ts'

test('a disk that is nearly full is told in readiness, metrics, log and the error of a producer, until there is room', async t => {
  const files = memoryFileSystem()
  const disk = { freeBytes: 1_000_000 }
  const time = { ms: 0 }
  const real = realSystem({ ...files, freeBytes: () => disk.freeBytes })
  const warnings: string[] = []
  const running = await startBroker({
    system: {
      ...real,
      clock: trustingClock(
        () => real.clock.now() + time.ms,
        () => real.clock.monotonic() + time.ms,
      ),
    },
    config: loadBrokerConfig({
      set: {
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'http.listen': '127.0.0.1:0',
        'log.dirs': '/data',
        'log.free.bytes.floor': 500_000,
      },
    }),
    logger: { ...silentLogger, warn: (_, message) => void (message.startsWith('The disk') && warnings.push(message)) },
    onThisMachine: false,
    onFatal: assert.fail,
  })
  t.after(() => running.close())
  const get = (path: string) => fetch(`http://127.0.0.1:${running.httpPort}${path}`)
  const [created] = await running.broker.metadata.createTopics(
    [{ name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    false,
  )
  assert.ok(created && 'id' in created)
  const produce = () =>
    running.broker.metadata
      .partitionByName('orders', 0)!
      .append(buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestamp: 0 }), { origin: 'client' })
  const shortage = 'The disk of /data has 499999 bytes free, less than log.free.bytes.floor=500000: produce requests are refused'

  produce()
  assert.equal((await get('/health/ready')).status, 200)
  disk.freeBytes = 499_999
  time.ms += 1_001
  const answer = await get('/health/ready')
  assert.deepEqual([answer.status, await answer.json()], [503, { ready: false, reason: shortage }])
  assert.equal((await get('/health/live')).status, 200)
  assert.throws(produce, { name: 'KAFKA_STORAGE_ERROR', message: shortage })
  const page = await (await get('/metrics')).text()
  assert.match(page, /^millrace_disk_free_bytes 499999$/m)
  assert.match(page, /^millrace_disk_free_floor_bytes 500000$/m)

  disk.freeBytes = 600_000
  time.ms += 1_001
  produce()
  assert.equal((await get('/health/ready')).status, 200)
  assert.deepEqual(warnings, [shortage, 'The disk of /data has room again: 600000 bytes free'])
})
