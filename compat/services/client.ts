/** Our own client, which console, proxies, workers and commands speak through, against a real Apache Kafka: each thing that it does, as a caller does it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type Client, type ClientError, openClient, type ReceivedRecord, type RecordToSend } from '../../src/client.ts'
import { type Cases, unique, until } from '../support/kit.ts'

type Work = (client: Client, topic: string) => Promise<void>

const record = (text: string, partition?: number): RecordToSend => ({ key: null, value: Buffer.from(text), partition })
const transactional = (transactionalId: string) => ({ transactionalId, transactionTimeoutMs: 30_000, patienceMs: 30_000 })

export function clientCases(bootstrap: string): Cases {
  const named = Object.entries({ ...administrationCases, ...writingCases, ...transactionCases(bootstrap), ...groupCases })
  return Object.fromEntries(named.map(([name, work]) => [`client/${name}`, () => withTopic(bootstrap, work)]))
}

/** A topic of two partitions. */
async function withTopic(bootstrap: string, work: Work): Promise<void> {
  await using client = openClient({ bootstrap })
  const topic = unique('client')
  await client.createTopic({ name: topic, partitions: 2, configs: new Map([['retention.ms', '3600000']]) })
  await work(client, topic)
  await client.deleteTopics([topic])
}

/** All that readers of committed records see, by partition and offset. */
async function read(client: Client, topic: string): Promise<ReceivedRecord[]> {
  const [from, until] = await Promise.all([client.offsets(topic, [0, 1], 'earliest'), client.offsets(topic, [0, 1], 'latest')])
  const all: ReceivedRecord[] = []
  for await (const records of client.read({ topic, from, until, committedOnly: true })) all.push(...records)
  return all.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/** Those of a transaction are there a moment after it has ended. */
async function committedAre(client: Client, group: string, wanted: readonly bigint[]): Promise<void> {
  let found: bigint[] = []
  await until(
    () => `committed offsets ${wanted}, but ${found}`,
    async () => {
      const committed = await client.groupOffsets(group, 'classic')
      found = committed.sort((a, b) => a.partition - b.partition).map(each => each.offset)
      return isDeepStrictEqual(found, wanted)
    },
  )
}

const textsOf = (records: Iterable<{ readonly value: Buffer | null }>) => Array.from(records, each => String(each.value))

const administrationCases: Record<string, Work> = {
  async lists(client, topic) {
    const { brokers } = await client.cluster()
    assert.ok(brokers.length > 0)
    assert.ok((await client.topicNames()).includes(topic))
    assert.equal((await client.topicStates()).find(each => each.name === topic)?.partitions, 2)
    await client.setPartitions(topic, 3)
    await until(
      () => 'three partitions',
      async () => (await client.topics([topic]))[0]?.partitions.length === 3,
    )
    await client.alterConfigs({ type: 'TOPIC', name: topic }, new Map([['retention.ms', '7200000']]))
    const configs = (await client.topicConfigs([topic])).get(topic)!
    assert.equal(configs.find(each => each.name === 'retention.ms')?.value, '7200000')
    await client.send(topic, [record('a', 0), record('b', 0), record('c', 1)])
    const names = [0, 1].map(partition => ({ topic, partition }))
    assert.deepEqual(await client.manyOffsets(names, 'stable'), new Map([[topic, new Map([[0, 2n], [1, 1n]])]])) // biome-ignore format: one pair a partition
    assert.ok((await client.replicaSizes(topic, [0])).every(each => each.bytes > 0n))
    assert.ok((await client.topicSizes()).get(topic)! > 0n)
    await client.deleteRecords(topic, new Map([[0, 1n]]))
    assert.deepEqual(textsOf(await read(client, topic)), ['b', 'c'])
    assert.deepEqual(await client.reassignments(), [])
    await client.electPreferred([{ topic, partition: 0 }])
  },
  async 'users-and-quotas'(client) {
    const user = unique('user')
    await client.setScramCredential({ user, password: 'secret', mechanism: 'SCRAM-SHA-256', iterations: 4096 })
    await until(
      () => 'the user',
      async () => (await client.scramUsers()).some(each => each.user === user),
    )
    await client.deleteScramCredential(user, 'SCRAM-SHA-256')
    await client.alterQuota(new Map([['user', user]]), new Map([['producer_byte_rate', 1e6]]))
    await until(
      () => 'the quota',
      async () => (await client.quotas()).some(each => each.entity.get('user') === user),
    )
    await client.alterQuota(new Map([['user', user]]), new Map([['producer_byte_rate', null]]))
  },
}

const writingCases: Record<string, Work> = {
  async records(client, topic) {
    const sent: ReceivedRecord[] = []
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)
      for (const acks of ['all', 1, 0] as const) {
        const own = { key: randomBytes(9), value: randomBytes(50_000), headers: [{ key: Buffer.from('h'), value: null }] }
        const offset = BigInt(sent.length)
        await client.send(topic, [{ ...own, partition: 0, timestampMs: 1_700_000_000_000n + offset }], { compression, acks })
        sent.push({ ...own, topic, partition: 0, offset, timestampMs: 1_700_000_000_000n + offset })
      }
    await until(
      () => 'the records without an answer',
      async () => (await client.offsets(topic, [0], 'latest')).get(0) === BigInt(sent.length),
    )
    assert.deepEqual(await read(client, topic), sent)
    const [stored, tooLarge] = await client.sendEach(topic, [record('small', 1), { ...record('', 0), value: randomBytes(3_000_000) }])
    assert.deepEqual(stored, { partition: 1, offset: 0n })
    assert.equal((tooLarge as ClientError).code, 'MESSAGE_TOO_LARGE')
  },
  async 'many-records-in-order'(client, topic) {
    const writer = client.openRecordWriter({ compression: 'lz4', patienceMs: 30_000 })
    const texts = Array.from({ length: 20_000 }, (_, at) => String(at))
    for (let at = 0; at < texts.length; at += 1_000)
      await writer.send(
        topic,
        texts.slice(at, at + 1_000).map(text => record(text, 1)),
      )
    await writer.close()
    assert.deepEqual(textsOf(await read(client, topic)), texts)
    const reader = client.openReader()
    const polled: string[] = []
    for (let offset = 0n; polled.length < texts.length; ) {
      const { records, next } = await reader.poll({ positions: [{ topic, partition: 1, offset }], maxWaitMs: 500, maxBytes: 50_000 })
      polled.push(...textsOf(records))
      offset = next[0]!.offset
    }
    assert.deepEqual(polled, texts)
    const beyond = await reader.poll({ positions: [{ topic, partition: 0, offset: 9n }], maxWaitMs: 100, maxBytes: 1_000 })
    assert.deepEqual(beyond.outOfRange, [{ topic, partition: 0 }])
    await reader.close()
  },
  async batches(client, topic) {
    await client.send(topic, [record('a', 0), record('b', 0)], { compression: 'gzip' })
    const [reader, sender] = [client.openBatchReader(), client.openBatchSender('all')]
    const writer = await client.openBatchWriter({ transactionalId: topic, patienceMs: 30_000 })
    const { partitions } = await reader.poll({ positions: [{ topic, partition: 0, offset: 0n }], maxWaitMs: 500, maxBytes: 100_000 })
    const [batch] = partitions[0]!.batches
    await sender.send(topic, 1, batch!.bytes)
    assert.deepEqual(textsOf(await read(client, topic)), ['a', 'b', 'a', 'b'])
    // One offset is the marker, which readers do not see.
    await writer.fence([{ topic, partition: 1 }])
    assert.equal((await client.offsets(topic, [1], 'latest')).get(1), 3n)
    await Promise.all([reader.close(), sender.close(), writer.close()])
  },
}

function transactionCases(bootstrap: string): Record<string, Work> {
  return {
    async transactions(client, topic) {
      const group = unique('group')
      const writer = await client.openTransactionalWriter(transactional(topic))
      await writer.send(topic, [record('kept', 0), record('kept', 1)])
      await writer.sendOffsets(group, { generation: -1, memberId: '' }, [{ topic, partition: 0, offset: 7n }])
      await writer.commit()
      await writer.send(topic, [record('taken back', 0)])
      await writer.abort()
      await writer.send(topic, [record('kept', 0)])
      await writer.commit()
      await committedAre(client, group, [7n])
      await until(
        () => 'the end of the transactions',
        async () => (await client.offsets(topic, [0], 'stable')).get(0) === 6n,
      )
      assert.deepEqual(textsOf(await read(client, topic)), ['kept', 'kept', 'kept'])
      await writer.close()
    },
    /** Since Kafka 3.0 (KIP-664). */
    async 'transactions-are-listed'(client, topic) {
      const writer = await client.openTransactionalWriter(transactional(topic))
      await writer.send(topic, [record('open', 0)])
      assert.equal((await client.transaction(topic)).state, 'Ongoing')
      assert.ok((await client.transactions()).some(each => each.transactionalId === topic))
      assert.equal((await client.manyProducers([{ topic, partition: 0 }])).length, 1)
      assert.equal((await client.producers(topic, 0))[0]?.transactionStartOffset, 0)
      await client.fenceProducer(topic)
      await until(
        () => 'the end of the transaction',
        async () => (await client.producers(topic, 0)).every(each => each.transactionStartOffset === null),
      )
      await writer.close()
    },
    async 'fenced-writers'(client, topic) {
      const first = await client.openTransactionalWriter(transactional(topic))
      await first.send(topic, [record('of the first', 0)])
      await using other = openClient({ bootstrap })
      const second = await other.openTransactionalWriter(transactional(topic))
      const isFenced = ({ code }: ClientError) => code === 'INVALID_PRODUCER_EPOCH' || code === 'PRODUCER_FENCED'
      await assert.rejects(first.commit(), isFenced)
      await second.send(topic, [record('of the second', 0)])
      await second.commit()
      const fenced = await client.openFencedWriter({ transactionalId: `${topic}-log`, topic, partition: 1 })
      await fenced.append([{ key: Buffer.from('k'), value: Buffer.from('fenced') }])
      const newer = await other.openFencedWriter({ transactionalId: `${topic}-log`, topic, partition: 1 })
      await newer.append([{ key: Buffer.from('k'), value: Buffer.from('fencing') }])
      await assert.rejects(fenced.append([{ key: Buffer.from('k'), value: null }]), isFenced)
      assert.deepEqual(textsOf(await read(client, topic)), ['of the second', 'fenced', 'fencing'])
      await Promise.all([first.close(), second.close()])
    },
  }
}

const groupCases: Record<string, Work> = {
  async 'consumers-of-a-group'(client, topic) {
    const group = unique('group')
    const taken: string[] = []
    const consume = async () => {
      const subscription = await client.subscribe({ group, topics: [topic], otherwise: 'earliest' })
      const reading = (async () => {
        for await (const each of subscription) {
          taken.push(String(each.value))
          await subscription.commit([{ topic, partition: each.partition, offset: each.offset + 1n }])
        }
      })()
      return async () => {
        await subscription.close()
        await reading
      }
    }
    const membersAre = (count: number) =>
      until(
        () => `${count} members`,
        async () => {
          const { state, members } = await client.group(group)
          return state === 'Stable' && members.length === count && members.every(each => each.partitions.length === 2 / count)
        },
      )
    await client.send(topic, [record('1', 0), record('2', 1)])
    const first = await consume()
    await membersAre(1)
    const second = await consume()
    await membersAre(2)
    await client.send(topic, [record('3', 0), record('4', 1)])
    await until(
      () => `four records: ${taken}`,
      () => taken.length >= 4,
    )
    // A commit that is on its way when its member leaves would be refused.
    await committedAre(client, group, [2n, 2n])
    await Promise.all([first(), second()])
    // What the first one has asked for before the second one came may be there for both.
    assert.deepEqual([...new Set(taken)].sort(), ['1', '2', '3', '4'])
    assert.ok((await client.groups()).some(each => each.group === group))
    await client.setGroupOffsets(group, [{ topic, partition: 1, offset: 0n }])
    assert.equal((await client.manyGroupOffsets([{ group, type: 'classic' }])).size, 1)
    await client.deleteGroupOffsets(group, [{ topic, partition: 0 }])
    await client.deleteGroup(group)
  },
  async 'members-that-fetch-themselves'(client, topic) {
    const group = unique('group')
    const member = await client.join({ group, topics: [topic] })
    await until(
      () => 'two partitions',
      () => member.assignments().length === 2,
    )
    await member.commit([{ topic, partition: 0, offset: 5n }])
    const writer = await client.openTransactionalWriter(transactional(topic))
    await writer.sendOffsets(group, member.identity(), [{ topic, partition: 1, offset: 6n }])
    await writer.commit()
    await writer.close()
    await committedAre(client, group, [5n, 6n])
    await member.close()
  },
  async 'members-that-agree'(client) {
    const joining = (memberId: string) => ({
      ...{ group: unique('group'), protocolType: 'compat', protocols: [{ name: 'one', metadata: Buffer.from('m') }] },
      ...{ memberId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000 },
    })
    const member = await client.joinGroup(joining(''))
    assert.equal(member.leader, member.memberId)
    const assigned = await client.syncGroup(member, new Map([[member.memberId, Buffer.from('yours')]]))
    assert.equal(String(assigned), 'yours')
    await client.heartbeatGroup(member)
    await client.commitAs(member, [{ topic: 'any', partition: 0, offset: 1n }]).catch((error: ClientError) => {
      if (error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    })
    await client.leaveGroup(member)
    await assert.rejects(client.heartbeatGroup(member), { code: 'UNKNOWN_MEMBER_ID' })
  },
}
