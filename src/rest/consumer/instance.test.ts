/** What an instance costs, whatever its client asks for: without Kafka, which is asked only where records are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../test/support/processor-time.ts'
import { realSystem } from '../../base.ts'
import type { Client } from '../../client.ts'
import { ConsumerInstance } from './instance.ts'

const client = { openReader: () => ({ close: async () => {} }) } as unknown as Client

async function cost(count: number): Promise<number> {
  const options = { group: 'g', format: 'binary', reset: 'earliest', autoCommit: false, minBytes: 1, requestTimeoutMs: 1_000 } as const
  const instance = new ConsumerInstance(client, realSystem(), options)
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic: 't', partition }))
  const begin = processorMs()
  await instance.assign(partitions)
  await instance.seek(partitions.map(each => ({ ...each, offset: 1n })))
  await instance.assign(partitions.slice(0, 1))
  assert.equal((await instance.assignments()).length, 1)
  return processorMs() - begin
}

test('eight times as many partitions and positions take about eight times as long', async () => {
  await cost(5_000)
  const some = Math.max(await cost(5_000), 5)
  const many = await cost(40_000)
  assert.ok(many < 30 * some, `${some} ms, then ${many} ms`)
})

test('positions of which one is not assigned change none', async () => {
  const options = { group: 'g', format: 'binary', reset: 'earliest', autoCommit: false, minBytes: 1, requestTimeoutMs: 1_000 } as const
  const instance = new ConsumerInstance(client, realSystem(), options)
  const at = { topic: 't', partition: 0 }
  await instance.assign([at, at])
  assert.deepEqual(await instance.assignments(), [at])
  await instance.seek([{ ...at, offset: 5n }])
  await assert.rejects(
    instance.seek([
      { ...at, offset: 7n },
      { topic: 't', partition: 1, offset: 1n },
    ]),
    { code: 40_903 },
  )
  assert.deepEqual(instance.positions, [{ ...at, offset: 5n }])
})
