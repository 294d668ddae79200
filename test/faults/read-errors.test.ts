/** A disk that cannot be read: the consumer gets an error, and the operator a line that says why, not one for every attempt. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../sim/world/batches.ts'
import { simulatedDisk } from '../../sim/world/disk.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { errorCode } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, produce } from '../support/client.ts'

test('reads that fail', async () => {
  const { files, faults } = simulatedDisk({ image: undefined, random: seededRandom(1), delay: async () => {} })
  const told: string[] = []
  const logger = { ...silentLogger, warn: (_fields: unknown, message?: string) => void told.push(message ?? '') }
  const config = () => loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data' } })
  const start = () =>
    startBroker({ system: realSystem(files), config: config(), logger: logger as never, onThisMachine: false, onFatal: assert.fail })
  const portOf = (broker: RunningBroker) => broker.ports.get('PLAINTEXT')!
  const first = await start()
  const writer = await connect(portOf(first))
  await createTopic(writer, 't')
  assert.equal((await produce(writer, 't', buildBatch({ values: ['x'], timestampMs: Date.now() }))).errorCode, 0)
  writer.close()
  await first.close()
  // Nothing is in memory now.
  const second = await start()
  const reader = await connect(portOf(second))
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      faults.fail('read', 'EIO', { path: /\.log$/ })
      assert.equal((await fetchRecords(reader, 't', 0)).errorCode, errorCode('KAFKA_STORAGE_ERROR'))
    }
    assert.deepEqual(
      told.filter(message => /could not read/.test(message)),
      ['a fetch could not read the log'],
    )
    faults.forget()
    assert.equal((await fetchRecords(reader, 't', 0)).errorCode, 0)
  } finally {
    reader.close()
    await second.close()
  }
})
