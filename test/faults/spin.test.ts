/** Loops that wait for something that can fail: they do not block anything else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, createTopic } from '../support/client.ts'

test('a session with a reported error of a partition waits for the others, and blocks nobody', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'orders')
    const session = { maxWaitMs: 0, minBytes: 1, maxBytes: 1000, isolationLevel: 0, forgottenTopicsData: [] }
    const partitions = [{ partition: 0, currentLeaderEpoch: 7, fetchOffset: 0, partitionMaxBytes: 1000 }]
    const full = { ...session, sessionId: 0, sessionEpoch: 0, topics: [{ topic: 'orders', partitions }] }
    const { sessionId, responses } = await client.request(apis.fetch, 11, full)
    assert.equal(responses[0]!.partitions[0]!.errorCode, 75)
    let turns = 0
    const timer = setInterval(() => turns++, 10)
    await client.request(apis.fetch, 11, { ...session, maxWaitMs: 400, sessionId, sessionEpoch: 1, topics: [] })
    clearInterval(timer)
    assert.ok(turns > 5, `${turns} turns of the event loop in 400 ms`)
    client.close()
  }))
