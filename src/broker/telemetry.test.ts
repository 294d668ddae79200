import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { realSystem, trustingClock } from '../base.ts'
import { KafkaError, parseUuid, type Uuid, zeroUuid } from '../protocol.ts'
import { Telemetry } from './telemetry.ts'

// A writer of protocol buffers, as small as can be.
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))])
const field = (number: number, wireType: number) => Buffer.from(varint(number * 8 + wireType))
const bytes = (number: number, ...content: Buffer[]) => {
  const body = Buffer.concat(content)
  return Buffer.concat([field(number, 2), Buffer.from(varint(body.length)), body])
}
const text = (number: number, value: string) => bytes(number, Buffer.from(value))
const int = (number: number, value: number) => Buffer.concat([field(number, 0), Buffer.from(varint(value))])
const double = (number: number, value: number) => {
  const body = Buffer.alloc(8)
  body.writeDoubleLE(value)
  return Buffer.concat([field(number, 1), body])
}
const label = (key: string, value: string) => bytes(7, text(1, key), bytes(2, text(1, value)))
const metricsData = (...metrics: Buffer[]) => bytes(1, bytes(2, ...metrics.map(metric => bytes(2, metric))))
const gauge = (name: string, value: number, ...labels: Buffer[]) =>
  Buffer.concat([text(1, name), bytes(5, bytes(1, double(4, value), ...labels))])
const sum = (name: string, value: number, temporality: number) =>
  Buffer.concat([text(1, name), bytes(7, bytes(1, double(4, value)), int(2, temporality), int(3, 1))])

const id = parseUuid('AAAAAAAAAAAAAAAAAAABBA') as Uuid
const caller = { client_id: 'c1', client_software_name: 'java', client_software_version: '4.4.0', client_source_address: '1.2.3.4' }

function setUp(...subscriptions: Record<string, string>[]) {
  const limits = { maxBytes: 10_000 }
  const time = { ms: 1_000_000 }
  const clock = trustingClock(
    () => time.ms,
    () => time.ms,
  )
  const telemetry = new Telemetry({ clock, random: realSystem().random, maxBytes: () => limits.maxBytes })
  const set = (...configs: Record<string, string>[]) => telemetry.set(configs.map(config => new Map(Object.entries(config))))
  set(...subscriptions)
  const push = (metrics: Buffer, more: Partial<Parameters<Telemetry['push']>[0]> = {}) => {
    const subscriptionId = more.subscriptionId ?? 0
    telemetry.push({ clientInstanceId: id, subscriptionId, terminating: false, compressionType: 0, metrics, ...more }, caller, 2 ** 20)
  }
  const shown = () => [...telemetry.series()].map(({ name, value, attributes }) => [name, value, ...attributes.map(each => each.join('='))])
  return { time, limits, telemetry, set, push, shown }
}

function refuses(name: string, work: () => unknown): void {
  assert.throws(work, (error: unknown) => error instanceof KafkaError && error.name === name)
}

test('subscriptions: those that match are united, with the shortest interval; * is all', () => {
  const { telemetry, set, time } = setUp(
    { metrics: 'a,b', 'interval.ms': '5000', match: 'client_id=c.' },
    { metrics: 'b,c', 'interval.ms': '2000', match: 'client_software_name=java,client_software_version=4\\..*' },
    { metrics: 'd', 'interval.ms': '100', match: 'client_id=c' },
  )
  const answer = telemetry.subscribe(zeroUuid, caller)
  assert.notEqual(answer.clientInstanceId, zeroUuid)
  assert.deepEqual([answer.requestedMetrics, answer.pushIntervalMs], [['a', 'b', 'c'], 2000])
  set({ metrics: '*,x' })
  const next = telemetry.subscribe(answer.clientInstanceId, caller)
  assert.deepEqual([next.requestedMetrics, next.pushIntervalMs], [['*'], 300_000])
  assert.notEqual(next.subscriptionId, answer.subscriptionId)
  set()
  time.ms += 1
  assert.deepEqual(telemetry.subscribe(answer.clientInstanceId, caller).requestedMetrics, [])
})

test('patterns for which a backtracking engine would never end', () => {
  const { telemetry } = setUp(
    { metrics: 'a', match: 'client_id=(x+)+y' },
    { metrics: 'b', match: 'client_id=.*x.*x.*x.*x.*x.*y' },
    { metrics: 'c', match: 'client_id=(x+)+' },
    { metrics: 'd', match: 'client_id=(?=x).*' },
  )
  const long = { ...caller, client_id: 'x'.repeat(1_000) }
  assert.deepEqual(telemetry.subscribe(zeroUuid, long).requestedMetrics, ['c'])
})

test('asking or pushing before it is time is refused, but for the last push', () => {
  const { telemetry, push, time } = setUp({ metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  refuses('THROTTLING_QUOTA_EXCEEDED', () => telemetry.subscribe(id, caller))
  time.ms += 100
  push(Buffer.alloc(0), { subscriptionId })
  refuses('THROTTLING_QUOTA_EXCEEDED', () => push(Buffer.alloc(0), { subscriptionId }))
  time.ms += 1000
  push(Buffer.alloc(0), { subscriptionId })
  push(Buffer.alloc(0), { subscriptionId, terminating: true })
  time.ms += 1000
  refuses('INVALID_REQUEST', () => push(Buffer.alloc(0), { subscriptionId }))
})

test('an unknown subscription, compression or size is rejected; the client may ask again immediately', () => {
  const { telemetry, push, time } = setUp({ metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  refuses('UNKNOWN_SUBSCRIPTION_ID', () => push(Buffer.alloc(0), { subscriptionId: subscriptionId + 1 }))
  time.ms += 1
  telemetry.subscribe(id, caller)
  time.ms += 1
  refuses('UNSUPPORTED_COMPRESSION_TYPE', () => push(Buffer.alloc(0), { subscriptionId, compressionType: 9 }))
  time.ms += 1
  telemetry.subscribe(id, caller)
  time.ms += 1
  refuses('TELEMETRY_TOO_LARGE', () => push(Buffer.alloc(10_001), { subscriptionId }))
  time.ms += 1000
  refuses('INVALID_REQUEST', () => push(Buffer.alloc(0), { clientInstanceId: zeroUuid }))
})

test('what is pushed is shown, until the client is gone', () => {
  const { telemetry, push, shown, time } = setUp({ metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  push(gzipSync(metricsData(gauge('g', 1.5, label('node', '1')), sum('s', 10, 2))), { subscriptionId, compressionType: 1 })
  assert.deepEqual(shown(), [
    ['g', 1.5, 'node=1'],
    ['s', 10],
  ])
  time.ms += 1000
  push(metricsData(gauge('g', 2, label('node', '1')), sum('s', 12, 2)), { subscriptionId })
  assert.deepEqual(shown(), [
    ['g', 2, 'node=1'],
    ['s', 12],
  ])
  time.ms += 61_000
  assert.deepEqual(shown(), [])
})

test('metrics that were not requested are not even decompressed', () => {
  const { telemetry, push } = setUp()
  const { subscriptionId } = telemetry.subscribe(id, caller)
  push(Buffer.from('no gzip'), { subscriptionId, compressionType: 1, terminating: true })
})

test('gzip has a separate limit, because it may take a long time and yield nothing', () => {
  const { telemetry, push, time, limits } = setUp({ metrics: '*', 'interval.ms': '100' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  limits.maxBytes = 1_000_000
  const noise = randomBytes(70_000)
  refuses('INVALID_RECORD', () => push(noise, { subscriptionId }))
  time.ms += 100
  refuses('TELEMETRY_TOO_LARGE', () => push(gzipSync(noise), { subscriptionId, compressionType: 1 }))
})

test('differences are summed up', () => {
  const { telemetry, push, shown, time } = setUp({ metrics: '*', 'interval.ms': '1000' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  for (let times = 0; times < 3; times++, time.ms += 1000) push(metricsData(sum('s', 10, 1)), { subscriptionId })
  assert.deepEqual(shown(), [['s', 30]])
})

test('the names of clients and of their metrics need bounded memory', () => {
  const { telemetry, time } = setUp({ metrics: '*', 'interval.ms': '1000' })
  // In a key, a control character is six.
  const labels = Array.from({ length: 16 }, (_, index) => label(`${index}`, '\u0001'.repeat(128)))
  const metrics = metricsData(...Array.from({ length: 4 }, (_, n) => gauge(`m${n}`, 1, ...labels)))
  const loud = { ...caller, client_id: 'x'.repeat(32_000) }
  const push = (n: number) => {
    const clientInstanceId = `${n}`.padStart(21, 'C').concat('A') as Uuid
    const { subscriptionId } = telemetry.subscribe(clientInstanceId, loud)
    telemetry.push({ clientInstanceId, subscriptionId, terminating: false, compressionType: 0, metrics }, loud, 2 ** 20)
  }
  const texts = () => [...telemetry.series()].map(({ name, attributes }) => JSON.stringify([name, attributes]).length)
  const characters = () => texts().reduce((sum, length) => sum + length, 0)
  for (let n = 0; n < 200; n++) push(n)
  assert.ok(characters() > 2 ** 21 && characters() <= 2 ** 22, `${characters()} characters`)
  assert.ok([...telemetry.series()].every(({ client }) => client.client_id.length === 256))
  time.ms += 600_000
  push(1_000)
  assert.equal(texts().length, 4)
})

test('garbage is refused and bounded', () => {
  const { telemetry, push, shown, time } = setUp({ metrics: '*', 'interval.ms': '100' })
  const { subscriptionId } = telemetry.subscribe(id, caller)
  const whole = metricsData(gauge('g', 1))
  for (const bad of [whole.subarray(0, whole.length - 1), Buffer.alloc(20, 255), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f])]) {
    refuses('INVALID_RECORD', () => push(bad, { subscriptionId }))
    time.ms += 100
  }
  refuses('TELEMETRY_TOO_LARGE', () => push(gzipSync(Buffer.alloc(2_000_000)), { subscriptionId, compressionType: 1 }))
  time.ms += 100
  // Two hundred kilobytes of the smallest fields, within what may be decompressed.
  const fields = gzipSync(Buffer.alloc(220_000, Buffer.from([0x08, 0x01])), { level: 1 })
  refuses('INVALID_RECORD', () => push(Buffer.concat([fields, Buffer.alloc(5_000)]), { subscriptionId, compressionType: 1 }))
  for (let round = 0; round < 4; round++) {
    time.ms += 100
    push(metricsData(...Array.from({ length: 200 }, (_, index) => gauge(`m${round}.${index}`, 1))), { subscriptionId })
  }
  assert.equal(shown().length, 500)
})
