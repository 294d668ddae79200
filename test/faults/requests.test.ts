/** Well-formed requests that ask for too much. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { apis } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, createTopic, produce, requestBytes } from '../support/client.ts'

const invalidTopic = 17
const policyViolation = 44
const invalidPartitions = 37

test('11: CreateTopics refuses too many partitions, too many topics and names that are none', () =>
  attack({ 'cluster.max.topics': '50', 'cluster.max.partitions': '1000' }, async ({ port }) => {
    const client = await connect(port)
    const create = async (topics: { name: string; numPartitions: number }[]) => {
      const all = topics.map(topic => ({ ...topic, replicationFactor: 1, assignments: [], configs: [] }))
      return (await client.request(apis.createTopics, 7, { topics: all, timeoutMs: 10_000, validateOnly: false })).topics
    }
    for (const numPartitions of [1_000_000, 2 ** 31 - 1, 1001]) {
      const [topic] = await create([{ name: 'huge', numPartitions }])
      assert.ok([policyViolation, invalidPartitions].includes(topic!.errorCode), `${numPartitions} partitions: ${topic!.errorCode}`)
    }
    for (const name of ['', '.', '..', 'a/b', '../../etc/passwd', 'a\0b', 'x'.repeat(250), 'sp ace', 'ü']) {
      const [topic] = await create([{ name, numPartitions: 1 }])
      assert.equal(topic!.errorCode, invalidTopic, JSON.stringify(name))
    }
    const many = await create(Array.from({ length: 10_000 }, (_, index) => ({ name: `many-${index}`, numPartitions: 1 })))
    const made = many.filter(topic => topic.errorCode === 0).length
    assert.equal(many.length, 10_000)
    assert.ok(made < 50, `${made} of 10,000 topics were made`)
    assert.ok(many.every(topic => topic.errorCode === 0 || topic.errorCode === policyViolation))
    client.close()
  }))

test('12: a fetch of 100,000 partitions with the longest wait is answered', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'fetched')
    await produce(client, 'fetched', buildBatch({ values: ['x'.repeat(500_000)], timestampMs: Date.now() }))
    const partition = (index: number) => ({ partition: index, fetchOffset: 0, partitionMaxBytes: 2 ** 31 - 1 })
    const partitions = Array.from({ length: 100_000 }, (_, index) => partition(index))
    const request = { maxWaitMs: 2 ** 31 - 1, minBytes: 1, maxBytes: 2 ** 31 - 1, isolationLevel: 0, forgottenTopicsData: [] }
    const { responses } = await client.request(apis.fetch, 11, { ...request, topics: [{ topic: 'fetched', partitions }] })
    const answers = responses[0]!.partitions
    assert.equal(answers.length, 100_000)
    assert.equal(answers.filter(answer => answer.errorCode === 3).length, 99_999)
    // The same partition again and again must not multiply what is sent.
    const again = await client.request(apis.fetch, 11, {
      ...request,
      topics: [{ topic: 'fetched', partitions: Array(2000).fill(partition(0)) }],
    })
    const bytes = again.responses.flatMap(each => each.partitions).reduce((sum, each) => sum + (each.records?.length ?? 0), 0)
    assert.ok(bytes <= 56 * 2 ** 20, `${bytes} bytes in one answer`)
    client.close()
  }))

test('12: a session with fifty thousand partitions that are not there is one of few', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const names = Array.from({ length: 50 }, (_, index) => `not-there-${index}`)
    const partitions = Array.from({ length: 1000 }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 }))
    const frame = requestBytes(apis.fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1000,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: 0,
      topics: names.map(topic => ({ topic, partitions })),
      forgottenTopicsData: [],
    })
    let sessions = 0
    for (let count = 0; count < 8; count++) {
      client.send(frame)
      const answer = await client.nextFrame()
      // Correlation id, throttle time, error, session id.
      if (answer.readInt32BE(10) !== 0) sessions++
      await sleep(1)
    }
    assert.equal(sessions, 4)
    client.close()
  }))

test('12: a session reports a hundred thousand unknown partitions only once, and immediately when one of them is created', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const session = { maxWaitMs: 0, minBytes: 1, maxBytes: 1000, isolationLevel: 0, forgottenTopicsData: [] }
    const partitions = Array.from({ length: 100_000 }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 }))
    const full = await client.request(apis.fetch, 11, {
      ...session,
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: 'later', partitions }],
    })
    assert.equal(full.responses[0]!.partitions.filter(({ errorCode }) => errorCode === 3).length, 100_000)
    let sessionEpoch = 1
    const next = async (asked: { partition: number; fetchOffset: number; partitionMaxBytes: number }[] = [], maxWaitMs = 0) => {
      const topics = asked.length === 0 ? [] : [{ topic: 'later', partitions: asked }]
      const request = { ...session, maxWaitMs, sessionId: full.sessionId, sessionEpoch: sessionEpoch++, topics }
      const { errorCode, responses } = await client.request(apis.fetch, 11, request)
      assert.equal(errorCode, 0)
      return responses.flatMap(topic => topic.partitions)
    }
    for (let round = 0; round < 20; round++) assert.deepEqual(await next(), [])
    const waited = performance.now()
    assert.deepEqual(await next([], 100), [])
    assert.ok(performance.now() - waited > 90, 'nothing new, so the fetch waits')
    assert.deepEqual(
      (await next([partitions[7]!])).map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
      [[7, 3]],
    )
    const other = await connect(port)
    await createTopic(other, 'later', 2)
    assert.deepEqual(
      (await next()).map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
      [
        [0, 0],
        [1, 0],
      ],
    )
    other.close()
    client.close()
  }))

test('12: fetch sessions are bounded', () =>
  attack({ 'max.incremental.fetch.session.cache.slots': '100' }, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'sessions')
    let sessions = 0
    for (let count = 0; count < 500; count++) {
      const answer = await client.request(apis.fetch, 11, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1000,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: 0,
        topics: [{ topic: 'sessions', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
        forgottenTopicsData: [],
      })
      assert.equal(answer.errorCode, 0)
      if (answer.sessionId !== 0) sessions++
    }
    assert.equal(sessions, 100)
    client.close()
  }))
