/** kafkajs: `node compat/kafkajs/cases.ts HOST:PORT`. The fast subset of `npm test` runs these cases too. */
import assert from 'node:assert/strict'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs, {
  type Admin,
  type Consumer,
  type Kafka,
  type KafkaConfig,
  type KafkaMessage,
  type Producer,
  type ProducerRecord,
} from 'kafkajs'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { type Cases, hourAgo, runCases, unique, until } from '../support/kit.ts'
import { securedCases } from './secured.ts'
import { transactionCases } from './transactions.ts'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka: Client, logLevel } = kafkajs

// kafkajs takes these codecs as plug-ins. (Its snappy plug-in does Kafka's framing itself; the bare library does not.)
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => zstdCompressSync(buffer),
  decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => compressFrame(buffer),
  decompress: async (buffer: Buffer) => decompressFrame(buffer),
})

type Received = KafkaMessage & { partition: number }

/** The actors of one run; what they make is named anew each time. */
export class Kit {
  readonly kafka: Kafka
  #admin: Promise<Admin> | null = null

  constructor(address: string, more: Partial<KafkaConfig> = {}) {
    this.kafka = new Client({ brokers: address.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50 }, ...more })
  }

  admin(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.kafka.admin()
      await admin.connect()
      return admin
    })()
    return this.#admin
  }

  async close(): Promise<void> {
    await (await this.#admin)?.disconnect()
  }

  async topic(numPartitions = 1, configs: Record<string, string> = {}): Promise<string> {
    const topic = unique('topic')
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const admin = await this.admin()
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
    return topic
  }

  async producing<T>(work: (producer: Producer) => Promise<T>, options = {}): Promise<T> {
    const producer = this.kafka.producer(options)
    await producer.connect()
    try {
      return await work(producer)
    } finally {
      await producer.disconnect()
    }
  }

  send(record: ProducerRecord) {
    return this.producing(producer => producer.send(record))
  }

  numbers(topic: string, count: number) {
    return this.send({ topic, messages: Array.from({ length: count }, (_, i) => ({ value: String(i), partition: 0 })) })
  }

  async consumer(topic: string, groupId: string, each: (message: Received) => void): Promise<Consumer> {
    const consumer = this.kafka.consumer({
      groupId,
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      rebalanceTimeout: 10_000,
      maxWaitTimeInMs: 200,
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => each({ ...message, partition }) })
    return consumer
  }

  async read(topic: string, count: number, groupId = unique('group'), started?: (consumer: Consumer) => void): Promise<Received[]> {
    const got: Received[] = []
    const consumer = await this.consumer(topic, groupId, message => got.push(message))
    started?.(consumer)
    try {
      await until(
        () => `${count} records, got ${got.length}`,
        () => got.length >= count,
      )
    } finally {
      await consumer.disconnect()
    }
    assert.equal(got.length, count)
    return got
  }
}

const text = (message: Received) => message.value?.toString()

export function cases(address: string): Cases & { [Symbol.asyncDispose](): Promise<void> } {
  const kit = new Kit(address)
  return {
    ...recordCases(kit),
    ...groupCases(kit),
    ...offsetCases(kit),
    ...adminCases(kit),
    [Symbol.asyncDispose]: () => kit.close(),
  }
}

function recordCases(kit: Kit): Cases {
  const roundTrip = (compression: number) => async () => {
    const topic = await kit.topic(2)
    const sent = Array.from({ length: 200 }, (_, i) => `${i}-${'x'.repeat(100)}`)
    await kit.send({ topic, compression, messages: sent.map((value, i) => ({ key: `k${i}`, value })) })
    assert.deepEqual((await kit.read(topic, 200)).map(text).sort(), sent.sort())
  }
  return {
    roundtrip: roundTrip(CompressionTypes.None),
    gzip: roundTrip(CompressionTypes.GZIP),
    lz4: roundTrip(CompressionTypes.LZ4),
    zstd: roundTrip(CompressionTypes.ZSTD),
    async headers() {
      const topic = await kit.topic()
      await kit.send({ topic, messages: [{ key: null, value: null, headers: { one: 'a', two: ['b', 'c'] } }] })
      const [message] = await kit.read(topic, 1)
      assert.equal(message!.key, null)
      assert.equal(message!.value, null)
      assert.deepEqual(
        Object.entries(message!.headers!).map(([name, value]) => [name, String(value)]),
        [
          ['one', 'a'],
          ['two', 'b,c'],
        ],
      )
    },
    async 'big-record'() {
      const topic = await kit.topic(1, { 'max.message.bytes': '500000' })
      await kit.send({ topic, messages: [{ value: Buffer.alloc(499_000, 'x') }] })
      assert.equal((await kit.read(topic, 1))[0]!.value!.length, 499_000)
    },
    async 'too-big-record'() {
      const topic = await kit.topic(1, { 'max.message.bytes': '500000' })
      const sending = kit.send({ topic, messages: [{ value: Buffer.alloc(501_000, 'x') }] })
      await assert.rejects(sending, { type: 'MESSAGE_TOO_LARGE' })
    },
    async idempotent() {
      const topic = await kit.topic()
      await kit.producing(
        async producer => {
          for (let i = 0; i < 20; i++) await producer.send({ topic, messages: [{ value: String(i) }] })
        },
        { idempotent: true, maxInFlightRequests: 1 },
      )
      assert.deepEqual(
        (await kit.read(topic, 20)).map(text),
        Array.from({ length: 20 }, (_, i) => String(i)),
      )
    },
  }
}

function groupCases(kit: Kit): Cases {
  return {
    async 'group-rebalance'() {
      const topic = await kit.topic(4)
      const groupId = unique('group')
      const seen = [new Set<number>(), new Set<number>()]
      const members: Consumer[] = []
      for (const partitions of seen) members.push(await kit.consumer(topic, groupId, ({ partition }) => partitions.add(partition)))
      await kit.producing(async producer => {
        const sendToAll = () => producer.send({ topic, messages: [0, 1, 2, 3].map(partition => ({ partition, value: 'v' })) })
        const told = () => seen.map(partitions => [...partitions].join()).join(' and ')
        await until(told, async () => {
          await sendToAll()
          return seen.every(partitions => partitions.size >= 2)
        })
        await members[0]!.disconnect()
        seen[1]!.clear()
        await until(told, async () => {
          await sendToAll()
          return seen[1]!.size === 4
        })
      })
      await members[1]!.disconnect()
    },
    async 'commit-resume'() {
      const topic = await kit.topic()
      const groupId = unique('group')
      await kit.numbers(topic, 10)
      let count = 0
      const consumer = await kit.consumer(topic, groupId, () => count++)
      await until(
        () => `ten records, got ${count}`,
        () => count === 10,
      )
      await consumer.commitOffsets([{ topic, partition: 0, offset: '6' }])
      await consumer.disconnect()
      assert.deepEqual(
        (await kit.read(topic, 4, groupId)).map(({ offset }) => offset),
        ['6', '7', '8', '9'],
      )
    },
  }
}

function offsetCases(kit: Kit): Cases {
  return {
    async seek() {
      const topic = await kit.topic()
      await kit.numbers(topic, 10)
      const got = await kit.read(topic, 3, unique('group'), consumer => consumer.seek({ topic, partition: 0, offset: '7' }))
      assert.deepEqual(got.map(text), ['7', '8', '9'])
    },
    async 'time-lookup'() {
      const topic = await kit.topic()
      const admin = await kit.admin()
      await kit.send({ topic, messages: Array.from({ length: 10 }, (_, i) => ({ value: 'v', timestamp: String(hourAgo + i * 10) })) })
      assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '10', low: '0', high: '10' }])
      assert.equal((await admin.fetchTopicOffsetsByTimestamp(topic, hourAgo + 45))[0]!.offset, '5')
    },
  }
}

function adminCases(kit: Kit): Cases {
  return {
    async 'admin-topics'() {
      const topic = await kit.topic(2)
      const admin = await kit.admin()
      assert((await admin.listTopics()).includes(topic))
      assert.equal(await admin.createTopics({ topics: [{ topic }] }), false)
      await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
      assert.equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length, 3)
      assert((await admin.describeCluster()).brokers.length >= 1)
      await admin.deleteTopics({ topics: [topic] })
      await until(
        () => 'the topic is gone',
        async () => !(await admin.listTopics()).includes(topic),
      )
    },
    async 'admin-configs'() {
      const topic = await kit.topic()
      const admin = await kit.admin()
      const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '99999999' }] }],
      })
      await until(
        () => 'retention.ms is what was set',
        async () => {
          const { resources } = await admin.describeConfigs({
            includeSynonyms: false,
            resources: [{ ...resource, configNames: ['retention.ms'] }],
          })
          return resources[0]!.configEntries[0]!.configValue === '99999999'
        },
      )
    },
    async 'admin-delete-records'() {
      const topic = await kit.topic()
      const admin = await kit.admin()
      await kit.numbers(topic, 10)
      await admin.fetchTopicOffsets(topic) // deleteTopicRecords knows only leaders that something else has asked for
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
      assert.equal((await admin.fetchTopicOffsets(topic))[0]!.low, '4')
      assert.equal((await kit.read(topic, 6))[0]!.offset, '4')
    },
    async 'admin-groups'() {
      const topic = await kit.topic()
      const groupId = unique('group')
      const admin = await kit.admin()
      const consumer = await kit.consumer(topic, groupId, () => {})
      const describe = async () => (await admin.describeGroups([groupId])).groups[0]!
      await until(
        () => 'stable with one member',
        async () => (await describe()).state === 'Stable',
      )
      assert.equal((await describe()).members.length, 1)
      assert((await admin.listGroups()).groups.some(group => group.groupId === groupId))
      await assert.rejects(admin.deleteGroups([groupId]))
      await consumer.disconnect()
      await until(
        () => 'empty',
        async () => (await describe()).state === 'Empty',
      )
      await admin.deleteGroups([groupId])
      assert(!(await admin.listGroups()).groups.some(group => group.groupId === groupId))
    },
  }
}

if (import.meta.main) {
  const address = process.argv[2]!
  await runCases({ ...cases(address), ...transactionCases(new Kit(address)), ...securedCases(Kit) })
}
