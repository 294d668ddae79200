import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openClient } from '../src/client.ts'
import { startBroker } from '../src/millrace.ts'

const value = Buffer.from('x')
/** Its hash is in the tests of Kafka's Utils.murmur2. */
const known = { key: '21', hash: -973_932_308 }

test('records go to the partitions that Kafka would choose by their keys; those without one take turns', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'keyed', partitions: 3 })
  const [placed] = await client.send('keyed', [{ key: Buffer.from(known.key), value }])
  assert.equal(placed!.partition, (known.hash & 0x7fff_ffff) % 3)
  await client.createTopic({ name: 'plain', partitions: 3 })
  for (const expected of [
    [0, 1, 2],
    [0, 1],
  ]) {
    const sent = await client.send(
      'plain',
      expected.map(() => ({ key: null, value })),
    )
    assert.deepEqual(sent.map(({ partition }) => partition).sort(), expected)
  }
  await assert.rejects(client.send('plain', [{ key: null, value, partition: 3 }]), /plain has no partition 3; its partitions are 0 to 2/)
})
