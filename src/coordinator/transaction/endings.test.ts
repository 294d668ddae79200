/** Transactions that could never end, and would block the readers of their partitions forever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError, markerOfBatch } from '../../protocol.ts'
import { World } from '../transaction.testing.ts'

const transactionalId = 'tx'
const producer = { transactionalId, producerId: 1000, producerEpoch: 0 }

async function begun(): Promise<World> {
  const world = new World()
  const anew = { principal: 'User:ann', transactionalId, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  await world.run(world.coordinator.initProducerId(anew))
  return world
}

const add = (world: World, names: string[]) =>
  world.run(world.coordinator.addPartitions(producer, new Map(names.map(name => [name, new Set([0])])), 2))
const end = (world: World, committed: boolean) => world.run(world.coordinator.endTransaction({ ...producer, committed, clientVersion: 2 }))

test("an operator's marker with too high a coordinator epoch does not stop later ones", async () => {
  const world = await begun()
  const log = world.log('b-0')
  const append = log.append.bind(log)
  log.append = (records, options) => {
    const marker = markerOfBatch(records, 0, records.length)
    if (marker !== null && marker.coordinatorEpoch < 7) throw new KafkaError('TRANSACTION_COORDINATOR_FENCED')
    return append(records, options)
  }
  log.producers = () => [{ producerId: 1000, coordinatorEpoch: 7 }] as ReturnType<typeof log.producers>
  await add(world, ['a', 'b'])
  await end(world, true)
  assert.equal(world.statuses(transactionalId).at(-1), 'CompleteCommit')
  assert.equal(world.markers('b-0').length, 1)
})

test('a transaction accepts only as many partitions as fit into the record that ends it', async () => {
  const world = await begun()
  await add(
    world,
    Array.from({ length: 3_900 }, (_, n) => `${n}-`.padEnd(249, 'x')),
  )
  for (let size = 249, n = 0; size > 0; n++) {
    try {
      await add(world, [n.toString(36).padStart(size, 'y')])
    } catch (error) {
      assert.equal((error as KafkaError).name, 'UNKNOWN_SERVER_ERROR')
      size >>= 1
    }
  }
  assert.deepEqual(await end(world, false), { producerId: 1000, producerEpoch: 1 })
  await world.system.advance(1_000)
  assert.equal(world.statuses(transactionalId).at(-1), 'CompleteAbort')
})
