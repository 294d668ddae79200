/** Transactions through a whole broker, as clients of both generations (KIP-98 and KIP-890) drive them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, test } from 'node:test'
import { type FileSystem, type Int64, memoryFileSystem, realSystem } from '../../../base.ts'
import { loadBrokerConfig, startBroker } from '../../../broker.ts'
import { silentLogger } from '../../../logger.ts'
import {
  type Api,
  apis,
  batchesIn,
  buildBatch,
  decodeResponse,
  encodeRequest,
  errorName,
  forEachRecordOf,
  type InputOf,
  type MessageOf,
  type Uuid,
} from '../../../protocol.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

type Session = { producerId: Int64; producerEpoch: number }

class Client {
  readonly #socket: net.Socket
  #received = Buffer.alloc(0)
  #answered: (() => void) | null = null
  topicId: Uuid | null = null

  constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('data', data => {
      this.#received = Buffer.concat([this.#received, data])
      if (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) this.#answered?.()
    })
  }

  async call<A extends Api>(api: A, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const bytes = Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: null }, request).buffers)
    const answered = new Promise<void>(resolve => {
      this.#answered = resolve
    })
    this.#socket.write(bytes)
    await answered
    const reply = this.#received
    this.#received = Buffer.alloc(0)
    return decodeResponse(api, version, reply, version >= api.flexibleFrom ? 9 : 8)
  }

  async begin(transactionalId: string, version = 5): Promise<Session> {
    const { coordinators } = await this.call(apis.findCoordinator, 4, { keyType: 1, coordinatorKeys: [transactionalId], key: '' })
    assert.equal(coordinators[0]!.errorCode, 0)
    const { errorCode, producerId, producerEpoch } = await this.call(apis.initProducerId, version, {
      transactionalId,
      transactionTimeoutMs: 60_000,
    })
    assert.equal(errorCode, 0)
    return { producerId, producerEpoch }
  }

  /** The errors by partition. */
  async produce(transactionalId: string, session: Session, partitions: readonly number[], value: string, sequence: number, version = 12) {
    const batch = () =>
      buildBatch({ ...session, records: [{ key: null, value: Buffer.from(value) }], baseSequence: sequence, isTransactional: true })
    const { responses } = await this.call(apis.produce, version, {
      transactionalId,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: 't', partitionData: partitions.map(index => ({ index, records: batch() })) }],
    })
    return responses[0]!.partitionResponses.map(({ errorCode }) => errorName(errorCode))
  }

  async end(transactionalId: string, session: Session, committed: boolean, version = 5) {
    const { errorCode, producerId, producerEpoch } = await this.call(apis.endTxn, version, { transactionalId, ...session, committed })
    return { error: errorName(errorCode), next: { producerId, producerEpoch } }
  }

  /** All records from the beginning, as a consumer shows them. */
  async values(partition: number, isolationLevel: 0 | 1): Promise<string[]> {
    const found: string[] = []
    for (let fetchOffset = 0; ; ) {
      const { responses } = await this.call(apis.fetch, 11, {
        maxWaitMs: 0,
        minBytes: 0,
        isolationLevel,
        topics: [{ topic: 't', partitions: [{ partition, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
        forgottenTopicsData: [],
      })
      const { records, abortedTransactions } = responses[0]!.partitions[0]!
      if (records === null || records.length === 0) return found
      const aborted = new Map((abortedTransactions ?? []).map(({ producerId, firstOffset }) => [producerId, firstOffset]))
      for (const batch of batchesIn(records)) {
        const { producerId, baseOffset, isControl, lastOffset } = batch.header
        fetchOffset = lastOffset + 1
        const inAborted = baseOffset >= (aborted.get(producerId) ?? Number.POSITIVE_INFINITY)
        if (isControl && inAborted) aborted.delete(producerId)
        if (!isControl && !inAborted) forEachRecordOf(batch, record => void found.push(record.value!.toString()))
      }
    }
  }

  async offset(requireStable: boolean) {
    const { groups } = await this.call(apis.offsetFetch, 8, {
      groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }],
      requireStable,
    })
    const { errorCode, committedOffset } = groups[0]!.topics[0]!.partitions[0]!
    return errorCode === 0 ? committedOffset : errorName(errorCode)
  }

  async commitOffset(transactionalId: string, session: Session, committedOffset: number, version = 5) {
    const { topics } = await this.call(apis.txnOffsetCommit, version, {
      transactionalId,
      groupId: 'g',
      ...session,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: null }] }],
    })
    return errorName(topics[0]!.partitions[0]!.errorCode)
  }
}

async function start(files: FileSystem = memoryFileSystem(), partitions = 2): Promise<{ client: Client; close(): Promise<void> }> {
  const set = {
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'http.listen': 'none',
    'offsets.topic.num.partitions': '2',
    'transaction.state.log.num.partitions': '2',
  }
  const config = loadBrokerConfig({ set })
  const fatal = (error: Error) => assert.fail(error)
  const running = await startBroker({ system: realSystem(files), config, logger: silentLogger, onFatal: fatal })
  const socket = net.connect([...running.ports.values()][0]!, '127.0.0.1')
  await once(socket, 'connect')
  const client = new Client(socket)
  const closing = {
    close: async () => {
      socket.destroy()
      await running.close()
    },
  }
  open.push(closing)
  await client.call(apis.createTopics, 4, {
    topics: [{ name: 't', numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 1_000,
  })
  await client.call(apis.findCoordinator, 4, { coordinatorKeys: ['g'], key: '' })
  return { client, close: () => closing.close().then(() => void open.splice(open.indexOf(closing), 1)) }
}

test('version 2: produce enters partitions, committed records and offsets show together, aborted ones never', async () => {
  const { client } = await start()
  let session = await client.begin('tx')
  assert.deepEqual(await client.produce('tx', session, [0, 1], 'a', 0), ['NONE', 'NONE'])
  assert.deepEqual(await client.produce('tx', session, [0], 'b', 1), ['NONE'])
  assert.equal(await client.commitOffset('tx', session, 7), 'NONE')
  assert.deepEqual(await client.values(0, 0), ['a', 'b'])
  assert.deepEqual(await client.values(0, 1), [], 'behind the last stable offset')
  assert.equal(await client.offset(true), 'UNSTABLE_OFFSET_COMMIT')
  assert.equal(await client.offset(false), -1)
  const committed = await client.end('tx', session, true)
  assert.deepEqual(committed, { error: 'NONE', next: { ...session, producerEpoch: 1 } })
  assert.deepEqual(await client.values(0, 1), ['a', 'b'])
  assert.deepEqual(await client.values(1, 1), ['a'])
  assert.equal(await client.offset(true), 7)
  const zombie = session
  session = committed.next
  assert.deepEqual(await client.produce('tx', session, [1], 'c', 0), ['NONE'])
  assert.deepEqual(await client.produce('tx', zombie, [1], 'z', 1), ['INVALID_PRODUCER_EPOCH'])
  assert.equal(await client.commitOffset('tx', session, 9), 'NONE')
  assert.equal((await client.end('tx', session, false)).error, 'NONE')
  assert.deepEqual(await client.values(1, 1), ['a'])
  assert.equal(await client.offset(true), 7)
})

test('version 2: no batch of a transaction is accepted before its first one, which may have to be retried', async () => {
  const { client } = await start()
  const session = await client.begin('tx')
  assert.deepEqual(await client.produce('tx', session, [0], 'second', 1), ['OUT_OF_ORDER_SEQUENCE_NUMBER'])
  assert.deepEqual(await client.produce('tx', session, [0], 'first', 0), ['NONE'])
  assert.deepEqual(await client.produce('tx', session, [0], 'second', 1), ['NONE'])
  const { next } = await client.end('tx', session, true)
  assert.deepEqual(await client.produce('tx', next, [0, 1], 'third', 1), ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'OUT_OF_ORDER_SEQUENCE_NUMBER'])
  assert.deepEqual(await client.values(0, 1), ['first', 'second'])
})

test('older producers have to add their partitions first', async () => {
  const { client } = await start()
  const session = await client.begin('tx', 3)
  assert.deepEqual(await client.produce('tx', session, [0], 'x', 0, 11), ['TRANSACTION_ABORTABLE'])
  assert.deepEqual(await client.produce('tx', session, [0], 'x', 0, 10), ['INVALID_TXN_STATE'])
  assert.equal(await client.commitOffset('tx', session, 1, 3), 'INVALID_TXN_STATE')
  assert.equal(await client.commitOffset('tx', session, 1, 4), 'TRANSACTION_ABORTABLE')
  const partitions = { v3AndBelowTransactionalId: 'tx', v3AndBelowProducerId: session.producerId, v3AndBelowProducerEpoch: 0 }
  const add = async (name: string, indexes: number[]) => {
    const request = { ...partitions, transactions: [], v3AndBelowTopics: [{ name, partitions: indexes }] }
    const { resultsByTopicV3AndBelow } = await client.call(apis.addPartitionsToTxn, 3, request)
    return resultsByTopicV3AndBelow[0]!.resultsByPartition.map(({ partitionErrorCode }) => errorName(partitionErrorCode))
  }
  assert.deepEqual(await add('t', [0, 9]), ['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION'])
  assert.deepEqual(await add('__consumer_offsets', [0]), ['TOPIC_AUTHORIZATION_FAILED'])
  assert.deepEqual(await add('t', [0]), ['NONE'])
  assert.deepEqual(await client.produce('tx', session, [0], 'x', 0, 9), ['NONE'])
  assert.equal((await client.call(apis.addOffsetsToTxn, 3, { transactionalId: 'tx', ...session, groupId: 'g' })).errorCode, 0)
  assert.equal(await client.commitOffset('tx', session, 3, 3), 'NONE')
  assert.deepEqual((await client.end('tx', session, true, 3)).error, 'NONE')
  assert.deepEqual(await client.values(0, 1), ['x'])
  assert.equal(await client.offset(true), 3)
  const fenced = await client.begin('tx', 3)
  assert.equal(fenced.producerEpoch, 1)
  assert.equal((await client.end('tx', session, true, 3)).error, 'PRODUCER_FENCED')
  assert.equal((await client.end('tx', session, true, 1)).error, 'INVALID_PRODUCER_EPOCH')
})

test('a transactional batch without its transactional id is refused', async () => {
  const { client } = await start()
  const session = await client.begin('tx')
  const records = buildBatch({ ...session, records: [{ key: null, value: null }], baseSequence: 0, isTransactional: true })
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }]
  const { responses } = await client.call(apis.produce, 12, { acks: -1, timeoutMs: 1, topicData })
  assert.equal(errorName(responses[0]!.partitionResponses[0]!.errorCode), 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
})

test('a transaction and its pending offsets continue after a restart', async () => {
  const files = memoryFileSystem()
  const before = await start(files)
  const session = await before.client.begin('tx')
  await before.client.produce('tx', session, [0, 1], 'a', 0)
  await before.client.commitOffset('tx', session, 5)
  await before.close()
  const { client } = await start(files)
  assert.deepEqual(await client.values(0, 1), [])
  assert.equal(await client.offset(true), 'UNSTABLE_OFFSET_COMMIT')
  assert.deepEqual(await client.produce('tx', session, [1], 'b', 1), ['NONE'])
  assert.equal((await client.end('tx', session, true)).error, 'NONE')
  assert.deepEqual(await client.values(1, 1), ['a', 'b'])
  assert.equal(await client.offset(true), 5)
})

test('operators see transactions and end what hangs', async () => {
  const { client } = await start()
  const session = await client.begin('tx')
  await client.produce('tx', session, [0], 'a', 0)
  const listed = await client.call(apis.listTransactions, 2, {
    stateFilters: ['Ongoing', 'Odd'],
    producerIdFilters: [],
    transactionalIdPattern: 't.',
  })
  assert.deepEqual(listed.unknownStateFilters, ['Odd'])
  assert.deepEqual(listed.transactionStates, [{ transactionalId: 'tx', producerId: session.producerId, transactionState: 'Ongoing' }])
  const like = async (transactionalIdPattern: string) => {
    const { errorCode, transactionStates } = await client.call(apis.listTransactions, 2, {
      stateFilters: [],
      producerIdFilters: [],
      transactionalIdPattern,
    })
    return errorCode === 0 ? transactionStates.length : errorName(errorCode)
  }
  assert.deepEqual([await like(''), await like('t'), await like('.x|y'), await like('(')], [1, 0, 1, 'INVALID_REGULAR_EXPRESSION'])
  const { transactionStates } = await client.call(apis.describeTransactions, 0, { transactionalIds: ['tx', 'none'] })
  assert.deepEqual(transactionStates[0]!.topics, [{ topic: 't', partitions: [0] }])
  assert.equal(errorName(transactionStates[1]!.errorCode), 'TRANSACTIONAL_ID_NOT_FOUND')
  const write = async (version: number, more: { transactionVersion?: number; producerEpoch?: number }, topic = 't') => {
    const marker = { ...session, transactionResult: false, coordinatorEpoch: 0, ...more }
    const { markers } = await client.call(apis.writeTxnMarkers, version, {
      markers: [{ ...marker, topics: [{ name: topic, partitionIndexes: [0] }] }],
    })
    return errorName(markers[0]!.topics[0]!.partitions[0]!.errorCode)
  }
  assert.equal(await write(1, {}, 'none'), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(await write(2, { transactionVersion: 2 }), 'INVALID_PRODUCER_EPOCH')
  assert.deepEqual(await client.values(0, 1), [])
  assert.equal(await write(1, {}), 'NONE')
  assert.deepEqual(await client.values(0, 1), [])
  assert.deepEqual(await client.values(0, 0), ['a'])
  assert.equal(await write(2, { transactionVersion: 2, producerEpoch: 1 }, '__consumer_offsets'), 'NONE')
})

test('1,000 partitions are added and ended together', async () => {
  const { client } = await start(memoryFileSystem(), 1_000)
  const session = await client.begin('tx')
  const all = Array.from({ length: 1_000 }, (_, index) => index)
  assert.ok((await client.produce('tx', session, all, 'a', 0)).every(error => error === 'NONE'))
  const { next, error } = await client.end('tx', session, true)
  assert.equal(error, 'NONE')
  // The markers of so many partitions are written in several turns, and the next transaction waits for them, as in Kafka.
  let answers = await client.produce('tx', next, all, 'b', 0)
  for (let tries = 0; tries < 100 && answers.includes('CONCURRENT_TRANSACTIONS'); tries++) {
    answers = await client.produce('tx', next, all, 'b', 0)
  }
  assert.deepEqual(new Set(answers), new Set(['NONE']))
  assert.deepEqual(await client.values(999, 1), ['a'])
})
