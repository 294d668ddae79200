/** An epoch that was raised for a producer can be asked for by it until another producer has got one (as Apache Kafka 4.3.1 answers). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeBatch } from '../runtime-records.ts'
import { World } from '../transaction.testing.ts'
import { transactionTopicName } from '../transaction.ts'
import { transactionRecord } from './transaction.ts'

const maxEpoch = 2 ** 15 - 2
const id = 'tx'
const fresh = { transactionalId: id, transactionTimeoutMs: 15_000, producerId: -1, producerEpoch: -1, principal: '' }

const init = (world: World, producerEpoch = -1) =>
  world.run(world.coordinator.initProducerId({ ...fresh, producerId: producerEpoch === -1 ? -1 : 1000, producerEpoch }))
const add = (world: World, producerEpoch: number, version = 2) =>
  world.run(
    world.coordinator.addPartitions({ transactionalId: id, producerId: 1000, producerEpoch }, new Map([['a', new Set([0])]]), version),
  )
const end = (world: World, producerEpoch: number, committed: boolean) =>
  world.run(world.coordinator.endTransaction({ transactionalId: id, producerId: 1000, producerEpoch, committed, clientVersion: 2 }))

/** With a transaction that the producer with `epoch` has begun. */
async function ongoing(epoch = 0, version = 2): Promise<World> {
  const world = new World()
  await init(world)
  if (epoch > 0) {
    const worn = { ...world.states(id).at(-1)!, producerEpoch: epoch }
    world.log(`${transactionTopicName}-0`).append(encodeBatch([transactionRecord(worn, 2)], 0), { origin: 'coordinator' })
    await world.crash(all => all)
  }
  await add(world, epoch, version)
  return world
}

test('of a transaction that took too long', async () => {
  const world = await ongoing(0, 0)
  await world.system.advance(70_000)
  assert.equal(world.statuses(id).at(-1), 'CompleteAbort')
  for (let repeated = 0; repeated < 2; repeated++) assert.deepEqual(await init(world, 0), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(await init(world), { producerId: 1000, producerEpoch: 2 }, 'another producer')
  await assert.rejects(init(world, 0), { name: 'PRODUCER_FENCED' })
})

test('of a transaction that the producer itself aborts with InitProducerId', async () => {
  const world = await ongoing()
  await assert.rejects(init(world, 0), { name: 'CONCURRENT_TRANSACTIONS' })
  await assert.rejects(end(world, 0, true), { name: 'INVALID_TXN_STATE' })
  assert.deepEqual(await end(world, 0, false), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(await init(world, 0), { producerId: 1000, producerEpoch: 1 })
})

test('of an EndTxn whose response was lost', async () => {
  const world = await ongoing()
  assert.deepEqual(await end(world, 0, true), { producerId: 1000, producerEpoch: 1 })
  assert.deepEqual(await init(world, 0), { producerId: 1000, producerEpoch: 1 })
  const worn = await ongoing(maxEpoch)
  assert.deepEqual(await end(worn, maxEpoch, true), { producerId: 1001, producerEpoch: 0 })
  assert.deepEqual(await init(worn, maxEpoch), { producerId: 1001, producerEpoch: 0 })
})

test('but not the last epoch, which only fences', async () => {
  const world = await ongoing(maxEpoch, 0)
  await world.system.advance(70_000)
  assert.deepEqual(await init(world, maxEpoch), { producerId: 1001, producerEpoch: 0 })
})
