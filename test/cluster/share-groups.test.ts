/** Share groups whose group coordinator, share coordinator and partition leader are different brokers (KIP-932, KIP-1191). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, batchesIn, buildBatch, errorName, forEachRecordOf } from '../../src/protocol.ts'
import type { RawClient } from '../support/client.ts'
import { eventually, startTwo, type TwoBrokers } from './two-brokers.ts'

const accept = 1
const reject = 3

/** A group that broker 0 coordinates. Its state for `t-1`, which broker 1 leads, is with broker 0, and that for `t-0` with broker 1. */
async function groupOf(two: TwoBrokers): Promise<string> {
  const { groups, shares } = two.broker(0)
  const groupId = two.nameAt(0, name => groups.partitionFor(name))
  for (const partition of [0, 1]) {
    const kept = shares.partitionFor({ groupId, topicId: two.topicId, partition })
    await two.lead('__share_group_state', kept, 1 - partition)
  }
  return groupId
}

class Member {
  readonly #two: TwoBrokers
  readonly #groupId: string
  readonly #memberId: string
  #client: RawClient | null = null
  #epoch = 0

  constructor(two: TwoBrokers, groupId: string, memberId: string) {
    this.#two = two
    this.#groupId = groupId
    this.#memberId = memberId
  }

  async heartbeat(memberEpoch: number): Promise<void> {
    const { errorCode } = await this.#two.call(0, apis.shareGroupHeartbeat, 1, {
      groupId: this.#groupId,
      memberId: this.#memberId,
      memberEpoch,
      rackId: null,
      subscribedTopicNames: memberEpoch === 0 ? ['t'] : null,
    })
    assert.equal(errorName(errorCode), 'NONE')
  }

  /** From the leader: what was acquired, or the errors of the fetch and of the acknowledgements. */
  async fetch(acknowledged: { first: number; last: number; type: number }[] = []): Promise<string> {
    this.#client ??= await this.#two.client(1)
    const acknowledgementBatches = acknowledged.map(({ first, last, type }) => ({
      firstOffset: first,
      lastOffset: last,
      acknowledgeTypes: [type],
    }))
    const answer = await this.#client.request(apis.shareFetch, 1, {
      groupId: this.#groupId,
      memberId: this.#memberId,
      shareSessionEpoch: this.#epoch,
      maxWaitMs: 0,
      minBytes: 1,
      maxRecords: 100,
      batchSize: 100,
      topics: [{ topicId: this.#two.topicId, partitions: [{ partitionIndex: 1, acknowledgementBatches }] }],
      forgottenTopicsData: [],
    })
    if (answer.errorCode !== 0) return errorName(answer.errorCode)
    this.#epoch++
    const partition = answer.responses[0]?.partitions[0]
    if (partition === undefined) return ''
    const failed = [partition.errorCode, partition.acknowledgeErrorCode].filter(code => code !== 0)
    if (failed.length > 0) return failed.map(errorName).join()
    return partition.acquiredRecords.map(({ firstOffset, lastOffset }) => `${firstOffset}-${lastOffset}`).join()
  }

  leave(): void {
    this.#client?.close()
  }
}

async function joined(two: TwoBrokers, configs: Record<string, string> = {}) {
  const groupId = await groupOf(two)
  const edit = () => new Map(Object.entries({ 'share.auto.offset.reset': 'earliest', ...configs }))
  for (const id of [0, 1]) await two.broker(id).metadata.applyConfigs([{ type: 'GROUP', name: groupId, edit }], false)
  const member = new Member(two, groupId, 'one')
  await member.heartbeat(0)
  return { groupId, member, key: { groupId, topicId: two.topicId, partition: 1 } }
}

async function produce(two: TwoBrokers, ...values: string[]): Promise<void> {
  const records = buildBatch({ records: values.map(value => ({ key: null, value: Buffer.from(value) })) })
  const topicData = [{ name: 't', partitionData: [{ index: 1, records }] }]
  const { responses } = await two.call(1, apis.produce, 9, { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData })
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
}

test('the leader reads and stores the state at the share coordinator', async t => {
  const two = await startTwo(t, { 'http.listen': '127.0.0.1:0' })
  const { groupId, member, key } = await joined(two)
  await produce(two, 'a', 'b', 'c')
  assert.equal(await member.fetch(), '0-2')
  assert.equal(await member.fetch([{ first: 0, last: 1, type: accept }]), '')
  assert.equal((await two.broker(0).shares.read(key))?.startOffset, 2)
  // The leader's death loses nothing of it.
  member.leave()
  await two.stop(1)
  await two.startBroker(1)
  const again = new Member(two, groupId, 'one')
  await eventually(async () => (await again.fetch()) === '2-2')
  const described = await two.call(0, apis.describeShareGroupOffsets, 1, { groups: [{ groupId, topics: null }] })
  const partition = described.groups[0]!.topics[0]!.partitions.find(each => each.partitionIndex === 1)!
  assert.deepEqual([errorName(partition.errorCode), Number(partition.startOffset), Number(partition.lag)], ['NONE', 2, 1])
  // One is led elsewhere; of the other, of which nothing was delivered, the state is elsewhere.
  const page = await (await fetch(`http://127.0.0.1:${two.httpPort(0)}/metrics`)).text()
  const shown = Array.from(page.matchAll(/^millrace_sharegroup_(lag|start_offset)\{.*partition="(\d)"\} (.+)$/gm), found =>
    found.slice(1).join(' '),
  )
  assert.deepEqual(shown.sort(), ['lag 0 -1', 'lag 1 1', 'start_offset 0 -1', 'start_offset 1 2'])
})

test('a group that was never assigned the partition stores nothing', async t => {
  const two = await startTwo(t)
  const groupId = await groupOf(two)
  await produce(two, 'a')
  const stranger = new Member(two, groupId, 'one')
  assert.equal(await stranger.fetch(), '')
  assert.equal(await stranger.fetch(), 'UNKNOWN_SERVER_ERROR')
  assert.equal(await two.broker(0).shares.read({ groupId, topicId: two.topicId, partition: 1 }), null)
})

test('while the share coordinator is away, acknowledgements fail, and what they said is delivered again', async t => {
  const two = await startTwo(t)
  const { groupId, member, key } = await joined(two)
  await produce(two, 'a', 'b')
  assert.equal(await member.fetch(), '0-1')
  await two.stop(0)
  assert.equal(await member.fetch([{ first: 0, last: 0, type: accept }]), 'COORDINATOR_NOT_AVAILABLE')
  await two.startBroker(0)
  member.leave()
  const again = new Member(two, groupId, 'one')
  await eventually(async () => (await again.fetch()) === '0-1')
  assert.equal(await again.fetch([{ first: 0, last: 1, type: accept }]), '')
  assert.equal((await two.broker(0).shares.read(key))?.startOffset, 2)
})

test('while the share coordinator is away, a fetch finds nothing, and what it asked for comes later', async t => {
  const two = await startTwo(t)
  const { groupId, member, key } = await joined(two)
  await produce(two, 'a', 'b')
  assert.equal(await member.fetch(), '0-1')
  member.leave()
  // Broker 1 reads the state again, and broker 0 does not coordinate it as it believes.
  two.broker(1).sharePartitions.forget(groupId)
  const kept = two.broker(0).shares.partitionFor(key)
  const { metadata } = two.broker(0)
  const lead = (leader: number) =>
    metadata.changePartitions([{ topicId: metadata.topicId('__share_group_state')!, partition: kept, leader }])
  await lead(1)
  const again = new Member(two, groupId, 'one')
  assert.equal(await again.fetch(), '')
  await lead(0)
  assert.equal(await eventually(async () => (await again.fetch()) || false), '0-1')
})

test('a group is altered and deleted with its state on another broker', async t => {
  const two = await startTwo(t)
  const { groupId, member } = await joined(two)
  const keys = [0, 1].map(partition => ({ groupId, topicId: two.topicId, partition }))
  await member.heartbeat(-1)
  const altered = await two.call(0, apis.alterShareGroupOffsets, 0, {
    groupId,
    topics: [{ topicName: 't', partitions: [0, 1].map(partitionIndex => ({ partitionIndex, startOffset: 5 })) }],
  })
  assert.equal(errorName(altered.errorCode), 'NONE')
  const read = () => Promise.all(keys.map(key => two.broker(1).shareStates.read(key)))
  assert.deepEqual(
    (await read()).map(state => state?.startOffset),
    [5, 5],
  )
  const { results } = await two.call(0, apis.deleteGroups, 2, { groupsNames: [groupId] })
  assert.equal(errorName(results[0]!.errorCode), 'NONE')
  assert.deepEqual(await read(), [null, null])
})

test('a dead letter goes to the leader of its partition', async t => {
  const two = await startTwo(t)
  const { member } = await joined(two, { 'errors.deadletterqueue.topic.name': 'dlq.dead' })
  const configs = [{ name: 'errors.deadletterqueue.group.enable', value: 'true' }]
  for (const id of [0, 1]) {
    const topic = { name: 'dlq.dead', numPartitions: 2, replicationFactor: 1, assignments: [], configs }
    await two.broker(id).metadata.createTopics([topic], false)
  }
  // Partition 1 of `t` has its letters in partition 1.
  await two.lead('dlq.dead', 1, 0)
  await produce(two, 'a')
  assert.equal(await member.fetch(), '0-0')
  assert.equal(await member.fetch([{ first: 0, last: 0, type: reject }]), '')
  const letters = await eventually(async () => {
    const log = two.broker(0).metadata.partitionByName('dlq.dead', 1)!
    if (log.highWatermark === 0) return false
    const slice = await log.read(0, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'high-watermark' })
    const found: string[] = []
    for (const chunk of slice.chunks)
      for (const batch of batchesIn(chunk))
        forEachRecordOf(batch, ({ headers }) => void found.push(headers.map(({ key, value }) => `${key}=${value}`).join()))
    slice.release()
    return found
  })
  assert.equal(letters.length, 1)
  assert.match(letters[0]!, /__dlq\.errors\.partition=1/)
})
