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
  readonly assignments = [{ topic: 't', partitions: [0, 1] }]
  readonly generationId = 1
  readonly memberId = 'm'
  refusal: Error | null = null
  attempts = 0

  async joinGroup(): Promise<void> {
    this.attempts++
    if (this.refusal !== null) throw this.refusal
  }

  async close(): Promise<void> {}
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
  const ask = () => assert.fail('nothing is asked')
  const context = { system: { timers } as never, ask, bootstrap: 'b:1', forget() {} }
  const membership = await join(consumer as unknown as Consumer, { group: 'g', topics: ['t'] }, context)
  const pass = async () => {
    for (const work of due.splice(0)) work()
    for (let turns = 0; turns < 5; turns++) await turn()
  }
  return { consumer, membership, pass }
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
