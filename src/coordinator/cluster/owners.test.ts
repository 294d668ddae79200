/** The metadata of a cluster of three brokers, of which this one is number 7. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PartitionLog, PartitionSpec, ReleasedPartition } from '../../log.ts'
import { KafkaError, type Uuid, zeroUuid } from '../../protocol.ts'
import { testSystem } from '../runtime.testing.ts'
import { newTopic, run, TestLog, testRules } from './cluster.testing.ts'
import { openClusterMetadata } from './open-cluster.ts'
import type { ClusterMetadata, NewTopic, PartitionChange } from './types.ts'

class ReleasingLog extends TestLog {
  readonly givenAway: string[] = []
  /** Leader epochs that logs were raised to. */
  readonly raised: string[] = []

  override async release(topicId: Uuid, partition: number): Promise<ReleasedPartition> {
    const { topic } = this.get(topicId, partition)!
    const directory = `${topic}-${partition}`
    this.givenAway.push(directory)
    return { topic, topicId, partition, directory }
  }

  /** If opening takes long: it waits for this. */
  gate: Promise<void> | null = null

  override lead(spec: PartitionSpec, leaderEpoch: number): PartitionLog | Promise<PartitionLog> {
    const open = () => super.lead(spec, leaderEpoch)
    return this.gate === null ? open() : this.gate.then(open)
  }

  override create(spec: Parameters<TestLog['create']>[0]): ReturnType<TestLog['create']> {
    const log = super.create(spec)
    log.raiseLeaderEpoch = epoch => {
      if (epoch > log.leaderEpoch) this.raised.push(`${spec.topic}-${spec.partition}: ${epoch}`)
    }
    return log
  }
}

class Cluster {
  readonly system = testSystem()
  log = new ReleasingLog()
  metadata!: ClusterMetadata
  readonly heard: string[] = []
  readonly said: string[] = []
  /** If it can be fenced: its session. */
  session: (() => number | null) | null = null

  async start(): Promise<void> {
    const say = (_: object, message: string) => void this.said.push(message)
    const reporter = { info: say, warn: say }
    const options = { system: this.system, log: this.log, directory: '/data', brokerId: 7, rules: testRules, reporter }
    const session = this.session === null ? undefined : () => this.session!()
    this.metadata = await run(this.system, openClusterMetadata({ ...options, snapshotAfterRecords: 3, session }))
    this.metadata.subscribe({
      topicCreated: ({ name }) => this.heard.push(`created ${name}`),
      partitionsAdded: ({ name }, from) => this.heard.push(`added ${name}-${from}`),
      partitionOpened: ({ name }, partition) => this.heard.push(`opened ${name}-${partition}`),
      partitionClosed: ({ name }, partition) => this.heard.push(`closed ${name}-${partition}`),
    })
  }

  async restart(): Promise<void> {
    await run(this.system, this.metadata.close())
    this.log = new ReleasingLog(this.log.disk)
    await this.start()
  }

  async register(id: number, rack: string | null = null): Promise<number> {
    const endpoints = new Map([['PLAINTEXT', { host: `host-${id}`, port: 9092 }]])
    return run(this.system, this.metadata.registerBroker({ id, incarnation: zeroUuid, rack, fenced: false, endpoints }))
  }

  async create(name: string, more: Partial<NewTopic> = {}): Promise<Uuid> {
    const [created] = await run(this.system, this.metadata.createTopics([newTopic(name, more)], false))
    if (created === undefined || created instanceof KafkaError) throw created
    return created.id
  }

  async change(change: PartitionChange): Promise<string> {
    const [outcome] = await run(this.system, this.metadata.changePartitions([change]))
    return outcome === null ? '' : `${outcome!.name}: ${outcome!.message}`
  }

  /** Of each partition: its leader, and whether its log is here. */
  leaders(name: string): string[] {
    return this.metadata.topic(name)!.partitions.map(({ leader, log }) => `${leader}${log === null ? '' : ' here'}`)
  }
}

async function ofThree(): Promise<Cluster> {
  const cluster = new Cluster()
  await cluster.start()
  for (const id of [8, 7, 9]) await cluster.register(id)
  return cluster
}

describe('brokers', () => {
  it('are this one alone when none is registered', async () => {
    const cluster = new Cluster()
    await cluster.start()
    assert.deepEqual(cluster.metadata.brokers(), [{ id: 7, epoch: 0, rack: null, fenced: false, leaving: false, endpoints: new Map() }])
    assert.equal(cluster.metadata.broker(7)?.id, 7)
    assert.equal(cluster.metadata.broker(8), undefined)
  })

  it('are kept with their epochs, racks, endpoints and fences, over a restart and a snapshot', async () => {
    const cluster = await ofThree()
    const before = cluster.metadata.broker(9)!.epoch
    assert.ok((await cluster.register(9, 'r')) > before)
    await run(cluster.system, cluster.metadata.fenceBroker(8, true))
    const expected = cluster.metadata.brokers()
    assert.deepEqual(
      expected.map(({ id, rack, fenced }) => [id, rack, fenced]),
      [
        [7, null, false],
        [8, null, true],
        [9, 'r', false],
      ],
    )
    assert.deepEqual(expected[2]!.endpoints.get('PLAINTEXT'), { host: 'host-9', port: 9092 })
    await cluster.restart()
    assert.deepEqual(cluster.metadata.brokers(), expected)
    await run(cluster.system, cluster.metadata.fenceBroker(8, false))
    assert.equal(cluster.metadata.broker(8)?.fenced, false)
  })

  it('can be unregistered once they are stopped and lead nothing', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { numPartitions: 3 })
    const unregister = (id: number) => run(cluster.system, cluster.metadata.unregisterBroker(id))
    await assert.rejects(unregister(10), { name: 'BROKER_ID_NOT_REGISTERED' })
    await assert.rejects(unregister(8), { name: 'INVALID_REQUEST', message: /running/ })
    await run(cluster.system, cluster.metadata.fenceBroker(8, true))
    await assert.rejects(unregister(8), { name: 'INVALID_REQUEST', message: /1 partition/ })
    await cluster.change({ topicId, partition: cluster.leaders('t').indexOf('8'), leader: 9 })
    await unregister(8)
    assert.equal(cluster.metadata.broker(8), undefined)
    await assert.rejects(unregister(8), { name: 'BROKER_ID_NOT_REGISTERED' })
  })
})

describe('partitions', () => {
  it('are open where this broker leads, and described where it does not', async () => {
    const cluster = await ofThree()
    const id = await cluster.create('t', { numPartitions: 6, replicationFactor: 2 })
    assert.deepEqual(cluster.leaders('t').sort(), ['7 here', '7 here', '8', '8', '9', '9'])
    const { metadata, log } = cluster
    assert.equal(metadata.partitionCount, 6)
    for (const { index, leader, leaderEpoch, replicas, isr, log: own } of metadata.topic('t')!.partitions) {
      assert.equal(metadata.leaderOf(id, index), leader)
      assert.deepEqual([leaderEpoch, replicas[0], replicas.length, isr], [0, leader, 2, replicas])
      assert.equal(metadata.partition(id, index), own ?? undefined)
      assert.equal(log.get(id, index), own ?? undefined)
    }
    assert.equal(metadata.leaderOf(id, 6), undefined)
    await cluster.restart()
    assert.deepEqual(cluster.leaders('t').sort(), ['7 here', '7 here', '8', '8', '9', '9'])
    assert.deepEqual(cluster.said, [])
  })

  it('close when another broker leads, and open when they come back, with the epochs of the metadata', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    const partition = cluster.metadata.topic('t')!.partitions[0]!
    assert.equal(await cluster.change({ topicId, partition: 0, leader: 8 }), '')
    assert.deepEqual([partition.leader, partition.leaderEpoch, partition.log], [8, 1, null])
    assert.equal(cluster.metadata.partition(topicId, 0), undefined)
    assert.deepEqual(cluster.log.givenAway, ['t-0'])
    assert.equal(await cluster.change({ topicId, partition: 0, leader: 7 }), '')
    assert.equal(partition.leader, 7)
    assert.equal(partition.log, cluster.log.get(topicId, 0))
    assert.deepEqual(cluster.log.raised, ['t-0: 2'])
    assert.deepEqual(cluster.heard, ['created t', 'closed t-0', 'opened t-0'])
  })

  it('lie unused on the disk while another broker leads', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    await cluster.change({ topicId, partition: 0, leader: 8 })
    await cluster.restart()
    assert.deepEqual(cluster.leaders('t'), ['8'])
    assert.deepEqual(cluster.said, ['ignoring a partition directory, because another broker leads the partition'])
    assert.deepEqual(cluster.log.deleted, [])
  })

  it('that cannot be opened when this broker begins to lead are tried again', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [8, 7] }] })
    cluster.log.broken = 't'
    await cluster.change({ topicId, partition: 0, leader: 7 })
    assert.deepEqual(cluster.leaders('t'), ['7'])
    cluster.log.broken = null
    await cluster.system.advance(5_000)
    assert.deepEqual(cluster.leaders('t'), ['7 here'])
    assert.deepEqual(cluster.heard, ['created t', 'opened t-0'])
  })

  it('get other replicas without a new leader; replicas must be registered', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    const partition = cluster.metadata.topic('t')!.partitions[0]!
    assert.equal(await cluster.change({ topicId, partition: 0, replicas: [9, 7] }), '')
    assert.deepEqual([partition.leader, partition.leaderEpoch, partition.replicas, partition.isr], [7, 0, [9, 7], [9, 7]])
    assert.match(await cluster.change({ topicId, partition: 0, replicas: [7, 10] }), /broker 10, but no such broker is registered/)
    assert.match(await cluster.change({ topicId, partition: 1, replicas: [7] }), /^UNKNOWN_TOPIC_OR_PARTITION/)
    assert.deepEqual(cluster.log.givenAway, [])
  })

  it('of a broker that can be fenced are open from its registration to the end of its session', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', {
      assignments: [
        { partitionIndex: 0, brokerIds: [7, 8] },
        { partitionIndex: 1, brokerIds: [8, 7] },
      ],
    })
    // Another broker may have fenced its predecessor, and this one cannot have read about it yet.
    cluster.session = () => null
    await cluster.restart()
    assert.deepEqual(cluster.leaders('t'), ['7', '8'])
    await cluster.change({ topicId, partition: 1, leader: 7 })
    assert.deepEqual(cluster.leaders('t'), ['7', '7'])
    const latest = () => cluster.metadata.broker(7)!.epoch
    cluster.session = latest
    await cluster.register(7)
    assert.deepEqual(cluster.leaders('t'), ['7 here', '7 here'])
    cluster.heard.length = 0
    cluster.session = () => null
    await run(cluster.system, cluster.metadata.sessionEnded())
    assert.equal(cluster.metadata.partition(topicId, 0), undefined)
    assert.deepEqual(cluster.heard, ['closed t-0', 'closed t-1'])
    await cluster.create('u', { assignments: [{ partitionIndex: 0, brokerIds: [7] }] })
    assert.deepEqual([...cluster.leaders('t'), ...cluster.leaders('u')], ['7', '7', '7'])
    cluster.session = latest
    await cluster.register(7)
    assert.deepEqual([...cluster.leaders('t'), ...cluster.leaders('u')], ['7 here', '7 here', '7 here'])
    assert.deepEqual(cluster.heard.slice(2), ['created u', 'opened t-0', 'opened t-1', 'opened u-0'])
  })

  it('are closed in slices when the session ends, before another one opens them', async () => {
    const cluster = await ofThree()
    await cluster.create('t', { assignments: Array.from({ length: 60 }, (_, partitionIndex) => ({ partitionIndex, brokerIds: [7] })) })
    const latest = () => cluster.metadata.broker(7)!.epoch
    cluster.session = latest
    await cluster.restart()
    await cluster.register(7)
    const { clock, timers } = cluster.system
    const monotonic = clock.monotonic.bind(clock)
    let [spentMs, inTurn, most] = [0, 0, 0]
    clock.monotonic = () => monotonic() + spentMs
    cluster.metadata.subscribe({
      partitionClosed() {
        spentMs++
        most = Math.max(most, ++inTurn)
        if (inTurn === 1) timers.soon(() => (inTurn = 0))
      },
    })
    cluster.session = () => null
    cluster.heard.length = 0
    const closed = cluster.metadata.sessionEnded()
    cluster.session = latest
    await cluster.register(7)
    await run(cluster.system, closed)
    assert.ok(most <= 20, `${most} partitions, a millisecond each, were closed in one turn`)
    assert.deepEqual(cluster.leaders('t'), Array(60).fill('7 here'))
    assert.deepEqual(
      cluster.heard.map(each => each.split(' ')[0]),
      [...Array(60).fill('closed'), ...Array(60).fill('opened')],
    )
  })

  it('that open while a change comes follow the change', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [8, 7] }] })
    const gate = Promise.withResolvers<void>()
    cluster.log.gate = gate.promise
    const first = cluster.metadata.changePartitions([{ topicId, partition: 0, leader: 7 }])
    await cluster.system.settle()
    const second = cluster.metadata.changePartitions([{ topicId, partition: 0, leader: 9 }])
    await cluster.system.settle()
    assert.deepEqual([cluster.leaders('t'), cluster.log.givenAway], [['9'], []])
    gate.resolve()
    await run(cluster.system, Promise.all([first, second]))
    assert.deepEqual([cluster.leaders('t'), cluster.log.givenAway], [['9'], ['t-0']])
  })

  it('that open while the config of their topic changes have the new one', async () => {
    const cluster = await ofThree()
    const id = await cluster.create('t', { numPartitions: 1, assignments: [] })
    await cluster.change({ topicId: id, partition: 0, leader: 8 })
    const opening = Promise.withResolvers<void>()
    cluster.log.gate = opening.promise
    const changing = cluster.metadata.changePartitions([{ topicId: id, partition: 0, leader: 7 }])
    await cluster.system.settle()
    const edit = () => new Map([['retention.ms', '-1']])
    const configuring = cluster.metadata.applyConfigs([{ type: 'TOPIC', name: 't', edit }], false)
    for (let turn = 0; turn < 20; turn++) await cluster.system.settle()
    opening.resolve()
    await run(cluster.system, Promise.all([changing, configuring]))
    assert.equal(cluster.metadata.partition(id, 0)?.config.retentionMs, -1)
  })

  it('keep their leader as a replica of a reassignment until another one leads', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    const partition = cluster.metadata.topic('t')!.partitions[0]!
    const state = () => [partition.leader, partition.replicas, partition.adding, partition.removing]
    assert.equal(await cluster.change({ topicId, partition: 0, replicas: [9] }), '')
    assert.deepEqual(state(), [7, [9, 7, 8], [9], [7, 8]])
    assert.equal(await cluster.change({ topicId, partition: 0, replicas: null }), '')
    assert.deepEqual(state(), [7, [7, 8], [], []])
    assert.match(await cluster.change({ topicId, partition: 0, replicas: null }), /^NO_REASSIGNMENT_IN_PROGRESS/)
    await cluster.change({ topicId, partition: 0, replicas: [9] })
    await cluster.restart()
    const again = cluster.metadata.topic('t')!.partitions[0]!
    assert.deepEqual([again.adding, again.removing], [[9], [7, 8]])
    assert.match(await cluster.change({ topicId, partition: 0, from: 8, leader: 9 }), /^NOT_LEADER_OR_FOLLOWER/)
    assert.equal(await cluster.change({ topicId, partition: 0, from: 7, leader: 9 }), '')
    assert.deepEqual([again.leader, again.replicas, again.adding, again.removing], [9, [9], [], []])
  })

  it('have a leader that was no replica in the place of the one before', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    assert.equal(await cluster.change({ topicId, partition: 0, leader: 9 }), '')
    assert.deepEqual(cluster.metadata.topic('t')!.partitions[0]!.replicas, [9, 8])
  })

  it('that this broker lets go are found by nobody, until they have another leader or are taken back', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    const key = { topicId, partition: 0 }
    assert.deepEqual(cluster.metadata.letGo([key, { topicId, partition: 1 }]), [true, false])
    assert.deepEqual(cluster.leaders('t'), ['7'])
    assert.deepEqual(cluster.metadata.letGo([key]), [false])
    // Another order of the replicas does not open it.
    await cluster.change({ ...key, replicas: [8, 7] })
    assert.deepEqual(cluster.leaders('t'), ['7'])
    await run(cluster.system, cluster.metadata.takeBack([key]))
    assert.deepEqual(cluster.leaders('t'), ['7 here'])
    cluster.metadata.letGo([key])
    await cluster.change({ ...key, leader: 8 })
    await run(cluster.system, cluster.metadata.takeBack([key]))
    assert.deepEqual(cluster.leaders('t'), ['8'])
    assert.deepEqual(cluster.heard, ['created t', 'closed t-0', 'opened t-0', 'closed t-0'])
  })

  it('are not given to a broker that is about to stop', async () => {
    const cluster = await ofThree()
    await run(cluster.system, cluster.metadata.leaveBroker(8))
    await cluster.create('t', { numPartitions: 4 })
    assert.ok(!cluster.leaders('t').includes('8'))
    await cluster.restart()
    assert.equal(cluster.metadata.broker(8)!.leaving, true)
    await cluster.register(8)
    assert.equal(cluster.metadata.broker(8)!.leaving, false)
  })

  it('announce an epoch that their log took by itself when this broker registers', async () => {
    const cluster = await ofThree()
    const topicId = await cluster.create('t', { assignments: [{ partitionIndex: 0, brokerIds: [7, 8] }] })
    Object.assign(cluster.log.get(topicId, 0)!, { leaderEpoch: 2 })
    await cluster.restart()
    await cluster.register(7)
    await cluster.change({ topicId, partition: 0, leader: 8 })
    assert.equal(cluster.metadata.topic('t')!.partitions[0]!.leaderEpoch, 3)
  })

  it('are spread from topic to topic', async () => {
    const cluster = await ofThree()
    for (const name of ['a', 'b', 'c']) await cluster.create(name, { numPartitions: 1 })
    assert.deepEqual(['a', 'b', 'c'].flatMap(name => cluster.leaders(name)).sort(), ['7 here', '8', '9'])
    const [refused] = await run(cluster.system, cluster.metadata.createTopics([newTopic('d', { replicationFactor: 4 })], false))
    assert.equal((refused as KafkaError).name, 'INVALID_REPLICATION_FACTOR')
  })

  it('of a deleted topic are dropped only where they are open', async () => {
    const cluster = await ofThree()
    const id = await cluster.create('t', { numPartitions: 3 })
    const own = cluster.leaders('t').indexOf('7 here')
    assert.deepEqual(await run(cluster.system, cluster.metadata.deleteTopics([id])), [null])
    assert.deepEqual(cluster.log.deleted, [`t-${own}`])
    assert.equal(cluster.metadata.partitionCount, 0)
  })
})
