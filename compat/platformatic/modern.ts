/**
 * @platformatic/kafka: transactions and the consumer protocol of KIP-848. It has no share groups, and a second producer of a transactional
 * id is told PRODUCER_FENCED while the first has a transaction open, by a real Kafka as well: so no case of fencing.
 */
import assert from 'node:assert/strict'
import {
  Admin,
  Consumer,
  FetchIsolationLevels,
  GroupProtocols,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { type Cases, unique, until } from '../support/kit.ts'

type Text = string
type TextTransaction = Awaited<ReturnType<Producer<Text, Text, Text, Text>['beginTransaction']>>

export function modernCases(address: string): Cases {
  const base = { clientId: 'compat', bootstrapBrokers: address.split(',') }
  const admin = new Admin(base)

  async function newTopic(partitions = 1): Promise<string> {
    const topic = unique('topic')
    await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
    return topic
  }

  async function producing(work: (producer: Producer<Text, Text, Text, Text>) => Promise<void>, transactionalId = unique('txn')) {
    const producer = new Producer({ ...base, serializers: stringSerializers, transactionalId, idempotent: true, acks: -1, retries: 3 })
    try {
      await work(producer)
    } finally {
      await producer.close()
    }
  }

  async function consuming(topic: string, groupId: string, count: number, isolationLevel: number, modern = false) {
    const protocol = modern ? { groupProtocol: GroupProtocols.CONSUMER } : {}
    const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, ...protocol })
    const where = { mode: 'committed', fallbackMode: 'earliest' } as const
    const stream = await consumer.consume({ topics: [topic], autocommit: false, maxWaitTime: 200, isolationLevel, ...where })
    const got = new Map<bigint, Message<Text, Text, Text, Text>>()
    stream.on('data', message => got.set(message.offset, message))
    await until(
      () => `${count} records, got ${got.size}`,
      () => got.size >= count,
    )
    const close = async () => {
      await stream.close()
      await consumer.close(true)
    }
    return { consumer, messages: [...got.values()], close }
  }

  async function values(topic: string, count: number, isolation: number): Promise<string[]> {
    const { messages, close } = await consuming(topic, unique('group'), count, isolation)
    await close()
    return messages.map(({ value }) => value)
  }

  async function filled(producer: Producer<Text, Text, Text, Text>, topic: string, sent: readonly string[]): Promise<TextTransaction> {
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: sent.map(value => ({ topic, value, partition: 0 })) })
    return transaction
  }

  return {
    ...transactionCases({ newTopic, producing, consuming, values, filled }),
    async 'consumer-protocol-commit'() {
      const topic = await newTopic()
      const group = unique('group')
      const producer = new Producer({ ...base, serializers: stringSerializers })
      await producer.send({ messages: Array.from({ length: 10 }, (_, i) => ({ topic, value: String(i) })), acks: -1 })
      await producer.close()
      const first = await consuming(topic, group, 10, FetchIsolationLevels.READ_UNCOMMITTED, true)
      const [described] = (await admin.listGroups({ types: ['consumer'] })).values()
      assert(described !== undefined)
      await first.messages[5]!.commit()
      await first.close()
      const second = await consuming(topic, group, 4, FetchIsolationLevels.READ_UNCOMMITTED, true)
      await second.close()
      assert.deepEqual(
        second.messages.map(({ value }) => value),
        ['6', '7', '8', '9'],
      )
    },
  }
}

interface Parts {
  newTopic(partitions?: number): Promise<string>
  producing(work: (producer: Producer<Text, Text, Text, Text>) => Promise<void>, id?: string): Promise<void>
  consuming(
    topic: string,
    group: string,
    count: number,
    isolation: number,
  ): Promise<{ consumer: Consumer<Text, Text, Text, Text>; messages: Message<Text, Text, Text, Text>[]; close(): Promise<void> }>
  values(topic: string, count: number, isolation: number): Promise<string[]>
  filled(producer: Producer<Text, Text, Text, Text>, topic: string, sent: readonly string[]): Promise<TextTransaction>
}

function transactionCases({ newTopic, producing, consuming, values, filled }: Parts): Cases {
  const { READ_COMMITTED, READ_UNCOMMITTED } = FetchIsolationLevels
  return {
    async 'txn-commit'() {
      const topic = await newTopic()
      await producing(async producer => {
        for (const value of ['0', '1', '2']) await (await filled(producer, topic, [value, value])).commit()
      })
      assert.deepEqual(await values(topic, 6, READ_COMMITTED), ['0', '0', '1', '1', '2', '2'])
    },
    async 'txn-abort'() {
      const topic = await newTopic()
      await producing(async producer => {
        await (await filled(producer, topic, ['aborted'])).abort()
        await (await filled(producer, topic, ['committed'])).commit()
      })
      assert.deepEqual(await values(topic, 1, READ_COMMITTED), ['committed'])
      assert.deepEqual(await values(topic, 2, READ_UNCOMMITTED), ['aborted', 'committed'])
    },
    async 'txn-offsets'() {
      const source = await newTopic()
      const target = await newTopic()
      const group = unique('group')
      await producing(async producer => (await filled(producer, source, ['0', '1', '2', '3'])).commit())
      const taken = await consuming(source, group, 4, READ_COMMITTED)
      await producing(async producer => {
        const transaction = await filled(producer, target, ['moved'])
        await transaction.addConsumer(taken.consumer)
        await transaction.addOffset(taken.messages[1]!)
        await transaction.commit()
      })
      await taken.close()
      const rest = await consuming(source, group, 2, READ_COMMITTED)
      await rest.close()
      assert.deepEqual(
        rest.messages.map(({ value }) => value),
        ['2', '3'],
      )
      assert.deepEqual(await values(target, 1, READ_COMMITTED), ['moved'])
    },
  }
}
