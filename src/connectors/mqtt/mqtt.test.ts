import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import type { SourceRecord, SourceTask } from '../../connector.ts'
import { openSource, TestContext, valuesOf } from '../../connector-testing.ts'
import { FakeMqtt } from './mqtt.testing.ts'
import { mqtt } from './mqtt.ts'

const texts = (records: readonly SourceRecord[]) => records.map(({ value }) => (value as Buffer).toString())
const acknowledged = (fake: FakeMqtt) =>
  fake.received.filter(({ cmd }) => cmd === 'puback' || cmd === 'pubrec').map(({ messageId }) => messageId)
const { timers } = realSystem()

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && !condition(); round++) await new Promise<void>(resolve => void timers.after(5, resolve))
  assert.ok(condition())
}

async function pollUntil(task: SourceTask, count: number): Promise<SourceRecord[]> {
  const found: SourceRecord[] = []
  for (let poll = 0; poll < 20 && found.length < count; poll++) found.push(...(await task.poll()))
  return found
}

async function opened(fake: FakeMqtt, config: Readonly<Record<string, string>> = {}, context?: TestContext) {
  const usual = { 'mqtt.server.uri': fake.uri, 'mqtt.topics': 'plant/+,alarms/#', 'kafka.topic': 'plant' }
  return await openSource(mqtt, { ...usual, ...config }, context)
}

test('messages of QoS 1 and 2 are acknowledged when they are stored, not before', async t => {
  const fake = await FakeMqtt.start(t)
  const { task } = await opened(fake, { 'mqtt.qos': '2', 'mqtt.username': 'u', 'mqtt.password': 'p' })
  await task.poll()
  const [connect, subscribe] = fake.received
  assert.equal(connect!.cmd, 'connect')
  assert.deepEqual((({ clean, clientId, username, password }) => [clean, clientId, username, String(password)])(connect as never), [
    false,
    'millrace-test',
    'u',
    'p',
  ])
  assert.deepEqual(
    (subscribe as { subscriptions?: { topic: string; qos: number }[] }).subscriptions!.map(({ topic, qos }) => [topic, qos]),
    [
      ['plant/+', 2],
      ['alarms/#', 2],
    ],
  )
  fake.publish('plant/a', 'one', 1)
  fake.publish('plant/b', 'two', 2)
  const records = await pollUntil(task, 2)
  assert.deepEqual(texts(records), ['one', 'two'])
  assert.deepEqual(
    records[1]!.headers.map(({ name, value }) => [name, value]),
    [
      ['mqtt.message.id', 2],
      ['mqtt.qos', 2],
      ['mqtt.retained', false],
      ['mqtt.duplicate', false],
    ],
  )
  assert.equal(records[1]!.key, 'plant/b')
  await task.poll()
  assert.deepEqual([acknowledged(fake), fake.kept.length], [[], 2])
  await task.committed!(records, [])
  await until(() => fake.kept.length === 0)
  assert.deepEqual(acknowledged(fake), [1, 2])
  await task.close()
})

test('what was not stored comes again after a break; what was stored is only acknowledged', async t => {
  const fake = await FakeMqtt.start(t)
  const { task } = await opened(fake)
  await task.poll()
  fake.publish('plant/a', 'stored', 1)
  fake.publish('plant/a', 'lost', 1)
  const [stored] = await pollUntil(task, 2)
  fake.break()
  await assert.rejects(pollUntil(task, 1), { name: 'RetriableError' })
  await task.committed!([stored!], [])
  const again = await pollUntil(task, 1)
  assert.deepEqual(texts(again), ['lost'])
  assert.equal(again[0]!.headers.find(({ name }) => name === 'mqtt.duplicate')!.value, true)
  await task.committed!(again, [])
  await until(() => fake.kept.length === 0)
  await task.close()
})

test('a broker that lost its session numbers its messages anew: nothing is mistaken for what was stored', async t => {
  const fake = await FakeMqtt.start(t)
  const { task } = await opened(fake)
  await task.poll()
  fake.publish('plant/a', 'first', 1)
  const first = await pollUntil(task, 1)
  fake.break()
  await assert.rejects(pollUntil(task, 1), { name: 'RetriableError' })
  await task.committed!(first, [])
  fake.forget()
  fake.publish('plant/a', 'another with the same number', 1)
  assert.deepEqual(texts(await pollUntil(task, 1)), ['another with the same number'])
  await task.close()
})

test('refusals of the broker are told apart', async t => {
  const fake = await FakeMqtt.start(t)
  for (const [code, error] of [
    [3, { name: 'RetriableError', message: /not available/ }],
    [4, { name: 'Error', message: /user name or password are wrong/ }],
    [5, { name: 'Error', message: /not authorised/ }],
  ] as const) {
    fake.returnCode = code
    const { task } = await opened(fake)
    await assert.rejects(task.poll(), error)
    await task.close()
  }
  fake.returnCode = 0
  for (const [granted, error] of [
    [0x80, /mqtt\.topics: the broker refuses plant\/\+, alarms\/#/],
    [0, /mqtt\.qos: the broker grants less than 1/],
  ] as const) {
    fake.granted = granted
    const { task } = await opened(fake)
    await assert.rejects(task.poll(), error)
    await task.close()
  }
})

test('a broker that says nothing, or what is no MQTT, holds nothing up', async t => {
  const fake = await FakeMqtt.start(t)
  const { task } = await opened(fake, { 'mqtt.message.max.bytes': '1024' })
  await task.poll()
  fake.raw(Buffer.alloc(100, 0xff))
  await assert.rejects(pollUntil(task, 1), { name: 'RetriableError' })
  fake.publish('plant/a', 'x'.repeat(2_000), 1)
  await assert.rejects(pollUntil(task, 1), { name: 'Error', message: /2000 bytes, more than mqtt\.message\.max\.bytes/ })
  fake.kept.length = 0
  await task.poll()
  // A publish that claims 200 MB.
  fake.raw(Buffer.concat([Buffer.from([0x30, 0x80, 0x84, 0xaf, 0x5f]), Buffer.alloc(300_000)]))
  await assert.rejects(pollUntil(task, 1), { name: 'Error', message: /mqtt\.message\.max\.bytes/ })
  await task.close()
})

test('a wait that has ended is not held', async t => {
  const fake = await FakeMqtt.start(t)
  const system = realSystem(memoryFileSystem())
  let cancelled = 0
  const after = (delayMs: number, callback: () => void) => {
    const timer = system.timers.after(delayMs, callback)
    const cancel = () => {
      cancelled++
      timer.cancel()
    }
    return { cancel }
  }
  const context = new TestContext({ ...system, timers: { ...system.timers, after } })
  const { task } = await opened(fake, { 'records.buffer.queue.empty.timeout': '1' }, context)
  for (let poll = 0; poll < 60; poll++) assert.deepEqual(await task.poll(), [])
  const before = cancelled
  fake.publish('plant/a', 'at last', 1)
  assert.deepEqual(texts(await pollUntil(task, 1)), ['at last'])
  // Of the polls since then.
  assert.ok(cancelled - before <= 20, `${cancelled - before}`)
  await task.close()
})

test('a broker that reads nothing is not read either, until it does', async t => {
  const fake = await FakeMqtt.start(t)
  const { task } = await opened(fake)
  await task.poll()
  fake.deafen()
  const pubrels = Buffer.alloc(2 ** 16, Buffer.from([0x62, 2, 0, 1]))
  let isTaken = true
  for (let round = 0; round < 160 && isTaken; round++) isTaken = await fake.taken(pubrels, realSystem())
  assert.equal(isTaken, false)
  fake.hear()
  fake.publish('plant/a', 'on', 1)
  const found: SourceRecord[] = []
  for (let poll = 0; poll < 200 && found.length === 0; poll++) found.push(...(await task.poll()))
  assert.deepEqual(texts(found), ['on'])
  await task.close()
})

test('a connection that ends before SUBACK, but after a message, is an error', { timeout: 10_000 }, async t => {
  const fake = await FakeMqtt.start(t)
  fake.isHasty = true
  const { task } = await opened(fake)
  await assert.rejects(task.poll(), { name: 'RetriableError' })
  await task.close()
})

test('keys that cannot be', () => {
  const required = { 'mqtt.server.uri': 'tcp://h:1883', 'mqtt.topics': 'a', 'kafka.topic': 't' }
  assert.ok(valuesOf(mqtt.config, required))
  for (const [key, value] of [
    ['mqtt.server.uri', 'http://h'],
    ['mqtt.server.uri', 'tcp://u:secret@h:1883'],
    ['mqtt.topics', 'a/#/b'],
    ['mqtt.topics', 'a+/b'],
    ['mqtt.qos', '3'],
    ['kafka.topic', ''],
  ] as const)
    assert.throws(() => valuesOf(mqtt.config, { ...required, [key]: value }), { name: 'InvalidConfig', key })
})
