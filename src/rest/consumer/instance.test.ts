/** What an instance costs, whatever its client asks for: without Kafka, which is asked only where records are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../test/support/processor-time.ts'
import { realSystem, trustingClock } from '../../base.ts'
import { type Client, ClientError, type Membership, type PartitionOffset } from '../../client.ts'
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

test('while the group divides its partitions anew no records are lost, and offsets that are named are committed as a member', async () => {
  const at = { topic: 't', partition: 0 }
  let tries = 0
  let since = 3
  let stored = 0n
  const membership: Membership = {
    assignments: () => [{ ...at, since }],
    async commit() {
      tries++
      throw new ClientError('REBALANCE_IN_PROGRESS', 'later')
    },
    identity: () => ({ generation: 3, memberId: 'm' }),
    async close() {},
  }
  const named: unknown[] = []
  const reader = {
    async poll({ positions: [position] }: { positions: PartitionOffset[] }) {
      const { offset } = position!
      const records = [{ ...at, offset, timestampMs: 0n, key: null, value: Buffer.from('some'), headers: [] }]
      return { records, next: [{ ...at, offset: offset + 1n }], outOfRange: [] }
    },
    async close() {},
  }
  const member = {
    openReader: () => reader,
    join: async () => membership,
    groupOffsets: async () => [{ ...at, offset: stored }],
    commitAs: async (...given: unknown[]) => void named.push(given),
  } as unknown as Client
  let nowMs = 0
  const system = realSystem()
  const clock = trustingClock(
    () => system.clock.now(),
    () => nowMs,
  )
  const options = { group: 'g', format: 'binary', reset: 'earliest', autoCommit: true, minBytes: 1, requestTimeoutMs: 1_000 } as const
  const instance = new ConsumerInstance(member, { ...system, clock }, options)
  const read = () => instance.read({ timeoutMs: 1_000, maxBytes: 1_000 }, record => record.offset)
  await instance.subscribe(['t'])
  assert.deepEqual(await read(), [0n])
  nowMs += 6_000
  assert.deepEqual(await read(), [1n])
  assert.equal(tries, 1)
  await assert.rejects(instance.commit(null), { code: 'REBALANCE_IN_PROGRESS' })
  await assert.rejects(instance.commitOwn([{ ...at, offset: 1n }]), { code: 'REBALANCE_IN_PROGRESS' })
  const others = [{ topic: 't', partition: 7, offset: 5n }]
  await instance.commit(others)
  assert.deepEqual(named, [[{ group: 'g', generation: 3, memberId: 'm' }, others]])
  // Another member had the partition meanwhile, and has committed.
  since = 5
  stored = 70n
  assert.deepEqual(await instance.assignments(), [at])
  assert.deepEqual(instance.positions, [])
  assert.deepEqual(await read(), [70n])
  await instance.close()
})
