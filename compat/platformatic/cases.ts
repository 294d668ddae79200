/** @platformatic/kafka: `node compat/platformatic/cases.ts HOST:PORT`. */
import assert from 'node:assert/strict'
import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  ListOffsetTimestamps,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { type Cases, flat, hourAgo, runCases, unique, until } from '../support/kit.ts'
import { modernCases } from './modern.ts'
import { securedCases } from './secured.ts'

const address = process.argv[2]!
const base = { clientId: 'compat', bootstrapBrokers: address.split(',') }
const admin = new Admin(base)

interface Outgoing {
  key?: string
  value?: string
  partition?: number
  timestamp?: bigint
  headers?: Record<string, string>
}

async function newTopic(partitions = 1, configs: { name: string; value: string }[] = []): Promise<string> {
  const topic = unique('topic')
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })
  return topic
}

async function send(topic: string, messages: Outgoing[], options: object = {}) {
  const producer = new Producer({ ...base, serializers: stringSerializers })
  try {
    return await producer.send({ messages: messages.map(message => ({ topic, ...message })), acks: -1, ...options })
  } finally {
    await producer.close()
  }
}

const sendNumbers = (topic: string, count: number) =>
  send(
    topic,
    Array.from({ length: count }, (_, i) => ({ value: String(i), partition: 0 })),
  )

const newConsumer = (groupId: string) =>
  new Consumer({
    ...base,
    groupId,
    deserializers: stringDeserializers,
    sessionTimeout: 10_000,
    heartbeatInterval: 300,
    rebalanceTimeout: 10_000,
  })

async function read(topic: string, count: number, groupId = unique('group'), where: object = { mode: 'earliest' }) {
  const consumer = newConsumer(groupId)
  const stream = await consumer.consume({ topics: [topic], autocommit: false, maxWaitTime: 200, ...where })
  // By place: this client now and then hands out a batch twice, on a real Kafka as well (seen there under load, one run in three).
  const byPlace = new Map<string, { value: string; offset: bigint; key: string; headers: Map<string, string> }>()
  let failure: unknown
  stream.on('data', message => byPlace.set(`${message.partition}:${message.offset}`, message)).on('error', error => (failure = error))
  try {
    await until(
      () => `${count} records, got ${byPlace.size} ${failure ?? ''}`,
      () => byPlace.size >= count,
    )
  } finally {
    await stream.close()
    await consumer.close(true)
  }
  assert.equal(byPlace.size, count)
  return [...byPlace.values()]
}

function roundTrip(compression: string) {
  return async () => {
    const topic = await newTopic(2)
    const sent = Array.from({ length: 100 }, (_, i) => `${i}${'x'.repeat(50)}`)
    await send(
      topic,
      sent.map((value, i) => ({ key: `k${i}`, value })),
      { compression },
    )
    assert.deepEqual((await read(topic, 100)).map(({ value }) => value).sort(), sent.sort())
  }
}

const recordCases: Cases = {
  roundtrip: roundTrip('none'),
  gzip: roundTrip('gzip'),
  snappy: roundTrip('snappy'),
  lz4: roundTrip('lz4'),
  zstd: roundTrip('zstd'),
  async headers() {
    const topic = await newTopic()
    await send(topic, [{ key: 'k', value: 'v', headers: { one: 'a', two: 'b' } }])
    assert.deepEqual(
      [...(await read(topic, 1))[0]!.headers],
      [
        ['one', 'a'],
        ['two', 'b'],
      ],
    )
  },
  async 'big-record'() {
    const topic = await newTopic(1, [{ name: 'max.message.bytes', value: '500000' }])
    await send(topic, [{ value: 'x'.repeat(499_000) }])
    assert.equal((await read(topic, 1))[0]!.value.length, 499_000)
  },
  async 'too-big-record'() {
    const topic = await newTopic(1, [{ name: 'max.message.bytes', value: '500000' }])
    const sending = send(topic, [{ value: 'x'.repeat(501_000) }])
    await assert.rejects(sending, error => JSON.stringify(flat(error)).includes('MESSAGE_TOO_LARGE'))
  },
  async idempotent() {
    const topic = await newTopic()
    const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
    for (let i = 0; i < 20; i++) {
      const { offsets } = await producer.send({ messages: [{ topic, value: String(i) }], acks: -1 })
      assert.equal(offsets![0]!.offset, BigInt(i))
    }
    await producer.close()
  },
}

const groupCases: Cases = {
  async 'group-rebalance'() {
    const topic = await newTopic(4)
    const groupId = unique('group')
    const seen = [new Set<number>(), new Set<number>()]
    const members = []
    for (const partitions of seen) {
      const consumer = newConsumer(groupId)
      const stream = await consumer.consume({ topics: [topic], mode: 'latest', autocommit: true, maxWaitTime: 200 })
      stream.on('data', ({ partition }) => partitions.add(partition)).on('error', error => console.error(error))
      members.push({ consumer, stream })
    }
    const producer = new Producer({ ...base, serializers: stringSerializers })
    const told = () => seen.map(partitions => [...partitions].join()).join(' and ')
    const sendUntil = (condition: () => boolean) =>
      until(told, async () => {
        await producer.send({ messages: [0, 1, 2, 3].map(partition => ({ topic, partition, value: 'v' })), acks: -1 })
        return condition()
      })
    await sendUntil(() => seen.every(partitions => partitions.size >= 2))
    await members[0]!.stream.close()
    await members[0]!.consumer.close(true)
    seen[1]!.clear()
    await sendUntil(() => seen[1]!.size === 4)
    await members[1]!.stream.close()
    await members[1]!.consumer.close(true)
    await producer.close()
  },
  async 'commit-resume'() {
    const topic = await newTopic()
    const groupId = unique('group')
    await sendNumbers(topic, 10)
    const consumer = newConsumer(groupId)
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 200 })
    let count = 0
    stream.on('data', () => count++)
    await until(
      () => `ten records, got ${count}`,
      () => count === 10,
    )
    await consumer.commit({ offsets: [{ topic, partition: 0, offset: 6n, leaderEpoch: 0 }] })
    await stream.close()
    await consumer.close(true)
    assert.equal((await read(topic, 4, groupId, { mode: 'committed' }))[0]!.offset, 6n)
  },
  async seek() {
    const topic = await newTopic()
    await sendNumbers(topic, 10)
    const got = await read(topic, 3, unique('group'), { mode: 'manual', offsets: [{ topic, partition: 0, offset: 7n }] })
    assert.deepEqual(
      got.map(({ value }) => value),
      ['7', '8', '9'],
    )
  },
}

const adminCases: Cases = {
  async 'time-lookup'() {
    const topic = await newTopic()
    await send(
      topic,
      Array.from({ length: 10 }, (_, i) => ({ value: 'v', timestamp: BigInt(hourAgo + i * 10) })),
    )
    const at = async (timestamp: bigint) => {
      const answer = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
      return answer[0]!.partitions[0]!.offset
    }
    assert.equal(await at(ListOffsetTimestamps.LATEST), 10n)
    assert.equal(await at(ListOffsetTimestamps.EARLIEST), 0n)
    assert.equal(await at(BigInt(hourAgo + 45)), 5n)
  },
  async 'admin-topics'() {
    const topic = await newTopic(2)
    assert((await admin.listTopics()).includes(topic))
    await assert.rejects(admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }), error =>
      JSON.stringify(flat(error)).includes('TOPIC_ALREADY_EXISTS'),
    )
    const broker = [...(await admin.metadata({ topics: [] })).brokers.keys()][0]!
    await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [broker] }] }] })
    await until(
      () => 'three partitions',
      async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!.partitionsCount === 3,
    )
    await admin.deleteTopics({ topics: [topic] })
    await until(
      () => 'the topic is gone',
      async () => !(await admin.listTopics()).includes(topic),
    )
  },
  async 'admin-configs'() {
    const topic = await newTopic()
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
    await admin.incrementalAlterConfigs({
      resources: [{ ...resource, configs: [{ name: 'retention.ms', configOperation: 0, value: '1234567' }] }],
    })
    await until(
      () => 'retention.ms is what was set',
      async () => {
        const [answer] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ['retention.ms'] }] })
        return answer!.configs[0]!.value === '1234567'
      },
    )
  },
  async 'admin-delete-records'() {
    const topic = await newTopic()
    await sendNumbers(topic, 10)
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] })
    assert.equal((await read(topic, 6))[0]!.offset, 4n)
  },
  async 'admin-groups'() {
    const topic = await newTopic()
    const groupId = unique('group')
    const consumer = newConsumer(groupId)
    const stream = await consumer.consume({ topics: [topic], mode: 'latest', autocommit: false, maxWaitTime: 200 })
    stream.on('data', () => {})
    const state = async () => (await admin.describeGroups({ groups: [groupId] })).get(groupId)!.state
    await until(
      () => 'stable',
      async () => (await state()) === 'Stable',
    )
    assert((await admin.listGroups()).has(groupId))
    await stream.close()
    await consumer.close(true)
    await until(
      () => 'empty',
      async () => (await state()) === 'Empty',
    )
    await admin.deleteGroups({ groups: [groupId] })
    assert(!(await admin.listGroups()).has(groupId))
  },
}

await runCases({ ...recordCases, ...groupCases, ...adminCases, ...modernCases(address), ...securedCases() })
