import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns, trustingClock } from '../base.ts'
import { ClientError } from '../channel.ts'
import { batchesIn, type ErrorName, eachRecordOf, errorCode } from '../protocol.ts'
import { RecordSender } from './record-sender.ts'
import type { WriterConnections } from './writer-connections.ts'

/** A cluster with one topic of one partition, which refuses a batch with a `bad` record. Time passes in pauses only. */
function cluster() {
  let nowMs = 0
  const now = () => nowMs
  const after = (ms: number, callback: () => void) => {
    nowMs += ms
    setImmediate(callback)
    return { cancel() {} }
  }
  const system = { ...realSystem(), clock: trustingClock(now, now), timers: { after, soon: setImmediate } }
  /** What the next batches are answered. */
  const answers: (ErrorName | 'UNREACHABLE')[] = []
  const asked: { producer: number; sequence: number; values: string[] }[] = []
  let offset = 0
  let producers = 0
  const produce = async (_api: unknown, { topicData }: { topicData: { partitionData: { records: Buffer }[] }[] }) => {
    const [batch] = batchesIn(topicData[0]!.partitionData[0]!.records)
    const { producerId, baseSequence } = batch!.header
    const values = Array.from(eachRecordOf(batch!, { maxBytes: 1_000_000 }), ({ value }) => String(value))
    asked.push({ producer: Number(producerId), sequence: baseSequence, values })
    await new Promise<void>(resolve => setImmediate(resolve))
    const answer = answers.shift() ?? (values.includes('bad') ? 'INVALID_RECORD' : 'NONE')
    if (answer === 'UNREACHABLE') throw new ClientError(answer, 'away')
    const partition = { errorCode: errorCode(answer), errorMessage: null, baseOffset: offset, recordErrors: [] }
    if (answer === 'NONE') offset += values.length
    return { responses: [{ partitionResponses: [partition] }] }
  }
  const connections = {
    ...{ system, turns: new Turns(system), bootstrap: 'b:1', closing: new AbortController().signal },
    requests: { ask: produce },
    leadersOf: async () => new Map([[0, 1]]),
    forget() {},
  }
  const identify = async () => ({ producerId: ++producers, producerEpoch: 0 })
  const sender = new RecordSender(connections as unknown as WriterConnections, identify as never)
  return { sender, answers, asked }
}

const records = (...values: string[]) => values.map(value => ({ key: null, value: Buffer.from(value) }))
const told = (outcomes: readonly ({ offset: bigint } | ClientError)[]) =>
  outcomes.map(each => (each instanceof ClientError ? each.code : Number(each.offset)))

test('what waits for a partition goes there together, in the order of the calls, and each caller hears of its own records', async () => {
  const { sender, asked } = cluster()
  const [first, second, third, fourth, fifth] = await Promise.all([
    sender.sendEach('t', records('a'), {}),
    sender.sendEach('t', records('b', 'bad', 'c'), {}),
    sender.send('t', records('d', 'e'), {}),
    sender.send('t', records('bad'), {}).catch((error: ClientError) => [error]),
    sender.sendEach('t', records('f'), {}),
  ])
  assert.deepEqual(asked[1], { producer: 1, sequence: 1, values: ['b', 'bad', 'c', 'd', 'e', 'bad', 'f'] })
  assert.deepEqual(told(first), [0])
  assert.deepEqual(told(second), [1, 'INVALID_RECORD', 2])
  assert.deepEqual(third[0], { partition: 0, offset: 3n })
  assert.deepEqual(told(fourth), ['INVALID_RECORD'])
  assert.deepEqual(told(fifth), [5])
  const stored = asked.filter(({ values }) => !values.includes('bad'))
  assert.deepEqual(
    stored.flatMap(({ values }) => values),
    ['a', 'b', 'c', 'd', 'e', 'f'],
  )
  // What was refused has taken no numbers.
  assert.deepEqual(
    stored.map(({ sequence }) => sequence),
    [0, ...stored.slice(1).map((_, n) => stored.slice(0, n + 1).flatMap(each => each.values).length)],
  )
})

test('an attempt whose answer was lost is repeated with its numbers; a partition that does not know the producer is sent to by a new one, once', async () => {
  const { sender, answers, asked } = cluster()
  answers.push('UNREACHABLE', 'NOT_LEADER_OR_FOLLOWER')
  assert.deepEqual(told(await sender.sendEach('t', records('a'), {})), [0])
  answers.push('OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(told(await sender.sendEach('t', records('b'), {})), [1])
  assert.deepEqual(
    asked.map(({ producer, sequence }) => [producer, sequence]),
    [...[1, 2, 3].map(() => [1, 0]), [1, 1], [2, 0]],
  )
  answers.push('UNKNOWN_PRODUCER_ID', 'UNKNOWN_PRODUCER_ID')
  assert.deepEqual(told(await sender.sendEach('t', records('c'), {})), ['UNKNOWN_PRODUCER_ID'])
})

test('when brokers stay away, all that has waited as long hears of it, and what comes later has another producer', async () => {
  const { sender, answers, asked } = cluster()
  assert.deepEqual(told(await sender.sendEach('t', records('a'), {})), [0])
  answers.push(...Array.from({ length: 15 }, (): 'UNREACHABLE' => 'UNREACHABLE'))
  const many = Array.from({ length: 5 }, () => records(...Array.from({ length: 900 }, () => 'b')))
  const outcomes = await Promise.all(many.map(each => sender.sendEach('t', each, {})))
  assert.deepEqual([...new Set(outcomes.flatMap(told))], ['UNREACHABLE'])
  assert.ok(asked.length <= 16, 'tried again by the first of them only')
  answers.length = 0
  assert.deepEqual(told(await sender.sendEach('t', records('c'), {})), [1])
  assert.deepEqual([asked.at(-1)!.producer, asked.at(-1)!.sequence], [2, 0])
})

test('without acks of all there is no producer id, and a failure of one partition is an outcome', async () => {
  const { sender, answers, asked } = cluster()
  answers.push('TOPIC_AUTHORIZATION_FAILED')
  assert.deepEqual(told(await sender.sendEach('t', records('a'), { acks: 1 })), ['TOPIC_AUTHORIZATION_FAILED'])
  assert.deepEqual(await sender.send('t', records('b', 'c'), { acks: 1 }), [{ partition: 0, offset: 0n }])
  assert.deepEqual(
    asked.map(({ producer, sequence }) => [producer, sequence]),
    [
      [-1, -1],
      [-1, -1],
    ],
  )
  const outcomes = await sender.sendEach('t', [...records('d'), { key: null, value: null, partition: 7 }], {})
  assert.deepEqual(told(outcomes), [2, 'UNKNOWN_TOPIC_OR_PARTITION'])
})

test('what is refused for certain leaves the producer to the others; if an attempt before may be stored, all goes on with another one', async () => {
  const { sender, answers, asked } = cluster()
  assert.deepEqual(told(await sender.sendEach('t', records('a'), {})), [0])
  answers.push('TOPIC_AUTHORIZATION_FAILED', 'NOT_ENOUGH_REPLICAS', 'TOPIC_AUTHORIZATION_FAILED')
  for (const value of ['b', 'c']) assert.deepEqual(told(await sender.sendEach('t', records(value), {})), ['TOPIC_AUTHORIZATION_FAILED'])
  assert.deepEqual(told(await sender.sendEach('t', records('d'), {})), [1])
  assert.deepEqual([asked.at(-1)!.producer, asked.at(-1)!.sequence], [1, 1])
  for (const lost of ['UNREACHABLE', 'NOT_LEADER_OR_FOLLOWER', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'] as const) {
    const { producer } = asked.at(-1)!
    answers.push(lost, 'TOPIC_AUTHORIZATION_FAILED')
    assert.deepEqual(told(await sender.sendEach('t', records('e'), {})), ['TOPIC_AUTHORIZATION_FAILED'])
    await sender.sendEach('t', records('f'), {})
    assert.deepEqual([asked.at(-1)!.producer, asked.at(-1)!.sequence], [producer + 1, 0], lost)
  }
})
