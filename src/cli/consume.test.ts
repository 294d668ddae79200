import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { type Client, openClient } from '../client.ts'
import { type Millrace, startBroker } from '../millrace.ts'

/** Between client and broker stands somebody who changes a byte of each record that he knows. */
let broker: Millrace
let proxy: net.Server
let client: Client

before(async () => {
  proxy = net.createServer(near => {
    const far = net.connect(broker.port, '127.0.0.1')
    near.pipe(far)
    far.on('data', data => {
      for (let at = data.indexOf('a sound record'); at >= 0; at = data.indexOf('a sound record', at + 1)) data.write('A', at)
      near.write(data)
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as net.AddressInfo
  broker = await startBroker({ memory: true, config: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` } })
  client = openClient({ bootstrap: `127.0.0.1:${port}` })
})
after(async () => {
  await client.close()
  proxy.close()
  await broker.close()
})

async function produce(topic: string, ...values: string[]): Promise<void> {
  await client.createTopic({ name: topic, configs: new Map() })
  for (const value of values) await client.send(topic, [{ key: null, value: Buffer.from(value), headers: [] }])
}

test('a damaged batch is an error that names its position; earlier records are delivered', async () => {
  await produce('by-hand', 'a fine one', 'a sound record')
  const seen: string[] = []
  const read = async () => {
    const reading = client.read({ topic: 'by-hand', from: new Map([[0, 0n]]), until: new Map([[0, 2n]]) })
    for await (const records of reading) seen.push(...records.map(({ value }) => String(value)))
  }
  await assert.rejects(read(), {
    code: 'CORRUPT_MESSAGE',
    message: 'by-hand-0 cannot be read at offset 1: the checksum of the batch is wrong',
  })
  assert.deepEqual(seen, ['a fine one'])
})

test('the same for a member of a group', async () => {
  await produce('as-member', 'a sound record')
  const subscription = await client.subscribe({ group: 'g', topics: ['as-member'], otherwise: 'earliest' })
  const first = async () => {
    for await (const record of subscription) return record
    return undefined
  }
  await assert.rejects(first(), { code: 'CORRUPT_MESSAGE' })
  await subscription.close()
})

test('what is not touched is read as before', async () => {
  await produce('fine', 'one', 'two')
  const values: string[] = []
  for await (const records of client.read({ topic: 'fine', from: new Map([[0, 0n]]), until: new Map([[0, 2n]]) })) {
    values.push(...records.map(({ value }) => String(value)))
  }
  assert.deepEqual(values, ['one', 'two'])
})
