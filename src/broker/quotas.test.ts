import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../base.ts'
import type { QuotaEntry } from '../coordinator.ts'
import { KafkaError } from '../protocol.ts'
import { ClientLimits } from './quotas/limits.ts'
import { Quotas } from './quotas.ts'

/** Kafka's defaults. */
const windows = { count: 11, sizeMs: 1000 }

function setUp(...entries: QuotaEntry[]) {
  const time = { ms: 50_000 }
  const quotas = new Quotas({
    clock: trustingClock(
      () => time.ms,
      () => time.ms,
    ),
    windows,
    mutationWindows: windows,
  })
  quotas.set(entries)
  return { time, quotas }
}

function entry(entity: Record<string, string | null>, values: Record<string, number>): QuotaEntry {
  return { entity: new Map(Object.entries(entity)), values: new Map(Object.entries(values)) }
}

test('without quotas nothing is measured', () => {
  const { quotas } = setUp()
  assert.equal(quotas.active, false)
  assert.equal(quotas.client('User:a', 'c'), null)
  assert.equal(quotas.connectionDelay('1.2.3.4'), 0)
})

test('a quota of another client does not apply', () => {
  const { quotas } = setUp(entry({ user: 'a' }, { producer_byte_rate: 1 }))
  assert.equal(quotas.active, true)
  assert.equal(quotas.client('User:b', 'c'), null)
  assert.notEqual(quotas.client('User:a', null), null)
})

test('the rate is the average over all windows; the delay brings it back to the bound', () => {
  const { time, quotas } = setUp(entry({ 'client-id': 'c' }, { producer_byte_rate: 500 }))
  const client = quotas.client('User:ANONYMOUS', 'c')!
  assert.equal(client.produced(5000), 0, '5000 bytes over ten full windows are 500 a second')
  assert.equal(client.produced(5000), 10_000, '10000 bytes are twice as much as ten seconds allow')
  time.ms += 20_000
  assert.equal(client.produced(5000), 0, 'those windows have passed')
  time.ms += 5_000
  assert.equal(client.produced(5000), 10_000, 'these have not')
})

test('precedence as in Kafka', () => {
  const entries: QuotaEntry[] = []
  // From the weakest to the strongest: each one added wins.
  const order: Record<string, string | null>[] = [
    { 'client-id': null },
    { 'client-id': 'c' },
    { user: null },
    { user: null, 'client-id': null },
    { user: null, 'client-id': 'c' },
    { user: 'u' },
    { user: 'u', 'client-id': null },
    { user: 'u', 'client-id': 'c' },
  ]
  const { quotas } = setUp()
  order.forEach((entity, index) => {
    entries.push(entry(entity, { consumer_byte_rate: index + 1 }))
    quotas.set(entries)
    assert.equal(quotas.client('User:u', 'c')!.fetchRoom, (index + 1) * 10, JSON.stringify(entity))
  })
})

test('who shares a quota: all clients of a user, all users of a client id, no others', () => {
  const { quotas } = setUp(entry({ user: 'a' }, { producer_byte_rate: 10 }), entry({ 'client-id': null }, { producer_byte_rate: 10 }))
  assert.equal(quotas.client('User:a', 'one')!.produced(100), 0)
  assert.ok(quotas.client('User:a', 'two')!.produced(100) > 0)
  assert.equal(quotas.client('User:b', 'one')!.produced(100), 0, 'its own of that client id')
  assert.ok(quotas.client('User:c', 'one')!.produced(100) > 0)
  assert.equal(quotas.client('User:c', 'two')!.produced(100), 0)
})

test('what is not sent does not count', () => {
  const { time, quotas } = setUp(entry({ user: null }, { consumer_byte_rate: 100 }))
  const client = quotas.client('User:a', 'c')!
  assert.equal(client.fetchRoom, 1000)
  assert.equal(client.fetched(1000), 0)
  for (let times = 0; times < 5; times++) assert.equal(client.fetched(500), 5000)
  time.ms += 11_000
  assert.equal(client.fetched(1000), 0)
  client.unfetched(500)
  assert.equal(client.fetched(500), 0)
})

test('a batch that is larger than the whole window arrives all the same, once in a while', () => {
  const { time, quotas } = setUp(entry({ user: null }, { consumer_byte_rate: 100 }))
  const client = quotas.client('User:a', 'c')!
  assert.equal(client.fetched(3000), 0)
  assert.ok(client.fetched(3000) > 0)
  assert.ok(client.fetched(1) > 0)
  time.ms += 11_000
  assert.equal(client.fetched(3000), 0)
})

test('request_percentage: of one core, at most one window of delay', () => {
  const { quotas } = setUp(entry({ 'client-id': 'c' }, { request_percentage: 10 }))
  const client = quotas.client('User:a', 'c')!
  assert.equal(client.worked(1000), 0, 'one second of ten is ten percent')
  assert.equal(client.worked(50), 500)
  assert.equal(client.worked(60_000), 1000)
})

test('controller_mutation_rate: a burst, then strict refusal or delay', () => {
  const { time, quotas } = setUp(entry({ user: 'a' }, { controller_mutation_rate: 2 }))
  const client = quotas.client('User:a', 'c')!
  const delays: number[] = []
  const mutate = (partitions: number, strict: boolean) => client.mutated(partitions, strict, ms => delays.push(ms))
  mutate(30, true)
  assert.deepEqual(delays, [], 'more than the burst of 22 is allowed once')
  assert.throws(
    () => mutate(1, true),
    (error: unknown) => error instanceof KafkaError && error.name === 'THROTTLING_QUOTA_EXCEEDED',
  )
  assert.deepEqual(delays, [4000])
  mutate(2, false)
  assert.deepEqual(delays, [4000, 5000], 'old clients get their way and are delayed')
  time.ms += 5000
  mutate(1, true)
  assert.equal(delays.length, 2)
})

test('connection_creation_rate by address and by default', () => {
  const { time, quotas } = setUp(
    entry({ ip: '1.2.3.4' }, { connection_creation_rate: 1 }),
    entry({ ip: null }, { connection_creation_rate: 2 }),
  )
  assert.equal(quotas.active, false, 'no client is limited')
  const come = (address: string) => quotas.connectionDelay(address)
  for (let times = 0; times < 10; times++) assert.equal(come('1.2.3.4'), 0)
  assert.equal(come('1.2.3.4'), 1000)
  for (let times = 0; times < 20; times++) assert.equal(come('5.6.7.8'), 0)
  assert.equal(come('5.6.7.8'), 500)
  time.ms += 12_000
  assert.equal(come('1.2.3.4'), 0)
})

test('topics have rates of their own', () => {
  const { quotas } = setUp()
  assert.equal(quotas.topicProduced('t', 100, 1000), 0)
  assert.equal(quotas.topicProduced('t', 100, 1000), 10_000)
  assert.equal(quotas.topicProduced('u', 100, 1000), 0)
  assert.equal(quotas.fetchRoom(100), 1000)
  assert.equal(quotas.topicFetched('t', 100, 1000), 0)
  assert.equal(quotas.topicFetched('t', 100, 500), 5000)
  quotas.topicUnfetched('t', 1000)
  assert.equal(quotas.topicFetched('t', 100, 1000), 0)
})

test('clients that come and go are not remembered for ever, and the cache does not outlive a change', () => {
  const { quotas } = setUp(entry({ 'client-id': null }, { producer_byte_rate: 1 }))
  for (let id = 0; id < 25_000; id++) quotas.client('User:a', `c${id}`)!.produced(1)
  quotas.set([])
  assert.equal(quotas.client('User:a', 'c1'), null)
})

test('a client id of any length has its quota, and needs little memory', () => {
  const long = 'x'.repeat(32_000)
  const { quotas } = setUp(
    entry({ 'client-id': long }, { producer_byte_rate: 500 }),
    entry({ 'client-id': null }, { producer_byte_rate: 5 }),
  )
  assert.equal(quotas.client('User:a', long)!.produced(5000), 0)
  assert.ok(quotas.client('User:a', `${long}y`)!.produced(5000) > 0)
  assert.equal(quotas.client('User:a', `${long}z`)!.produced(50), 0, 'it shares nothing with the one before')
  const limits = new ClientLimits([entry({ 'client-id': null }, { producer_byte_rate: 5 })], 'producer_byte_rate')
  assert.ok(limits.find('a', long)!.sharedBy.length < 300)
})
