/** The first user of a cluster, whose brokers let nobody in without a login. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeScramCredential } from '../../src/broker.ts'
import { openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { clusterConfig, SimulatedStores } from './simulated-stores.ts'

const set = {
  listeners: 'SASL_PLAINTEXT://127.0.0.1:0',
  'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
  'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-256',
}

test('is written into its database, before the first broker and while brokers run', async t => {
  const simulated = new SimulatedStores()
  const { system } = simulated
  const create = (user: string) =>
    simulated.use(simulated.process(), stores => {
      const credential = { user, password: `${user}-secret`, mechanism: 'SCRAM-SHA-256', iterations: 4096 } as const
      return writeScramCredential({ system, config: clusterConfig(set), logger: silentLogger, stores }, credential)
    })
  await create('early')
  const running = await simulated.startBroker(simulated.process(), set)
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
