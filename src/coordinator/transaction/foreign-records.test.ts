/** What a shard does with records of `__transaction_state` that it would not write itself: of an older version, or of another broker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../protocol.ts'
import { World } from '../transaction.testing.ts'
import { transactionTopicName } from '../transaction.ts'
import { transactionRecord } from './transaction.ts'

const id = 'tx'
const anew = { principal: 'User:ann', transactionalId: id, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
const init = (world: World) => world.run(world.coordinator.initProducerId(anew))

test('a transaction that an older version let into the state of transactions ends without a marker there', async () => {
  const world = new World()
  await init(world)
  const partitions = new Map([
    [transactionTopicName, new Set([0])],
    ['__share_group_state', new Set([0])],
    ['a', new Set([0])],
  ])
  const producer = { transactionalId: id, producerId: 1000, producerEpoch: 0 }
  await assert.rejects(world.run(world.coordinator.addPartitions(producer, partitions, 2)), { name: 'INVALID_TOPIC_EXCEPTION' })
  const ongoing = { ...(await world.run(world.coordinator.describe(id))), status: 'PrepareCommit', partitions, startMs: 1 } as const
  const before = world.log(`${transactionTopicName}-0`)
  const batch = buildBatch({ records: [transactionRecord(ongoing, 2)], timestamp: 1 })
  before.append(batch, { origin: 'coordinator' })
  await world.crash(unsynced => unsynced)
  await world.system.advance(60_000)
  assert.equal(world.statuses(id).at(-1), 'CompleteCommit')
  assert.equal(world.markers('a-0').length, 1)
  for (const name of [`${transactionTopicName}-0`, '__share_group_state-0']) assert.deepEqual(world.markers(name), [])
  assert.ok(world.log(`${transactionTopicName}-0`).batches.length < 6, 'the log does not grow')
})

test('a transaction whose epoch is the last that there is ends as well, and others with it', async () => {
  const world = new World({ abortTimedOutIntervalMs: 1_000 })
  const partitions = new Map([['b', new Set([0])]])
  await init(world)
  const stored = {
    ...(await world.run(world.coordinator.describe(id))),
    status: 'Ongoing',
    partitions,
    startMs: 1,
    timeoutMs: 1,
  } as const
  const records = [
    transactionRecord({ ...stored, producerEpoch: 32_767 }, 2),
    transactionRecord({ ...stored, transactionalId: 'other' }, 2),
  ]
  world.log(`${transactionTopicName}-0`).append(buildBatch({ records, timestamp: 1 }), { origin: 'coordinator' })
  await world.crash(unsynced => unsynced)
  await world.system.advance(60_000)
  assert.deepEqual([world.statuses(id).at(-1), world.statuses('other').at(-1)], ['CompleteAbort', 'CompleteAbort'])
  assert.deepEqual(
    world.markers('b-0').map(({ producerEpoch }) => producerEpoch),
    [32_767, 1],
  )
  // Fenced by its status alone; the next producer gets an id of its own.
  assert.deepEqual(await init(world), { producerId: 1001, producerEpoch: 0 })
})
