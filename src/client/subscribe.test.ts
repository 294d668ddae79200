import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientError } from '../channel.ts'
import { fakeGroup } from './fake-group.testing.ts'
import { subscribe } from './subscribe.ts'

async function subscribed() {
  const { asConsumer, system, ask, ...group } = fakeGroup()
  const subscription = await subscribe(asConsumer, { group: 'g', topics: ['t'], otherwise: 'earliest' }, { system, ask, bootstrap: 'b:1' })
  return { ...group, subscription }
}

const offsets = [0, 1].map(partition => ({ topic: 't', partition, offset: 5n }))

test('a commit waits until it is known what is its own after a rebalance, and leaves out the rest', async () => {
  const { consumer, subscription, committed, pass } = await subscribed()
  await subscription.commit(offsets)
  consumer.generationId = 2
  const committing = subscription.commit(offsets)
  await pass()
  assert.equal(committed.length, 1)
  consumer.assignments = [{ topic: 't', partitions: [1] }]
  consumer.emit('consumer:group:join')
  await pass()
  await committing
  assert.deepEqual(committed, [
    [1, [0, 1]],
    [2, [1]],
  ])
  await subscription.close()
})

test('a commit of which the group says that it has gone on is tried again as the member that it is then', async () => {
  const { consumer, subscription, committed, refusals, pass } = await subscribed()
  refusals.push('ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'COORDINATOR_NOT_AVAILABLE')
  const committing = subscription.commit(offsets)
  await pass()
  await pass()
  consumer.generationId = 3
  consumer.assignments = [{ topic: 't', partitions: [0] }]
  consumer.emit('consumer:group:join')
  await pass()
  await pass()
  await committing
  assert.deepEqual([refusals, committed], [[], [[3, [0]]]])
  await subscription.close()
})

test('a commit that is refused for good, that cannot be done any more, or that nobody waits for says so', async () => {
  const { consumer, subscription, committed, refusals } = await subscribed()
  refusals.push('GROUP_AUTHORIZATION_FAILED')
  await assert.rejects(subscription.commit(offsets), { code: 'GROUP_AUTHORIZATION_FAILED' })
  consumer.generationId = 2
  const committing = subscription.commit(offsets)
  await subscription.close()
  await assert.rejects(committing, { code: 'REBALANCE_IN_PROGRESS' })
  const other = await subscribed()
  const reading = assert.rejects(other.subscription[Symbol.asyncIterator]().next(), { code: 'UNREACHABLE' })
  other.consumer.emit('error', new ClientError('UNREACHABLE', 'no broker is there'))
  await assert.rejects(other.subscription.commit(offsets), { code: 'REBALANCE_IN_PROGRESS' })
  await reading
  assert.deepEqual([...committed, ...other.committed], [])
})
