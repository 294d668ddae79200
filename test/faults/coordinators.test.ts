/** Any number of members, groups, producers and transactional ids: the state that coordinators keep for clients is bounded, and the error names the limit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, buildBatch, errorCode } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, coordinates, createTopic, findCoordinator, produce, type RawClient, requestBytes } from '../support/client.ts'

const tooManyMembers = errorCode('GROUP_MAX_SIZE_REACHED')
const policy = errorCode('POLICY_VIOLATION')

const joining = (groupId: string, over: object = {}) => ({
  groupId,
  sessionTimeoutMs: 1000,
  rebalanceTimeoutMs: 1000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Buffer.alloc(4) }],
  reason: null,
  ...over,
})

/** Sends `count` requests, 500 at a time before it reads an answer. They are made step by step, so that not this test holds up others. */
async function pipeline<T>(count: number, make: (id: number) => Buffer, client: RawClient, read: (frame: Buffer) => T): Promise<T[]> {
  const results: T[] = []
  for (let from = 0; from < count; from += 500) {
    const ids = Array.from({ length: Math.min(500, count - from) }, (_, index) => from + index)
    client.send(Buffer.concat(ids.map(make)))
    for (const _ of ids) results.push(read(await client.nextFrame()))
  }
  return results
}

test('13: ten thousand members that join one group get ids or GROUP_MAX_SIZE_REACHED', () =>
  attack({ 'group.max.size': '100' }, async ({ port }) => {
    const client = await connect(port)
    await findCoordinator(client, 'crowd')
    const request = (id: number) => requestBytes(apis.joinGroup, 5, joining('crowd', { sessionTimeoutMs: 6000 }), id)
    const errors = await pipeline(10_000, request, client, frame => frame.readInt16BE(8))
    assert.equal(errors.filter(error => error === errorCode('MEMBER_ID_REQUIRED')).length, 100)
    assert.equal(errors.filter(error => error === tooManyMembers).length, 9_900)
    client.close()
  }))

test('13: members that tell a megabyte of themselves fill their group, not the memory', () =>
  attack({ 'group.initial.rebalance.delay.ms': '4000' }, async ({ port }) => {
    const before = process.memoryUsage()
    const metadata = Buffer.alloc(2 ** 20)
    const member = joining('big', { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 60_000, protocols: [{ name: 'range', metadata }] })
    const clients: RawClient[] = []
    let refused = 0
    for (let count = 0; count < 60; count++) {
      const client = await connect(port)
      clients.push(client)
      await findCoordinator(client, 'big')
      // Those that are in wait for others: 16 MiB hold 15 of them.
      const answer = client.request(apis.joinGroup, 3, member)
      if (count < 15) answer.catch(() => {})
      else if ((await answer).errorCode === tooManyMembers) refused++
    }
    const after = process.memoryUsage()
    assert.equal(refused, 45)
    const growth = after.external + after.heapUsed - before.external - before.heapUsed
    assert.ok(growth < 128 * 2 ** 20, `memory grew by ${Math.round(growth / 2 ** 20)} MiB`)
    for (const client of clients) client.close()
  }))

test('13: ten thousand members of the consumer and share protocols, and groups without end', () =>
  attack({ 'group.consumer.max.size': '50', 'group.share.max.size': '40', 'max.groups': '200' }, async ({ port }) => {
    const client = await connect(port)
    await findCoordinator(client, 'crowd')
    const consumer = (groupId: string, id: number) =>
      requestBytes(
        apis.consumerGroupHeartbeat,
        1,
        {
          groupId,
          memberId: `member-${id}`,
          memberEpoch: 0,
          instanceId: null,
          rackId: null,
          rebalanceTimeoutMs: 1000,
          subscribedTopicNames: ['innocent'],
          subscribedTopicRegex: null,
          serverAssignor: null,
          topicPartitions: [],
        },
        id,
      )
    const share = (groupId: string, id: number) =>
      requestBytes(
        apis.shareGroupHeartbeat,
        1,
        { groupId, memberId: `member-${id}`, memberEpoch: 0, rackId: null, subscribedTopicNames: ['innocent'] },
        id,
      )
    // Size, correlation id, tags, throttle time, error.
    const errorOf = (frame: Buffer) => frame.readInt16BE(9)
    const count = (errors: readonly number[], error: number) => errors.filter(each => each === error).length
    const members = await pipeline(10_000, id => consumer('crowd', id), client, errorOf)
    assert.deepEqual([count(members, 0), count(members, tooManyMembers)], [50, 9_950])
    const sharing = await pipeline(2_000, id => share('sharing', id), client, errorOf)
    assert.deepEqual([count(sharing, 0), count(sharing, tooManyMembers)], [40, 1_960])
    const groups = await pipeline(5_000, id => (id % 2 === 0 ? consumer : share)(`group-${id}`, id), client, errorOf)
    assert.deepEqual([count(groups, 0), count(groups, policy)], [198, 4_802])
    client.close()
  }))

test('13: timeouts and texts that are too long are refused by name', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'committed')
    await findCoordinator(client, 'short')
    for (const sessionTimeoutMs of [1, 0, -1, 1_800_001, 2 ** 31 - 1]) {
      const answer = await client.request(apis.joinGroup, 5, joining('short', { sessionTimeoutMs }))
      assert.equal(answer.errorCode, errorCode('INVALID_SESSION_TIMEOUT'), `${sessionTimeoutMs}`)
    }
    await findCoordinator(client, 'tx', coordinates.transaction)
    for (const transactionTimeoutMs of [900_001, 2 ** 31 - 1, 0, -1]) {
      const answer = await client.request(apis.initProducerId, 5, { ...anew, transactionalId: 'slow', transactionTimeoutMs })
      assert.equal(answer.errorCode, errorCode('INVALID_TRANSACTION_TIMEOUT'), `${transactionTimeoutMs}`)
    }
    for (const [length, error] of [
      [4096, 0],
      [4097, errorCode('OFFSET_METADATA_TOO_LARGE')],
    ] as const) {
      const { topics } = await client.request(apis.offsetCommit, 8, {
        groupId: 'short',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [
          {
            name: 'committed',
            partitions: [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: 'x'.repeat(length) }],
          },
        ],
      })
      assert.equal(topics[0]!.partitions[0]!.errorCode, error)
    }
    client.close()
  }))

const anew = { transactionalId: null as string | null, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }

test('14: a hundred thousand producer ids take no memory, and a partition remembers only so many of those that wrote', () =>
  attack({ 'max.producer.ids.per.partition': '500' }, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'written')
    const init = (id: number) => requestBytes(apis.initProducerId, 1, anew, id)
    const ids = await pipeline(100_000, init, client, frame => {
      assert.equal(frame.readInt16BE(8), 0)
      return Number(frame.readBigInt64BE(10))
    })
    assert.equal(new Set(ids).size, ids.length)
    for (const producerId of ids.slice(0, 3_000)) {
      const records = [{ key: null, value: Buffer.from('x'), headers: [] }]
      const batch = buildBatch({ records, timestamp: Date.now(), producerId, producerEpoch: 0, baseSequence: 0 })
      assert.equal((await produce(client, 'written', batch)).errorCode, 0)
    }
    const { topics } = await client.request(apis.describeProducers, 0, { topics: [{ name: 'written', partitionIndexes: [0] }] })
    const active = topics[0]!.partitions[0]!.activeProducers.map(({ producerId }) => producerId)
    assert.ok(active.length <= 500 && active.length > 400, `${active.length} producers`)
    assert.ok(active.includes(ids[2_999]!) && !active.includes(ids[0]!), 'the newest stay, the oldest go')
    client.close()
  }))

test('14: twenty thousand transactional ids: the longest idle ones expire; when all are in use, no more are accepted', () =>
  attack({ 'max.transactional.ids': '500', 'transaction.state.log.num.partitions': '5' }, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'written')
    await findCoordinator(client, 'tx', coordinates.transaction)
    const init = (transactionalId: string, id: number) => requestBytes(apis.initProducerId, 1, { ...anew, transactionalId }, id)
    const errorOf = (frame: Buffer) => frame.readInt16BE(8)
    const errors = await pipeline(20_000, id => init(`tx-${id}`, id), client, errorOf)
    assert.ok(errors.every(error => error === 0))
    const { transactionStates } = await client.request(apis.listTransactions, 0, { stateFilters: [], producerIdFilters: [] })
    assert.equal(transactionStates.length, 500)
    // In each a transaction is begun: none of them may be forgotten now.
    const begin = (id: number) => {
      const { transactionalId, producerId } = transactionStates[id]!
      const producer = { v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: 0 }
      const v3AndBelowTopics = [{ name: 'written', partitions: [0] }]
      return requestBytes(apis.addPartitionsToTxn, 3, { ...producer, v3AndBelowTopics }, id)
    }
    await pipeline(500, begin, client, frame => frame)
    const more = await pipeline(1_000, id => init(`more-${id}`, id), client, errorOf)
    assert.ok(more.every(error => error === policy))
    client.close()
  }))
