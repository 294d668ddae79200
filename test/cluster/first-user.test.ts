/** The first user of a cluster, whose brokers let nobody in without a login. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedPostgres } from '../../sim/world/postgres.ts'
import { Process } from '../../sim/world/process.ts'
import { seededRandom } from '../../sim/world/random.ts'
import { SimulatedS3 } from '../../sim/world/s3.ts'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, silentLogger, startBroker, writeScramCredential } from '../../src/broker.ts'
import { openClient } from '../../src/client.ts'
import { openDatabase, openObjectStore } from '../../src/store.ts'

const objects = 's3://bucket/prefix?endpoint=http://s3.test'
const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }

test('is written into its database, before the first broker and while brokers run', async t => {
  const real = realSystem(memoryFileSystem())
  const postgres = new SimulatedPostgres({ ...real, random: seededRandom(1), graceMs: 60_000, fate: () => 'well' })
  const s3 = new SimulatedS3({ ...real, random: seededRandom(2), bucket: 'bucket', fate: () => 'well', listingDelayMs: () => 0 })
  const process = new Process(real.timers)
  const system = { ...realSystem(memoryFileSystem()), timers: process }
  const config = loadBrokerConfig({
    set: {
      listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
      'http.listen': 'none',
      'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
      'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-256',
      cluster: 'postgres://me@database/events',
      objects,
    },
  })
  const stores = { connect: postgres.connect(process), transport: s3.transport(process) }
  const create = async (user: string) => {
    const database = openDatabase({ system, connect: stores.connect })
    const store = openObjectStore({ system, url: objects, environment, transport: stores.transport })
    const user256 = { user, password: `${user}-secret`, mechanism: 'SCRAM-SHA-256', iterations: 4096 } as const
    await writeScramCredential({ system, config, logger: silentLogger, stores: { database, objects: store } }, user256)
    await database.close()
  }
  await create('early')
  const running = await startBroker({ system, config, logger: silentLogger, stores, environment, onFatal: assert.fail })
  t.after(() => running.close())
  await create('late')
  for (const user of ['early', 'late']) {
    await using client = openClient({
      bootstrap: `127.0.0.1:${running.ports.get('SASL_PLAINTEXT')}`,
      properties: {
        'security.protocol': 'SASL_PLAINTEXT',
        'sasl.mechanism': 'SCRAM-SHA-256',
        'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${user}-secret";`,
      },
    })
    assert.deepEqual(await client.topicNames(), [])
  }
})
