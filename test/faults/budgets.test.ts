/** Every request is checked against the budget of its API before its handler runs: `src/broker/dispatch/cost.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../sim/world/batches.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import { attack, expectClosed } from '../support/attack.ts'
import { connect, createTopic, fetchRecords, produce, requestBytes } from '../support/client.ts'

const invalidRequest = errorCode('INVALID_REQUEST')

test('a request with too many entries is refused in the terms of its API', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const many = Array.from({ length: 150_000 }, (_, n) => `name-${n}`)
    const { groups } = await client.request(apis.describeGroups, 5, { groups: many, includeAuthorizedOperations: false })
    assert.equal(groups.length, 120_000)
    assert.ok(groups.every(({ groupId, errorCode }, index) => groupId === many[index] && errorCode === invalidRequest))
    const partitions = many.map((_, index) => ({ partitionIndex: index, timestamp: -1 }))
    const listed = await client.request(apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics: [{ name: 't', partitions }] })
    assert.equal(listed.topics[0]!.partitions[119_998]!.errorCode, invalidRequest)
    assert.equal(listed.topics[0]!.partitions.length, 119_999)
    client.close()
  }))

test('what a request names again is answered once', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const groups = Array<string>(3_000).fill('g')
    assert.equal((await client.request(apis.describeGroups, 5, { groups, includeAuthorizedOperations: false })).groups.length, 1)
    const fetched = await client.request(apis.offsetFetch, 9, { groups: groups.map(groupId => ({ groupId, topics: null })) })
    assert.equal(fetched.groups.length, 1)
    client.close()
  }))

test('a produce request that was refused for its number of partitions without acks closes the connection, as any other failure', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'produced')
    const records = buildBatch({ values: ['v'], timestampMs: Date.now() })
    const partitionData = Array.from({ length: 150_000 }, (_, index) => ({ index, records: index === 0 ? records : null }))
    const request = (acks: number) => ({ transactionalId: null, acks, timeoutMs: 1_000, topicData: [{ name: 'produced', partitionData }] })
    const { responses } = await client.request(apis.produce, 9, request(-1))
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, invalidRequest)
    assert.equal((await produce(client, 'produced', records)).baseOffset, 0)
    client.send(requestBytes(apis.produce, 9, request(0)))
    await expectClosed(client, 'acks=0')
    const other = await connect(port)
    assert.equal((await fetchRecords(other, 'produced', 0)).highWatermark, 1)
    other.close()
  }))

test('the partitions of a large produce request, read in slices, are stored', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'wide', 900)
    const records = buildBatch({ values: ['v'], timestampMs: Date.now() })
    const partitionData = Array.from({ length: 3_000 }, (_, index) => ({ index, records: index < 900 ? records : null }))
    const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [{ name: 'wide', partitionData }] }
    const { responses } = await client.request(apis.produce, 9, request)
    const codes = responses[0]!.partitionResponses.map(({ errorCode }) => errorCode)
    assert.equal(codes.filter(code => code === 0).length, 900)
    assert.deepEqual((await fetchRecords(client, 'wide', 0, { partition: 899 })).highWatermark, 1)
    client.close()
  }))
