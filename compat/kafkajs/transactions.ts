/** kafkajs: transactions. It has neither the consumer protocol of KIP-848 nor share groups. */
import assert from 'node:assert/strict'
import type { Producer, Transaction } from 'kafkajs'
import { type Cases, refused, unique, until } from '../support/kit.ts'
import type { Kit } from './cases.ts'

export function transactionCases(kit: Kit): Cases {
  const producing = (work: (producer: Producer) => Promise<void>, transactionalId = unique('txn')) =>
    kit.producing(work, { transactionalId, idempotent: true, maxInFlightRequests: 1 })
  const values = async (topic: string, count: number) => (await kit.read(topic, count)).map(({ value }) => String(value))
  async function within(producer: Producer, topic: string, sent: readonly string[], end: 'commit' | 'abort'): Promise<void> {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: sent.map(value => ({ value, partition: 0 })) })
    await transaction[end]()
  }
  return {
    async 'txn-commit'() {
      const topic = await kit.topic()
      await producing(async producer => {
        for (const value of ['0', '1', '2']) await within(producer, topic, [value, value], 'commit')
      })
      assert.deepEqual(await values(topic, 6), ['0', '0', '1', '1', '2', '2'])
    },
    async 'txn-abort'() {
      const topic = await kit.topic()
      await producing(async producer => {
        await within(producer, topic, ['aborted'], 'abort')
        await within(producer, topic, ['committed'], 'commit')
      })
      assert.deepEqual(await values(topic, 1), ['committed'])
    },
    async 'txn-offsets'() {
      const topic = await kit.topic()
      const consumerGroupId = unique('group')
      const admin = await kit.admin()
      const at = async () => (await admin.fetchOffsets({ groupId: consumerGroupId, topics: [topic] }))[0]!.partitions[0]!.offset
      await producing(async producer => {
        const move = async (offset: string): Promise<Transaction> => {
          const transaction = await producer.transaction()
          await transaction.send({ topic, messages: [{ value: offset }] })
          await transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset }] }] })
          return transaction
        }
        await (await move('3')).abort()
        assert.equal(await at(), '-1')
        await (await move('6')).commit()
        // The offsets are there when the transaction's marker is, a little after the answer.
        await until(
          () => '6 is committed',
          async () => (await at()) === '6',
        )
      })
      assert.deepEqual(await values(topic, 1), ['6'])
    },
    async 'txn-fencing'() {
      const topic = await kit.topic()
      const id = unique('txn')
      await producing(async old => {
        const transaction = await old.transaction()
        await transaction.send({ topic, messages: [{ value: 'old' }] })
        await producing(fresh => within(fresh, topic, ['new'], 'commit'), id)
        await refused('the old one', () => transaction.commit(), /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED/)
      }, id)
      assert.deepEqual(await values(topic, 1), ['new'])
    },
  }
}
