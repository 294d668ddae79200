import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startBroker } from '../../src/millrace.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, findCoordinator, type RawClient } from '../support/client.ts'

/** Far longer than the grace of a shutdown, behind which connections are closed without an answer. */
const longMs = 60_000

async function join(client: RawClient, group: string, memberId = '') {
  return client.request(apis.joinGroup, 5, {
    groupId: group,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: longMs,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  })
}

test('a broker that closes answers what waits: fetches, joins and share fetches', async () => {
  const broker = await startBroker({ memory: true, config: { 'group.initial.rebalance.delay.ms': longMs } })
  const clients = await Promise.all(Array.from({ length: 3 }, () => connect(broker.port)))
  const [fetcher, joiner, sharer] = clients as [RawClient, RawClient, RawClient]
  const topicId = await createTopic(fetcher, 'quiet')
  await findCoordinator(joiner, 'waiting')

  const fetched = fetchRecords(fetcher, 'quiet', 0, { maxWaitMs: longMs })
  const first = await join(joiner, 'waiting')
  assert.equal(first.errorCode, errorCode('MEMBER_ID_REQUIRED'))
  const joined = join(joiner, 'waiting', first.memberId)

  const memberId = 'AAAAAAAAAAAAAAAAAAAAAA'
  const group = { groupId: 'sharers', memberId }
  await sharer.request(apis.shareGroupHeartbeat, 1, { ...group, memberEpoch: 0, rackId: null, subscribedTopicNames: ['quiet'] })
  const shared = sharer.request(apis.shareFetch, 1, {
    ...group,
    shareSessionEpoch: 0,
    maxWaitMs: longMs,
    minBytes: 1,
    maxBytes: 1000,
    maxRecords: 10,
    batchSize: 10,
    topics: [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches: [] }] }],
    forgottenTopicsData: [],
  })
  await sleep(50)
  await broker.close()
  assert.equal((await fetched).errorCode, 0)
  assert.equal((await joined).errorCode, errorCode('NOT_COORDINATOR'))
  assert.equal((await shared).errorCode, 0)
})

test('a follower that waits for its assignment is sent away', async () => {
  const broker = await startBroker({ memory: true })
  const [one, other] = (await Promise.all([connect(broker.port), connect(broker.port)])) as [RawClient, RawClient]
  await findCoordinator(one, 'pair')
  const ids = [await join(one, 'pair'), await join(other, 'pair')].map(answer => answer.memberId)
  const [leader, follower] = await Promise.all([join(one, 'pair', ids[0]), join(other, 'pair', ids[1])])
  const [client, member] = leader.leader === leader.memberId ? [other, follower] : [one, leader]
  const synced = client.request(apis.syncGroup, 3, {
    groupId: 'pair',
    generationId: member.generationId,
    memberId: member.memberId,
    groupInstanceId: null,
    assignments: [],
  })
  await sleep(50)
  await broker.close()
  assert.equal((await synced).errorCode, errorCode('NOT_COORDINATOR'))
})

test('a script that does not close its broker in memory ends by itself; with keepAlive it would not', async () => {
  const millrace = new URL('../../src/millrace.ts', import.meta.url)
  const run = (options: string, patienceMs: number) => {
    const script = `const { startBroker } = await import(${JSON.stringify(millrace.href)})
      const broker = await startBroker(${options})
      const { openClient } = await import(${JSON.stringify(new URL('../../src/client.ts', import.meta.url).href)})
      const client = openClient({ bootstrap: broker.address, properties: {} })
      console.log((await client.topicNames()).length)
      await client.close()
      setTimeout(() => { console.log('was kept alive'); process.exit() }, ${patienceMs}).unref()`
    return promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
    })
  }
  assert.equal((await run('{ memory: true }', 30_000)).stdout, '0\n')
  assert.equal((await run('{ memory: true, keepAlive: true }', 300)).stdout, '0\nwas kept alive\n')
})
