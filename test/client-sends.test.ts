import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openClient } from '../src/client.ts'
import { startBroker } from '../src/millrace.ts'
import { longestTurnDuring } from './support/processor-time.ts'

const value = Buffer.from('x')
/** Its hash is in the tests of Kafka's Utils.murmur2. */
const known = { key: '21', hash: -973_932_308 }

test('records go to the partitions that Kafka would choose by their keys; those without one take turns', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'keyed', partitions: 3 })
  const [placed] = await client.send('keyed', [{ key: Buffer.from(known.key), value }])
  assert.equal(placed!.partition, (known.hash & 0x7fff_ffff) % 3)
  await client.createTopic({ name: 'plain', partitions: 3 })
  for (const expected of [
    [0, 1, 2],
    [0, 1],
  ]) {
    const sent = await client.send(
      'plain',
      expected.map(() => ({ key: null, value })),
    )
    assert.deepEqual(sent.map(({ partition }) => partition).sort(), expected)
  }
  await assert.rejects(client.send('plain', [{ key: null, value, partition: 3 }]), /plain has no partition 3; its partitions are 0 to 2/)
})

const kilobyte = (number: number) => ({ key: null, value: Buffer.alloc(1_024, String(number % 10)) })

test('partitions that were added are sent to at once', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await using other = openClient({ bootstrap: broker.address })
  const writer = client.openRecordWriter({ patienceMs: 5_000 })
  const to = (partition: number) => [{ key: null, value, partition }]
  await client.createTopic({ name: 'grows', partitions: 1 })
  for (const count of [1, 2, 4]) {
    if (count > 1) await other.setPartitions('grows', count)
    assert.equal((await client.send('grows', to(count - 1)))[0]!.partition, count - 1)
    assert.equal((await writer.send('grows', to(count - 1)))[0]!.partition, count - 1)
    const [sent] = await client.sendEach('grows', to(count))
    assert.match((sent as Error).message, new RegExp(`grows has no partition ${count}`))
  }
  await assert.rejects(writer.send('grows', to(4)), /grows has no partition 4; its partitions are 0 to 3/)
  await writer.close()
})

test('more records than a batch may have are sent in several, in their order, and what comes after them stays behind them', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'one', partitions: 1 })
  const many = Array.from({ length: 5_000 }, (_, number) => kilobyte(number))
  const [placed, sent, last] = await Promise.all([
    client.send('one', many),
    client.sendEach('one', many),
    client.sendEach('one', [{ key: null, value }]),
  ])
  assert.ok(placed.length > 1)
  assert.deepEqual(placed[0], { partition: 0, offset: 0n })
  assert.deepEqual(
    sent,
    many.map((_, number) => ({ partition: 0, offset: 5_000n + BigInt(number) })),
  )
  assert.deepEqual(last, [{ partition: 0, offset: 10_000n }])
  let at = 0
  const all = { topic: 'one', from: new Map([[0, 0n]]), until: new Map([[0, 10_001n]]) }
  for await (const records of client.read(all))
    for (const record of records) assert.equal(record.value![0], at++ === 10_000 ? value[0] : 48 + ((at - 1) % 10))
  assert.equal(at, 10_001)
})

test('a topic that takes less gets less at once; a record that is too large for it does not affect the others', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'small', partitions: 1, configs: new Map([['max.message.bytes', '10000']]) })
  const records = Array.from({ length: 100 }, (_, number) => kilobyte(number))
  await client.send('small', records)
  const sent = await client.sendEach('small', [...records, { key: null, value: Buffer.alloc(20_000) }, ...records])
  assert.deepEqual(
    sent.map(each => (each instanceof Error ? each.code : Number(each.offset))),
    [...records.map((_, at) => 100 + at), 'MESSAGE_TOO_LARGE', ...records.map((_, at) => 200 + at)],
  )
})

test('a hundred thousand records do not hold up the event loop', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'wide', partitions: 4 })
  await client.send('wide', [{ key: null, value }])
  const records = Array.from({ length: 100_000 }, (_, number) => ({ key: Buffer.from(String(number)), value }))
  const { outcome, longestMs } = await longestTurnDuring(() => client.sendEach('wide', records))
  assert.equal(outcome.filter(each => each instanceof Error).length, 0)
  assert.ok(longestMs < 60, `${longestMs} ms of processor time`)
})

test('a writer keeps the order of its records, and says where they are, though the topic takes only small batches', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'small', partitions: 2, configs: new Map([['max.message.bytes', '20000']]) })
  const writer = client.openRecordWriter({ patienceMs: 5_000 })
  const records = Array.from({ length: 101 }, (_, number) => ({ ...kilobyte(number), partition: number % 2 }))
  const written = [...(await writer.send('small', records)), ...(await writer.send('small', [{ key: Buffer.from(known.key), value }]))]
  assert.ok(written.length > 6, 'in several batches')
  const places = new Map<number, number[]>([
    [0, []],
    [1, []],
  ])
  for (const { partition, at, offset } of written) {
    assert.equal(offset, BigInt(places.get(partition)!.length))
    places.get(partition)!.push(...at)
  }
  const keyed = (known.hash & 0x7fff_ffff) % 2
  for (const [partition, at] of places) {
    const own = Array.from({ length: 101 }, (_, number) => number).filter(number => number % 2 === partition)
    assert.deepEqual(at, partition === keyed ? [...own, 0] : own)
    const read: string[] = []
    const until = new Map([[partition, BigInt(at.length)]])
    for await (const some of client.read({ topic: 'small', from: new Map([[partition, 0n]]), until }))
      for (const each of some) read.push(each.value!.toString('latin1', 0, 1))
    const expected = own.map(number => String(number % 10))
    assert.deepEqual(read, partition === keyed ? [...expected, 'x'] : expected)
  }
  await assert.rejects(writer.send('small', [{ key: null, value: Buffer.alloc(30_000) }]), { code: 'MESSAGE_TOO_LARGE' })
  await writer.close()
})

test('who wants stable offsets of a group waits for the transaction that commits newer ones', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'read', partitions: 1 })
  const at = (offset: bigint) => [{ topic: 'read', partition: 0, offset }]
  await client.commit('readers', at(1n))
  const writer = await client.openTransactionalWriter({ transactionalId: 'w', transactionTimeoutMs: 60_000, patienceMs: 5_000 })
  await writer.sendOffsets('readers', { generation: -1, memberId: '' }, at(2n))
  const offsetsOf = async (asked: Promise<readonly { offset: bigint }[]>) => (await asked).map(({ offset }) => offset)
  assert.deepEqual(await offsetsOf(client.groupOffsets('readers', '')), [1n])
  await assert.rejects(client.stableOffsets('readers'), { code: 'UNSTABLE_OFFSET_COMMIT' })
  const stable = offsetsOf(client.stableOffsets('readers'))
  await writer.commit()
  assert.deepEqual(await stable, [2n])
  await writer.close()
})
