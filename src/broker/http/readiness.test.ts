import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { memoryFileSystem, realSystem, type System, trustingClock } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import { silentLogger } from '../../logger.ts'
import { buildBatch } from '../../protocol.ts'
import { loadBrokerConfig } from '../config.ts'
import { type RunningBroker, startBroker } from '../start.ts'

async function start(t: TestContext, system: System, warnings: string[], config: Record<string, string> = {}): Promise<RunningBroker> {
  const set = { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': '127.0.0.1:0', 'log.dirs': '/data', ...config }
  const running = await startBroker({
    system,
    config: loadBrokerConfig({ set }),
    logger: { ...silentLogger, warn: (_, message) => void (/^The disk|^partition/.test(message) && warnings.push(message)) },
    onThisMachine: false,
    onFatal: assert.fail,
  })
  t.after(() => running.close())
  return running
}

async function createOrders(running: RunningBroker, numPartitions: number): Promise<void> {
  const orders = { name: 'orders', numPartitions, replicationFactor: 1, assignments: [], configs: [] }
  const [created] = await running.broker.metadata.createTopics([orders], false)
  assert.ok(created && 'id' in created)
}

function produceTo(running: RunningBroker, partition: number): ReturnType<PartitionLog['append']> {
  const batch = buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestamp: 0 })
  return running.broker.metadata.partitionByName('orders', partition)!.append(batch, { origin: 'client' })
}

const get = (running: RunningBroker, path: string) => fetch(`http://127.0.0.1:${running.httpPort}${path}`)

test('a nearly full disk shows in readiness, metrics, the log and the error of a producer, until there is space', async t => {
  const files = memoryFileSystem()
  const disk = { freeBytes: 1_000_000 }
  const time = { ms: 0 }
  const real = realSystem({ ...files, freeBytes: () => disk.freeBytes })
  const warnings: string[] = []
  const clock = trustingClock(
    () => real.clock.now() + time.ms,
    () => real.clock.monotonic() + time.ms,
  )
  const running = await start(t, { ...real, clock }, warnings, { 'log.free.bytes.floor': '500000' })
  await createOrders(running, 1)
  const produce = () => produceTo(running, 0)
  const shortage = 'The disk of /data has 499999 bytes free, less than log.free.bytes.floor=500000: produce requests are refused'

  produce()
  assert.equal((await get(running, '/health/ready')).status, 200)
  disk.freeBytes = 499_999
  time.ms += 1_001
  const answer = await get(running, '/health/ready')
  assert.deepEqual([answer.status, await answer.json()], [503, { ready: false, reason: shortage }])
  assert.equal((await get(running, '/health/live')).status, 200)
  assert.throws(produce, { name: 'KAFKA_STORAGE_ERROR', message: shortage })
  const page = await (await get(running, '/metrics')).text()
  assert.match(page, /^millrace_disk_free_bytes 499999$/m)
  assert.match(page, /^millrace_disk_free_floor_bytes 500000$/m)

  disk.freeBytes = 600_000
  time.ms += 1_001
  produce()
  assert.equal((await get(running, '/health/ready')).status, 200)
  assert.deepEqual(warnings, [shortage, 'The disk of /data has enough free space again: 600000 bytes'])
})

test('an offline partition shows in log and metrics, with the reason; others are served', async t => {
  const files = memoryFileSystem()
  const first = await start(t, realSystem(files), [])
  await createOrders(first, 2)
  for (const partition of [0, 1]) produceTo(first, partition)
  await first.close()
  await files.replaceFile('/data/orders-1/millrace.offline', Buffer.from('segment 7 is "gone"'))
  const warnings: string[] = []
  const running = await start(t, realSystem(files), warnings)
  assert.deepEqual(warnings, ['partition orders-1 is offline: segment 7 is "gone". See docs/repair.md'])
  const page = await (await get(running, '/metrics')).text()
  assert.match(page, /^kafka_controller_kafkacontroller_offlinepartitionscount 1$/m)
  assert.match(page, /^millrace_partition_offline\{topic="orders",partition="1",reason="segment 7 is \\"gone\\""\} 1$/m)
  assert.match(page, /^kafka_topic_partition_leader\{topic="orders",partition="1"\} -1$/m)
  assert.throws(() => produceTo(running, 1), { name: 'KAFKA_STORAGE_ERROR', message: /segment 7 is "gone"/ })
  assert.equal(produceTo(running, 0).baseOffset, 1)
})
