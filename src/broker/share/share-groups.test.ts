/** Share groups through a whole broker: sessions, locks, what a broken connection and a restart leave behind (KIP-932). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, test } from 'node:test'
import { type FileSystem, memoryFileSystem, realSystem } from '../../base.ts'
import { loadBrokerConfig, startBroker } from '../../broker.ts'
import { silentLogger } from '../../logger.ts'
import {
  type Api,
  apis,
  buildBatch,
  decodeResponse,
  encodeRequest,
  errorName,
  type InputOf,
  KafkaError,
  type MessageOf,
  type Uuid,
} from '../../protocol.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const groupId = 's'
const accept = 1
const release = 2

class Client {
  readonly #socket: net.Socket
  readonly #memberId: string
  readonly #groupId: string
  #epoch = 0
  #received = Buffer.alloc(0)
  #answered: (() => void) | null = null

  constructor(socket: net.Socket, memberId: string, group: string) {
    this.#socket = socket
    this.#memberId = memberId
    this.#groupId = group
    socket.on('data', data => {
      this.#received = Buffer.concat([this.#received, data])
      if (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) this.#answered?.()
    })
  }

  async call<A extends Api>(api: A, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const answered = new Promise<void>(resolve => {
      this.#answered = resolve
    })
    this.#socket.write(Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: null }, request).buffers))
    await answered
    const reply = this.#received
    this.#received = Buffer.alloc(0)
    return decodeResponse(api, version, reply, version >= api.flexibleFrom ? 9 : 8)
  }

  async produce(...values: string[]): Promise<void> {
    const records = buildBatch({ records: values.map(value => ({ key: null, value: Buffer.from(value) })) })
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }]
    const { responses } = await this.call(apis.produce, 9, { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
  }

  /** What was acquired, or the error. `acknowledged`: a batch of earlier records. */
  async fetch(topicId: Uuid, acknowledged: [first: number, last: number, type: number][] = [], maxWaitMs = 0, epoch = this.#epoch) {
    const acknowledgementBatches = acknowledged.map(([firstOffset, lastOffset, type]) => ({
      firstOffset,
      lastOffset,
      acknowledgeTypes: [type],
    }))
    const named = epoch === 0 || acknowledged.length > 0
    const answer = await this.call(apis.shareFetch, 1, {
      groupId: this.#groupId,
      memberId: this.#memberId,
      shareSessionEpoch: epoch,
      maxWaitMs,
      minBytes: 1,
      maxRecords: 100,
      batchSize: 100,
      topics: named ? [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }] : [],
      forgottenTopicsData: [],
    })
    if (answer.errorCode !== 0) return errorName(answer.errorCode)
    if (epoch === this.#epoch) this.#epoch++
    const partition = answer.responses[0]?.partitions[0]
    if (partition === undefined) return ''
    if (partition.errorCode !== 0) return errorName(partition.errorCode)
    if (partition.acknowledgeErrorCode !== 0) return errorName(partition.acknowledgeErrorCode)
    return partition.acquiredRecords
      .map(({ firstOffset, lastOffset, deliveryCount }) => `${firstOffset}-${lastOffset} x${deliveryCount}`)
      .join()
  }

  async acknowledge(topicId: Uuid, first: number, last: number, type: number): Promise<string> {
    const acknowledgementBatches = [{ firstOffset: first, lastOffset: last, acknowledgeTypes: [type] }]
    const answer = await this.call(apis.shareAcknowledge, 1, {
      groupId: this.#groupId,
      memberId: this.#memberId,
      shareSessionEpoch: this.#epoch,
      topics: [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
    })
    if (answer.errorCode !== 0) return errorName(answer.errorCode)
    this.#epoch++
    return errorName(answer.responses[0]!.partitions[0]!.errorCode)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

async function startAt(files: FileSystem) {
  const config = loadBrokerConfig({
    set: {
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'http.listen': 'none',
      'log.dirs': '/data',
      'num.partitions': 1,
      'offsets.topic.num.partitions': 1,
    },
  })
  const running = await startBroker({ system: realSystem(files), config, logger: silentLogger, onFatal: assert.fail, onThisMachine: false })
  open.push(running)
  const connect = async (memberId: string, group = groupId) => {
    const socket = net.connect(running.ports.get('PLAINTEXT')!, '127.0.0.1')
    await once(socket, 'connect')
    const client = new Client(socket, memberId, group)
    open.push({ close: () => client.destroy() })
    return client
  }
  return { running, connect }
}

async function started() {
  const files = memoryFileSystem()
  const { running, connect } = await startAt(files)
  const admin = await connect('admin')
  const [topic] = await running.broker.metadata.createTopics(
    [{ name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    false,
  )
  assert.ok(topic !== undefined && 'id' in topic)
  const edit = () => new Map([['share.auto.offset.reset', 'earliest']])
  await running.broker.metadata.applyConfigs([{ type: 'GROUP', name: groupId, edit }], false)
  await running.broker.groups.locate(groupId)
  const joining = { groupId, memberId: 'admin', memberEpoch: 0, rackId: null, subscribedTopicNames: ['t'] }
  assert.equal((await admin.call(apis.shareGroupHeartbeat, 1, joining)).errorCode, 0)
  return { files, running, connect, admin, topicId: topic.id }
}

test('a record belongs to one member until it is acknowledged, released, or the connection breaks', async () => {
  const { connect, admin, topicId } = await started()
  await admin.produce('a', 'b', 'c')
  const one = await connect('one')
  const two = await connect('two')
  assert.equal(await one.fetch(topicId), '0-2 x1')
  assert.equal(await two.fetch(topicId), '')
  assert.equal(await two.fetch(topicId, [[0, 0, accept]]), 'INVALID_RECORD_STATE')
  assert.equal(await one.acknowledge(topicId, 0, 0, accept), 'NONE')
  assert.equal(await one.acknowledge(topicId, 1, 1, release), 'NONE')
  assert.equal(await two.fetch(topicId), '1-1 x2')
  const waiting = two.fetch(topicId, [], 10_000)
  one.destroy()
  // Nobody had seen it: the delivery does not count.
  assert.equal(await waiting, '2-2 x1')
})

test('a fetch waits for new records, and answers acknowledgements immediately', async () => {
  const { connect, admin, topicId } = await started()
  const one = await connect('one')
  const waiting = one.fetch(topicId, [], 10_000)
  await admin.produce('a')
  assert.equal(await waiting, '0-0 x1')
  const begun = performance.now()
  assert.equal(await one.fetch(topicId, [[0, 0, accept]], 10_000), '')
  assert.ok(performance.now() - begun < 5_000)
})

test('sessions follow their epochs', async () => {
  const { connect, topicId } = await started()
  const one = await connect('one')
  assert.equal(await one.fetch(topicId, [], 0, 5), 'SHARE_SESSION_NOT_FOUND')
  assert.equal(await one.acknowledge(topicId, 0, 0, accept), 'INVALID_SHARE_SESSION_EPOCH')
  assert.equal(await one.fetch(topicId), '')
  assert.equal(await one.fetch(topicId, [], 0, 7), 'INVALID_SHARE_SESSION_EPOCH')
  assert.equal(await one.fetch(topicId, [], 0, -1), '')
  assert.equal(await one.fetch(topicId, [], 0, 1), 'SHARE_SESSION_NOT_FOUND')
})

test('the request that begins a session cannot acknowledge: it gets an error, and the former session stays', async () => {
  const { connect, admin, topicId } = await started()
  await admin.produce('a', 'b')
  const one = await connect('one')
  assert.equal(await one.fetch(topicId, [[0, 0, accept]]), 'INVALID_REQUEST')
  assert.equal(await one.fetch(topicId), '0-1 x1')
  assert.equal(await one.fetch(topicId, [[0, 0, accept]], 0, 0), 'INVALID_REQUEST')
  assert.equal(await one.acknowledge(topicId, 0, 1, accept), 'NONE')
})

test('what was acknowledged stays so after a restart', async () => {
  const { files, running, connect, admin, topicId } = await started()
  await admin.produce('a', 'b', 'c', 'd')
  const one = await connect('one')
  assert.equal(await one.fetch(topicId), '0-3 x1')
  assert.equal(await one.acknowledge(topicId, 0, 1, accept), 'NONE')
  assert.equal(await one.acknowledge(topicId, 3, 3, accept), 'NONE')
  open.splice(0)
  one.destroy()
  admin.destroy()
  await running.close()
  const again = await startAt(files)
  const two = await again.connect('two')
  assert.equal(await two.fetch(topicId), '2-2 x1')
})

test('brokers read, write and delete the state of partitions', async () => {
  const { admin, topicId } = await started()
  const place = <P>(more: P) => ({ groupId, topics: [{ topicId, partitions: [{ partition: 0, ...more }] }] })
  const key = `${groupId}:${topicId}:0`
  const found = await admin.call(apis.findCoordinator, 6, { key: '', keyType: 2, coordinatorKeys: [key, 'nonsense'] })
  assert.deepEqual(
    found.coordinators.map(({ errorCode }) => errorName(errorCode)),
    ['NONE', 'INVALID_REQUEST'],
  )
  const stateBatches = [{ firstOffset: 7, lastOffset: 8, deliveryState: 2, deliveryCount: 1 }]
  const change = { stateEpoch: 3, leaderEpoch: 1, startOffset: 6, deliveryCompleteCount: 2, stateBatches }
  const write = async () => errorName((await admin.call(apis.writeShareGroupState, 1, place(change))).results[0]!.partitions[0]!.errorCode)
  assert.equal(await write(), 'INVALID_REQUEST')
  await admin.call(apis.initializeShareGroupState, 0, place({ stateEpoch: 3, startOffset: 5 }))
  assert.equal(await write(), 'NONE')
  const read = async () => (await admin.call(apis.readShareGroupState, 0, place({ leaderEpoch: 1 }))).results[0]!.partitions[0]!
  const fine = { partition: 0, errorCode: 0, errorMessage: null }
  assert.deepEqual(await read(), { ...fine, stateEpoch: 3, startOffset: 6, stateBatches })
  const summary = await admin.call(apis.readShareGroupStateSummary, 1, place({ leaderEpoch: 1 }))
  const standing = { stateEpoch: 3, leaderEpoch: 1, startOffset: 6, deliveryCompleteCount: 2 }
  assert.deepEqual(summary.results[0]!.partitions[0]!, { ...fine, ...standing })
  await admin.call(apis.deleteShareGroupState, 0, place({}))
  const { errorCode, errorMessage, startOffset } = await read()
  assert.deepEqual([errorName(errorCode), startOffset], ['INVALID_REQUEST', 0])
  assert.equal(errorMessage, 'Read operation on uninitialized share partition not allowed.')
  const gone = await admin.call(apis.readShareGroupStateSummary, 1, place({ leaderEpoch: 1 }))
  assert.deepEqual([gone.results[0]!.partitions[0]!.errorCode, gone.results[0]!.partitions[0]!.startOffset], [0, -1])
})

test('when another leader begins or deletes the state of its partition, members keep what they hold of others', async () => {
  const { running, connect, admin, topicId } = await started()
  const [topic] = await running.broker.metadata.createTopics(
    [{ name: 'other', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    false,
  )
  assert.ok(topic !== undefined && 'id' in topic)
  await admin.produce('a')
  const one = await connect('one')
  const two = await connect('two')
  assert.equal(await one.fetch(topicId), '0-0 x1')
  const topics = [{ topicId: topic.id, partitions: [{ partition: 0, stateEpoch: 0, startOffset: 0 }] }]
  await admin.call(apis.initializeShareGroupState, 0, { groupId, topics })
  assert.equal(await two.fetch(topicId), '')
  await admin.call(apis.deleteShareGroupState, 0, { groupId, topics })
  assert.equal(await two.fetch(topicId), '')
  assert.equal(await one.acknowledge(topicId, 0, 0, accept), 'NONE')
})

test('a group can fetch only partitions that were assigned to it, and nothing is stored for others', async () => {
  const { running, connect, admin, topicId } = await started()
  await admin.produce('a')
  const stranger = await connect('one', 'made up')
  assert.equal(await stranger.fetch(topicId), '')
  assert.equal(await stranger.fetch(topicId), 'UNKNOWN_SERVER_ERROR')
  assert.equal(await stranger.acknowledge(topicId, 0, 0, accept), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(await running.broker.shares.read({ groupId: 'made up', topicId, partition: 0 }), null)
})

test('a member is not told that a coordinator is away, which its client would not survive; it gets its records when that is back', async () => {
  const { running, connect, admin, topicId } = await started()
  await admin.produce('a')
  const one = await connect('one')
  const { shares } = running.broker
  const original = shares.read
  for (const name of ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS'] as const) {
    shares.read = () => Promise.reject(new KafkaError(name))
    assert.equal(await one.fetch(topicId), '', name)
  }
  shares.read = original
  assert.equal(await one.fetch(topicId), '0-0 x1')
})

test('a fetch of a partition that is offline tells so, and then waits without looking again and again', async () => {
  const { running, connect, topicId } = await started()
  const one = await connect('one')
  assert.equal(await one.fetch(topicId), '')
  const log = running.broker.metadata.partition(topicId, 0)!
  Object.assign(log, { offline: 'as a test wants it' })
  let looks = 0
  const read = log.read.bind(log)
  log.read = (from, limit) => {
    looks++
    return read(from, limit)
  }
  assert.notEqual(await one.fetch(topicId), '')
  assert.equal(await one.fetch(topicId, [], 200), '')
  assert.ok(looks < 10, `${looks} looks`)
})

test('nothing is kept for a deleted topic', async () => {
  const { running, connect, admin, topicId } = await started()
  await admin.produce('a')
  const one = await connect('one')
  assert.equal(await one.fetch(topicId), '0-0 x1')
  const { metadata, groups, shares } = running.broker
  await metadata.deleteTopics([topicId])
  while ((await groups.shareGroupTopics(groupId)).size > 0 || (await shares.read({ groupId, topicId, partition: 0 })) !== null) {
    await new Promise(resolve => setImmediate(resolve))
  }
})

test('a group whose state cannot be deleted now does not prevent the deletion of others in the request', async () => {
  const { running, admin } = await started()
  const leaving = { groupId, memberId: 'admin', memberEpoch: -1, rackId: null, subscribedTopicNames: null }
  assert.equal((await admin.call(apis.shareGroupHeartbeat, 1, leaving)).errorCode, 0)
  const other = { groupId: 'other', memberId: 'admin', memberEpoch: 0, rackId: null, subscribedTopicNames: ['nowhere'] }
  assert.equal((await admin.call(apis.shareGroupHeartbeat, 1, other)).errorCode, 0)
  await admin.call(apis.shareGroupHeartbeat, 1, { ...other, memberEpoch: -1 })
  const { shares } = running.broker
  const deletion = async () => {
    const { results } = await admin.call(apis.deleteGroups, 2, { groupsNames: [groupId, 'none', 'other'] })
    return Object.fromEntries(results.map(each => [each.groupId, errorName(each.errorCode)]))
  }
  const original = shares.delete
  shares.delete = () => Promise.reject(new KafkaError('COORDINATOR_LOAD_IN_PROGRESS'))
  assert.deepEqual(await deletion(), { [groupId]: 'COORDINATOR_LOAD_IN_PROGRESS', none: 'GROUP_ID_NOT_FOUND', other: 'NONE' })
  shares.delete = original
  assert.deepEqual(await deletion(), { [groupId]: 'NONE', none: 'GROUP_ID_NOT_FOUND', other: 'GROUP_ID_NOT_FOUND' })
})
