/** Decisions with thousands of records take many turns of the event loop; nobody sees a part of one, or decides in the middle of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../../base.ts'
import { KafkaError, metadataTopicUuid, zeroUuid } from '../../protocol.ts'
import { type TestSystem, testSystem } from '../runtime.testing.ts'
import { newTopic, run, TestLog, testRules } from './cluster.testing.ts'
import { NaiveMetadataLog } from './metadata-log.testing.ts'
import { openClusterMetadata } from './open-cluster.ts'
import type { ClusterMetadata, ConfigChange } from './types.ts'

const many = 300
/** More items in one turn would take too long. */
const mostAtOnce = 20

/** Its clock goes on by a millisecond whenever somebody looks at it, as work in slices does after each item. */
class Machine {
  readonly log: TestLog
  readonly system: TestSystem
  readonly shared: NaiveMetadataLog | null
  turns = 0
  afterEach: () => void = () => {}
  cluster!: ClusterMetadata

  constructor(shared: NaiveMetadataLog | null, before?: Machine) {
    this.shared = shared
    this.log = new TestLog(before?.log.disk)
    const base = before?.system ?? testSystem()
    let nowMs = 0
    const clock = trustingClock(
      () => base.clock.now(),
      () => nowMs++,
    )
    const soon = (callback: () => void) =>
      base.timers.soon(() => {
        this.turns++
        callback()
        this.afterEach()
      })
    this.system = { ...base, clock, timers: { ...base.timers, soon } }
  }

  async start(snapshotAfterRecords = 1_000_000): Promise<this> {
    const opening = openClusterMetadata({
      system: this.system,
      log: this.log,
      directory: '/data',
      brokerId: 0,
      rules: testRules,
      reporter: { info() {}, warn() {} },
      metadataLog: this.shared ?? undefined,
      snapshotAfterRecords,
    })
    this.cluster = await run(this.system, opening)
    return this
  }

  /** Of the metadata log. */
  get end(): number {
    return this.shared?.records.length ?? this.log.get(metadataTopicUuid, 0)!.logEndOffset
  }

  /** Turns until the records of the change are in the log. */
  async turnsOf<T>(change: (cluster: ClusterMetadata) => Promise<T>): Promise<{ turns: number; result: T }> {
    const { end, turns } = this
    let until: number | null = null
    const { afterEach } = this
    this.afterEach = () => {
      afterEach()
      if (until === null && this.end > end) until = this.turns
    }
    const result = await run(this.system, change(this.cluster))
    this.afterEach = afterEach
    return { turns: (until ?? Number.NaN) - turns, result }
  }
}

const config = (name: string): ConfigChange => ({ type: 'GROUP', name, edit: () => new Map([['k', 'v']]) })
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

const changes: Record<string, (cluster: ClusterMetadata) => Promise<unknown>> = {
  'creates a topic with many partitions': cluster => cluster.createTopics([newTopic('t', { numPartitions: many })], false),
  'creates one with a manual assignment': cluster =>
    cluster.createTopics(
      [newTopic('t', { assignments: numbers(many).map(partitionIndex => ({ partitionIndex, brokerIds: [0] })) })],
      false,
    ),
  'adds partitions': cluster => cluster.createPartitions([{ name: 'old', count: many, assignments: null }], false),
  'changes many configs': cluster =>
    cluster.applyConfigs(
      numbers(200).map(n => config(`g${n}`)),
      false,
    ),
  'changes many quotas': cluster =>
    cluster.quotas.alter(
      numbers(many).map(n => ({
        entity: [{ entityType: 'user', entityName: `u${n}` }],
        ops: [{ key: 'producer_byte_rate', value: 1 }],
      })),
      false,
    ),
  'adds many ACLs': ({ security }) =>
    security.createAcls(
      numbers(many).map(n => ({
        resourceType: 2,
        resourceName: `t${n}`,
        patternType: 3,
        principal: 'User:a',
        host: '*',
        operation: 3,
        permissionType: 3,
      })),
    ),
}

for (const isFollower of [false, true]) {
  const broker = `a broker that ${isFollower ? 'follows' : 'keeps'} the metadata log`
  const made = () => new Machine(isFollower ? new NaiveMetadataLog() : null).start()

  for (const [name, change] of Object.entries(changes)) {
    test(`${broker} ${name} in many turns`, async () => {
      const machine = await made()
      await run(machine.system, machine.cluster.createTopics([newTopic('old')], false))
      const { turns, result } = await machine.turnsOf(change)
      for (const outcome of (result as unknown[] | undefined) ?? []) assert.ok(!(outcome instanceof KafkaError), String(outcome))
      assert.ok(turns >= 200 / mostAtOnce, `${turns} turns`)
    })
  }

  test(`${broker} gives many topics new defaults in many turns`, async () => {
    const machine = await made()
    const { system, cluster } = machine
    await run(
      system,
      cluster.createTopics(
        numbers(many).map(n => newTopic(`t${n}`, { numPartitions: 1 })),
        false,
      ),
    )
    const { turns } = machine
    await run(system, cluster.applyConfigs([{ ...config(''), type: 'BROKER' }], false))
    assert.ok(machine.turns - turns > many / mostAtOnce, `${machine.turns - turns} turns`)
  })

  test(`${broker} decides nothing else meanwhile, and shows all of it or nothing`, async () => {
    const machine = await made()
    const seen = new Set<number>()
    machine.afterEach = () => void seen.add(machine.cluster.topic('t')?.partitions.length ?? 0)
    const { result } = await machine.turnsOf(cluster =>
      Promise.all([
        cluster.createTopics([newTopic('t', { numPartitions: many })], false),
        cluster.createTopics([newTopic('t')], false),
        cluster.createPartitions([{ name: 't', count: 2 * many, assignments: null }], false),
        cluster.registerBroker({ id: 0, incarnation: zeroUuid, rack: null, fenced: false, endpoints: new Map() }),
      ]),
    )
    const names = result.slice(0, 3).map(outcomes => (outcomes as unknown[]).map(each => (each instanceof KafkaError ? each.name : 'done')))
    assert.deepEqual(names, [['done'], ['TOPIC_ALREADY_EXISTS'], ['done']])
    assert.deepEqual([...seen], [0, many, 2 * many])
  })
}

test('a broker whose metadata log is lost in the middle of a decision refuses it, and is what its log says', async () => {
  const machine = await new Machine(null).start()
  const { system, cluster } = machine
  const metadataLog = machine.log.get(metadataTopicUuid, 0)!
  const from = machine.turns
  machine.afterEach = () => {
    if (machine.turns === from + 10) metadataLog.goOffline('the disk is gone')
  }
  metadataLog.durable = false
  const waiting = assert.rejects(cluster.createTopics([newTopic('s')], false), KafkaError)
  const creating = assert.rejects(cluster.createTopics([newTopic('t', { numPartitions: many })], false), { name: 'NOT_CONTROLLER' })
  await run(system, Promise.all([waiting, creating]))
  metadataLog.goOffline(null)
  metadataLog.durable = true
  metadataLog.sync()
  await system.advance(10_000)
  await run(system, cluster.createTopics([newTopic('t', { numPartitions: 2 })], false))
  assert.deepEqual(
    cluster.topics().map(({ name, partitions }) => [name, partitions.length]),
    [
      ['s', 3],
      ['t', 2],
    ],
  )
})

test('a large change that the metadata log refuses is not made', async () => {
  const { system, cluster, log } = await new Machine(null).start()
  log.get(metadataTopicUuid, 0)!.failNext = new KafkaError('KAFKA_STORAGE_ERROR')
  const creating = (numPartitions: number) => run(system, cluster.createTopics([newTopic('t', { numPartitions })], false))
  await assert.rejects(creating(many), KafkaError)
  assert.equal(cluster.topic('t'), undefined)
  await creating(2)
  assert.equal(cluster.topic('t')?.partitions.length, 2)
})

test('a change that comes while a snapshot is made is not in it', async () => {
  const records = 3_000
  const machine = await new Machine(null).start(records)
  const { system, cluster } = machine
  const creating = cluster.createTopics([newTopic('t', { numPartitions: records })], false)
  let also: Promise<unknown> | null = null
  machine.afterEach = () => {
    if (cluster.topic('t') !== undefined) also ??= cluster.createTopics([newTopic('u')], false)
  }
  await run(system, creating)
  await run(system, also!)
  const [snapshot] = system.files.list('/data/__cluster_metadata-0').filter(({ name }) => name.endsWith('.checkpoint'))
  assert.equal(Number(snapshot!.name.slice(0, 20)), machine.end - 4)
  await run(system, cluster.close())
  const again = await new Machine(null, machine).start()
  assert.deepEqual(
    again.cluster.topics().map(({ name, partitions }) => [name, partitions.length]),
    [
      ['t', records],
      ['u', 3],
    ],
  )
})
