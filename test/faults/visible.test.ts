/** With acks=1 a record is acknowledged before it is durable, but an end offset requested afterwards includes it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../sim/world/batches.ts'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { BrokerConfig, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis } from '../../src/protocol.ts'
import { connect, createTopic } from '../support/client.ts'

test('an end offset requested after an acknowledgement includes it, however slow the disk is', async () => {
  const files = memoryFileSystem()
  const slow = { ...files, open: (...given: Parameters<typeof files.open>) => slowSync(files.open(...given)) }
  const given = new Map(
    Object.entries({ listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none' }).map(([key, text]) => [key, { text, from: 'test' }]),
  )
  const broker = await startBroker({
    system: realSystem(slow),
    config: new BrokerConfig(given),
    logger: silentLogger,
    onThisMachine: false,
    onFatal(error) {
      throw error
    },
  })
  try {
    const client = await connect(broker.ports.get('PLAINTEXT')!)
    await createTopic(client, 't')
    for (let nth = 1; nth <= 5; nth++) {
      const records = buildBatch({ values: ['x'], timestampMs: Date.now() })
      const produced = await client.request(apis.produce, 9, {
        transactionalId: null,
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
      })
      assert.equal(produced.responses[0]!.partitionResponses[0]!.errorCode, 0)
      const listed = await client.request(apis.listOffsets, 5, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }] }],
      })
      assert.equal(listed.topics[0]!.partitions[0]!.offset, nth)
    }
    client.close()
  } finally {
    await broker.close()
  }
})

function slowSync(file: ReturnType<ReturnType<typeof memoryFileSystem>['open']>): typeof file {
  const { timers } = realSystem()
  const datasync = file.datasync.bind(file)
  const later = () => new Promise<void>((resolve, reject) => timers.after(30, () => void datasync().then(resolve, reject)))
  return Object.assign(file, { datasync: later })
}
