/** Two brokers that share the metadata log as two processes of a machine do: a transaction over both, as a client finds its way. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../../sim/world/random.ts'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { connect, createTopic, type RawClient } from '../support/client.ts'
import { eventually } from './two-brokers.ts'

test('a transaction over partitions of both processes is committed on both', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-processes-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const running: RunningBroker[] = []
  const clients: RawClient[] = []
  for (const id of [0, 1]) {
    const set = { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data', 'node.id': String(id) }
    const broker = await startBroker({
      // Equal, so that both directories belong to one cluster.
      system: { ...realSystem(memoryFileSystem()), random: seededRandom(5) },
      config: loadBrokerConfig({ set }),
      logger: silentLogger,
      onThisMachine: false,
      onFatal: assert.fail,
      processes: { metadataSocket: join(directory, 'metadata'), keepsMetadata: id === 0 },
    })
    t.after(() => broker.close())
    running.push(broker)
    const client = await connect(broker.ports.get('PLAINTEXT')!)
    t.after(() => client.close())
    clients.push(client)
  }
  const at = (id: number) => clients[id]!
  const knowsBoth = () => running.every(({ broker }) => broker.metadata.brokers().length === 2)
  await eventually(knowsBoth)
  await createTopic(at(0), 't', 2)
  const leaderOf = (partition: number) => running[1]!.broker.metadata.topic('t')?.partitions[partition]?.leader ?? false
  const leaders = [await eventually(() => leaderOf(0)), await eventually(() => leaderOf(1))]
  assert.deepEqual([...leaders].sort(), [0, 1])

  const transactionalId = 'tx'
  const coordinator = await eventually(async () => {
    const found = await at(1).request(apis.findCoordinator, 4, { keyType: 1, coordinatorKeys: [transactionalId], key: '' })
    const { errorCode, nodeId } = found.coordinators[0]!
    return errorCode === 0 ? { nodeId } : false
  })
  const { nodeId } = coordinator
  const session = await eventually(async () => {
    const begun = await at(nodeId).request(apis.initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 })
    return begun.errorCode === 0 ? { producerId: begun.producerId, producerEpoch: begun.producerEpoch } : false
  })
  for (const partition of [0, 1]) {
    const records = buildBatch({ ...session, records: [{ key: null, value: Buffer.from('a') }], baseSequence: 0, isTransactional: true })
    await eventually(async () => {
      const { responses } = await at(leaders[partition]!).request(apis.produce, 12, {
        transactionalId,
        acks: -1,
        timeoutMs: 5_000,
        topicData: [{ name: 't', partitionData: [{ index: partition, records }] }],
      })
      const error = errorName(responses[0]!.partitionResponses[0]!.errorCode)
      if (error !== 'NONE') assert.equal(error, 'NOT_ENOUGH_REPLICAS')
      return error === 'NONE'
    })
  }
  const ended = await at(nodeId).request(apis.endTxn, 5, { transactionalId, ...session, committed: true })
  assert.equal(errorName(ended.errorCode), 'NONE')
  for (const partition of [0, 1]) {
    const log = running[leaders[partition]!]!.broker.metadata.partitionByName('t', partition)!
    await eventually(() => log.lastStableOffset === 2)
  }
})
