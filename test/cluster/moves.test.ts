/** Three brokers that are processes of one machine, in one process: partitions move between them while clients use them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { seededRandom } from '../../sim/world/random.ts'
import { type FileSystem, memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, processDirectory, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Api, apis, errorName, type InputOf, type MessageOf } from '../../src/protocol.ts'
import { connect, fetchValues } from '../support/client.ts'
import { Load } from './load.ts'
import { eventually } from './two-brokers.ts'

const ids = [1, 2, 3] as const

class Processes {
  readonly files: FileSystem = memoryFileSystem()
  readonly #running = new Map<number, RunningBroker>()
  readonly #socket: string
  readonly #set: Record<string, string>

  constructor(socket: string, set: Record<string, string>) {
    this.#socket = socket
    this.#set = set
  }

  async open(id: number): Promise<void> {
    const set = {
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'http.listen': 'none',
      'log.dirs': processDirectory('/data', id - 1),
      'node.id': String(id),
      processes: '3',
      'offsets.topic.num.partitions': '3',
      ...this.#set,
    }
    const running = await startBroker({
      // The first random numbers are equal, so that all directories belong to one cluster.
      system: { ...realSystem(this.files), random: seededRandom(5) },
      config: loadBrokerConfig({ set }),
      logger: silentLogger,
      onThisMachine: false,
      onFatal: assert.fail,
      ...(id === 1 ? {} : { clusterId: this.broker(1).self.clusterId }),
      processes: {
        metadataSocket: this.#socket,
        keepsMetadata: id === 1,
        directories: new Map(ids.map(each => [each, processDirectory('/data', each - 1)])),
      },
    })
    this.#running.set(id, running)
  }

  broker(id: number): RunningBroker['broker'] {
    return this.#running.get(id)!.broker
  }

  port(id: number): number {
    return this.#running.get(id)!.ports.get('PLAINTEXT')!
  }

  async stop(id: number): Promise<void> {
    const running = this.#running.get(id)
    this.#running.delete(id)
    await running?.close()
  }

  async closeAll(): Promise<void> {
    const signal = AbortSignal.abort()
    for (const id of [...this.#running.keys()].reverse()) await this.#running.get(id)?.close(signal)
  }

  async call<A extends Api>(id: number, api: A, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    const client = await connect(this.port(id))
    try {
      return await client.request(api, version, request)
    } finally {
      client.close()
    }
  }

  async create(name: string, assignments: readonly (readonly number[])[]): Promise<void> {
    const { topics } = await this.call(1, apis.createTopics, 7, {
      topics: [
        {
          name,
          numPartitions: -1,
          replicationFactor: -1,
          assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] })),
          configs: [],
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    assert.equal(topics[0]!.errorCode, 0, topics[0]!.errorMessage ?? '')
    for (const id of this.#running.keys()) await eventually(() => this.broker(id).metadata.topic(name) !== undefined)
  }

  leaders(name: string, at = 1): number[] {
    return this.broker(at)
      .metadata.topic(name)!
      .partitions.map(({ leader }) => leader)
  }

  replicas(name: string, at = 1): string[] {
    return this.broker(at)
      .metadata.topic(name)!
      .partitions.map(({ replicas }) => replicas.join())
  }

  async elect(at: number, topic: string, partitions: number[], electionType = 0): Promise<string[]> {
    const topicPartitions = [{ topic, partitions }]
    const { errorCode, replicaElectionResults } = await this.call(at, apis.electLeaders, 2, {
      electionType,
      topicPartitions,
      timeoutMs: 10_000,
    })
    assert.equal(errorCode, 0)
    return replicaElectionResults[0]!.partitionResult.map(each => errorName(each.errorCode))
  }

  async reassign(at: number, name: string, partitionIndex: number, replicas: number[] | null, more = {}): Promise<string> {
    const topics = [{ name, partitions: [{ partitionIndex, replicas }] }]
    const request = { timeoutMs: 10_000, allowReplicationFactorChange: true, topics, ...more }
    const { responses } = await this.call(at, apis.alterPartitionReassignments, 1, request)
    return errorName(responses[0]!.partitions[0]!.errorCode)
  }

  /** Values of the whole partition, at its leader. */
  async valuesOf(topic: string, partition: number): Promise<string[]> {
    const leader = this.leaders(topic)[partition]!
    await eventually(() => this.broker(leader).metadata.partitionByName(topic, partition) !== undefined)
    const client = await connect(this.port(leader))
    const values = await fetchValues(client, topic, partition)
    client.close()
    return values
  }
}

async function start(t: TestContext, set: Record<string, string> = {}): Promise<Processes> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-moves-'))
  const processes = new Processes(join(directory, 'metadata'), set)
  t.after(async () => {
    await processes.closeAll()
    rmSync(directory, { recursive: true, force: true })
  })
  for (const id of ids) await processes.open(id)
  for (const id of ids) await eventually(() => processes.broker(id).metadata.brokers().length === 3)
  return processes
}

const still = { 'auto.leader.rebalance.enable': 'false' }

test('ElectLeaders and reassignments move partitions under load, asked at any broker: nothing is lost or twice', async t => {
  const processes = await start(t, still)
  await processes.create('t', [
    [1, 2],
    [2, 3],
    [3, 1],
  ])
  const load = new Load(
    ids.map(id => processes.port(id)),
    't',
    3,
  )
  await load.start()
  await load.goOn()
  // Only the order changes: nothing moves before it is asked for.
  assert.equal(await processes.reassign(3, 't', 0, [2, 1]), 'NONE')
  assert.deepEqual(processes.leaders('t', 3), [1, 2, 3])
  assert.deepEqual(await processes.elect(3, 't', [0, 1, 7]), ['NONE', 'ELECTION_NOT_NEEDED', 'UNKNOWN_TOPIC_OR_PARTITION'])
  assert.deepEqual(processes.leaders('t', 3), [2, 2, 3], 'who was asked shows it at once')
  assert.deepEqual(await processes.elect(3, 't', [0]), ['ELECTION_NOT_NEEDED'])
  await load.goOn()
  // The leader is not among them: done when it answers.
  assert.equal(await processes.reassign(1, 't', 1, [1]), 'NONE')
  assert.deepEqual([processes.leaders('t')[1], processes.replicas('t')[1]], [1, '1'])
  await load.goOn()
  for (let round = 0; round < 6; round++) {
    const to = ids[round % 3]!
    assert.equal(await processes.reassign(ids[(round + 1) % 3]!, 't', 2, [to]), 'NONE')
    await load.goOn()
  }
  await load.stop()
  for (const partition of [0, 1, 2]) assert.deepEqual(await processes.valuesOf('t', partition), load.acknowledged[partition])
  assert.ok(processes.broker(1).metadata.topic('t')!.partitions[0]!.leaderEpoch >= 1)
})

test('what cannot be is refused as in Kafka, and a reassignment that has to wait is listed and can be cancelled', async t => {
  const processes = await start(t, still)
  await processes.create('t', [[1], [2]])
  const listed = async () => {
    const { topics } = await processes.call(2, apis.listPartitionReassignments, 0, { timeoutMs: 1_000, topics: null })
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(each => `${name}-${each.partitionIndex} ${each.replicas} +${each.addingReplicas} -${each.removingReplicas}`),
    )
  }
  assert.equal(await processes.reassign(1, 't', 0, null), 'NO_REASSIGNMENT_IN_PROGRESS')
  assert.equal(await processes.reassign(1, 't', 0, []), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(await processes.reassign(1, 't', 0, [2, 2]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(await processes.reassign(1, 't', 0, [9]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(await processes.reassign(1, 't', 2, [1]), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(await processes.reassign(1, 'x', 0, [1]), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(await processes.reassign(1, 't', 0, [1, 2], { allowReplicationFactorChange: false }), 'INVALID_REPLICATION_FACTOR')
  assert.deepEqual(await processes.elect(1, 't', [0, 1], 1), ['ELECTION_NOT_NEEDED', 'ELECTION_NOT_NEEDED'])
  assert.deepEqual(await listed(), [])
  // Broker 3 is not there to take it.
  await processes.broker(1).metadata.fenceBroker(3, true)
  assert.equal(await processes.reassign(1, 't', 0, [3]), 'NONE')
  assert.equal(processes.leaders('t')[0], 1)
  await eventually(async () => (await listed()).length === 1)
  assert.deepEqual(await listed(), ['t-0 3,1 +3 -1'])
  assert.deepEqual(await processes.elect(2, 't', [0]), ['PREFERRED_LEADER_NOT_AVAILABLE'])
  assert.equal(await processes.reassign(1, 't', 0, null), 'NONE')
  assert.deepEqual(processes.replicas('t')[0], '1')
  assert.equal(await processes.reassign(1, 't', 0, null), 'NO_REASSIGNMENT_IN_PROGRESS')
  // One that waits is ended when its broker is back.
  assert.equal(await processes.reassign(1, 't', 0, [3]), 'NONE')
  await processes.broker(1).metadata.fenceBroker(3, false)
  await eventually(() => processes.leaders('t')[0] === 3)
  await eventually(async () => (await listed()).length === 0)
  assert.equal(processes.replicas('t')[0], '3')
})

test('a broker that stops gives its partitions away, and gets its share when it is back, under load', async t => {
  const processes = await start(t)
  await processes.create('t', [[1], [2], [3], [1], [2], [3]])
  const load = new Load(
    ids.map(id => processes.port(id)),
    't',
    6,
  )
  await load.start()
  await load.goOn()
  const port = processes.port(3)
  await processes.stop(3)
  assert.ok(!processes.leaders('t').includes(3))
  assert.deepEqual(processes.replicas('t'), processes.leaders('t').map(String), 'the factor stays')
  assert.equal(processes.broker(1).metadata.broker(3)!.fenced, true)
  await load.goOn()
  await processes.open(3)
  assert.notEqual(processes.port(3), 0, `it was ${port}`)
  await eventually(() => processes.leaders('t').filter(leader => leader === 3).length === 2)
  await load.goOn()
  await load.stop()
  for (const partition of load.acknowledged.keys()) assert.deepEqual(await processes.valuesOf('t', partition), load.acknowledged[partition])
})

test('internal topics have the replication factor that was asked for, as far as there are brokers', async t => {
  const processes = await start(t, { 'offsets.topic.replication.factor': '2', 'transaction.state.log.replication.factor': '5' })
  for (const name of ['__consumer_offsets', '__transaction_state'] as const) await processes.broker(2).metadata.ensureInternalTopic(name)
  const factor = (name: string) => processes.broker(2).metadata.topic(name)!.partitions[0]!.replicas.length
  assert.deepEqual([factor('__consumer_offsets'), factor('__transaction_state')], [2, 3])
})
