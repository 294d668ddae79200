import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Consumer } from '@platformatic/kafka'
import { ClientError } from '../channel.ts'
import { join } from './membership.ts'

/** Of the library: what {@link join} uses of it. */
class FakeConsumer extends EventEmitter {
  readonly topics = { trackAll() {} }
  assignments = [{ topic: 't', partitions: [0, 1] }]
  generationId = 1
  readonly memberId = 'm'
  refusal: Error | null = null
  attempts = 0

  async joinGroup(): Promise<void> {
    this.attempts++
    if (this.refusal !== null) throw this.refusal
    this.emit('consumer:group:join')
  }

  async close(): Promise<void> {}
}

interface OffsetCommit {
  generationIdOrMemberEpoch: number
  topics: { partitions: { partitionIndex: number }[] }[]
}

async function joined() {
  const consumer = new FakeConsumer()
  const due: (() => void)[] = []
  const timers = {
    after(_: number, work: () => void) {
      due.push(work)
      return { cancel() {} }
    },
  }
  const committed: [generation: number, partitions: number[]][] = []
  const requests = {
    async ask(_: unknown, request: OffsetCommit) {
      committed.push([
        request.generationIdOrMemberEpoch,
        request.topics.flatMap(({ partitions }) => partitions.map(each => each.partitionIndex)),
      ])
      return { topics: [] }
    },
  }
  const ask = ((work: (over: typeof requests) => unknown) => work(requests)) as never
  const context = { system: { timers } as never, ask, bootstrap: 'b:1', forget() {} }
  const membership = await join(consumer as unknown as Consumer, { group: 'g', topics: ['t'] }, context)
  const pass = async () => {
    for (const work of due.splice(0)) work()
    for (let turns = 0; turns < 5; turns++) await turn()
  }
  return { consumer, membership, committed, pass }
}

const both = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
]

test('a member that the library gives up joins again, until it can; meanwhile nothing is its own', async () => {
  const { consumer, membership, pass } = await joined()
  assert.deepEqual(membership.assignments(), both)
  consumer.refusal = new ClientError('UNREACHABLE', 'no broker is there')
  consumer.emit('error', consumer.refusal)
  assert.deepEqual(membership.assignments(), [])
  await pass()
  await pass()
  assert.equal(consumer.attempts, 3)
  assert.deepEqual(membership.assignments(), [])
  consumer.refusal = null
  await pass()
  assert.deepEqual(membership.assignments(), both)
  await membership.close()
})

test('a member whom the group refuses says so, and does not try again', async () => {
  const { consumer, membership, pass } = await joined()
  consumer.refusal = new ClientError('GROUP_AUTHORIZATION_FAILED', 'not allowed')
  consumer.emit('error', consumer.refusal)
  await pass()
  await pass()
  assert.equal(consumer.attempts, 2)
  assert.throws(() => membership.assignments(), /not allowed/)
  await membership.close()
})

test('a member that is closed does not join again', async () => {
  const { consumer, membership, pass } = await joined()
  consumer.emit('error', new ClientError('UNREACHABLE', 'no broker is there'))
  await membership.close()
  await pass()
  assert.equal(consumer.attempts, 1)
})

test('offsets are committed of what is its own now, and of nothing while that is not known', async () => {
  const { consumer, membership, committed, pass } = await joined()
  const offsets = both.map(each => ({ ...each, offset: 5n }))
  await membership.commit(offsets)
  // The library has joined again by itself, and then has got less than before.
  consumer.generationId = 2
  await assert.rejects(membership.commit(offsets), { code: 'REBALANCE_IN_PROGRESS' })
  consumer.assignments = [{ topic: 't', partitions: [1] }]
  consumer.emit('consumer:group:join')
  await membership.commit(offsets)
  await membership.commit(offsets.slice(0, 1))
  // It has given up.
  consumer.emit('error', new ClientError('UNREACHABLE', 'no broker is there'))
  await assert.rejects(membership.commit(offsets), { code: 'REBALANCE_IN_PROGRESS' })
  await pass()
  await membership.commit(offsets)
  assert.deepEqual(committed, [
    [1, [0, 1]],
    [2, [1]],
    [2, [1]],
  ])
  await membership.close()
})
