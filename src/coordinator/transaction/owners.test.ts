import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../protocol.ts'
import { World } from '../transaction.testing.ts'
import { transactionTopicName } from '../transaction.ts'
import { transactionRecord } from './transaction.ts'

test('a principal loses its own ids first after a restart, too; an id whose owner is not known gets one when it is used', async () => {
  const world = new World({ maxTransactionalIds: 100, maxTransactionalIdsPerPrincipal: 2 })
  const anew = { transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  const initAs = (principal: string, transactionalId: string) =>
    world.run(world.coordinator.initProducerId({ ...anew, principal, transactionalId }))
  const known = async () => {
    const all = await world.coordinator.list({ states: new Set(), producerIds: new Set(), durationMs: -1 })
    return all.map(({ transactionalId }) => transactionalId).sort()
  }
  await initAs('User:bob', 'b1')
  for (const name of ['a1', 'a2']) await initAs('User:ann', name)
  await world.crash(all => all)
  await initAs('User:ann', 'a3')
  assert.deepEqual(await known(), ['a2', 'a3', 'b1'])
  assert.equal(world.states('a2').at(-1)?.owner, 'User:ann')
  // As Kafka, or an older version, wrote it.
  const record = transactionRecord({ ...world.states('b1').at(-1)!, owner: '' }, 2)
  world.log(`${transactionTopicName}-0`).append(buildBatch({ records: [record], timestamp: 1 }), { origin: 'coordinator' })
  await world.crash(all => all)
  await initAs('User:eve', 'b1')
  assert.equal(world.states('b1').at(-1)?.owner, 'User:eve')
  assert.deepEqual(await known(), ['a2', 'a3', 'b1'])
})
