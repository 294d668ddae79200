/** Everything that expires by the wall clock, with a clock that jumps: nothing expires early, and everything expires when its time has come. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryFileSystem, realSystem, type System, trustingClock } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { connect, createTopic, findCoordinator, produce, type RawClient } from '../support/client.ts'

const hour = 3_600_000
const day = 24 * hour
const year = 365 * day

/** How often each thing that expires is looked at; all different, so that a round of each can be told. */
const intervals = {
  'log.retention.check.interval.ms': 21,
  'offsets.retention.check.interval.ms': 22,
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': 23,
  'transaction.remove.expired.transaction.cleanup.interval.ms': 24,
  'delegation.token.expiry.check.interval.ms': 25,
}

/** A machine with one disk, whose clocks are moved by hand. */
function machine() {
  const files = memoryFileSystem()
  const real = realSystem(files)
  let [wallMs, monotonicMs] = [0, 0]
  const rounds = new Map<number, number>()
  const system: System = {
    ...real,
    clock: trustingClock(
      () => real.clock.now() + wallMs,
      () => real.clock.monotonic() + monotonicMs,
    ),
    timers: {
      ...real.timers,
      after(delayMs, callback) {
        return real.timers.after(delayMs, () => {
          callback()
          rounds.set(delayMs, (rounds.get(delayMs) ?? 0) + 1)
        })
      },
    },
  }
  const config = loadBrokerConfig({
    set: {
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'http.listen': 'none',
      'log.dirs': '/data',
      'delegation.token.secret.key': 'secret',
      'offsets.topic.num.partitions': 1,
      'transaction.state.log.num.partitions': 1,
      ...intervals,
    },
  })
  return {
    jump: (ms: number) => void (wallMs += ms),
    pass(ms: number) {
      wallMs += ms
      monotonicMs += ms
    },
    /** Resolves when everything was looked at twice. */
    async looked() {
      const done = (ms: number) => rounds.get(ms) ?? 0
      const wanted = Object.values(intervals).map(ms => [ms, done(ms) + 2] as const)
      while (!wanted.every(([ms, count]) => done(ms) >= count)) await sleep(5)
    },
    async start(t: TestContext): Promise<RunningBroker> {
      const running = await startBroker({ system, config, logger: silentLogger, onThisMachine: false, onFatal: assert.fail })
      // Again after the test itself did it, or if it failed before.
      t.after(() => running.close())
      return running
    },
  }
}

interface Kept {
  records: boolean
  producer: boolean
  offset: boolean
  offsetWithItsOwnRetention: boolean
  transactionalId: boolean
  openTransaction: boolean
  token: boolean
}

const everything: Kept = {
  records: true,
  producer: true,
  offset: true,
  offsetWithItsOwnRetention: true,
  transactionalId: true,
  openTransaction: true,
  token: true,
}
const nothing = Object.fromEntries(Object.keys(everything).map(key => [key, false])) as unknown as Kept

async function newProducer(client: RawClient, transactionalId: string | null): Promise<{ producerId: number; producerEpoch: number }> {
  for (;;) {
    const answer = await client.request(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 900_000 })
    const error = errorName(answer.errorCode)
    if (error === 'NONE') return { producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch }
    assert.ok(['COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS'].includes(error), error)
    await client.request(apis.findCoordinator, 2, { key: transactionalId!, keyType: 1 })
    await sleep(5)
  }
}

/** One of each; `name` keeps those of several calls apart. */
async function store(running: RunningBroker, name: string): Promise<void> {
  const client = await connect(running.ports.get('PLAINTEXT')!)
  const now = running.broker.system.clock.now()
  await createTopic(client, `${name}-records`, 1, { 'retention.ms': String(7 * day), 'message.timestamp.after.max.ms': String(2 * year) })
  await createTopic(client, `${name}-producer`, 1, { 'retention.ms': '-1' })
  const batch = (more: object) => buildBatch({ records: [{ key: null, value: Buffer.from('x') }], timestamp: now, ...more })
  assert.equal((await produce(client, `${name}-records`, batch({}))).errorCode, 0)
  const producer = await newProducer(client, null)
  assert.equal((await produce(client, `${name}-producer`, batch({ ...producer, baseSequence: 0 }))).errorCode, 0)
  await findCoordinator(client, name)
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
  const commit = { generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name: `${name}-records`, partitions }] }
  await client.request(apis.offsetCommit, 5, { ...commit, groupId: name })
  await client.request(apis.offsetCommit, 3, { ...commit, groupId: `${name}-old`, retentionTimeMs: 2 * day })
  await newProducer(client, `${name}-idle`)
  const v3 = { v3AndBelowTransactionalId: `${name}-open`, v3AndBelowTopics: [{ name: `${name}-records`, partitions: [0] }] }
  const { producerId, producerEpoch } = await newProducer(client, `${name}-open`)
  const added = await client.request(apis.addPartitionsToTxn, 3, {
    ...v3,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
  })
  assert.equal(added.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode, 0)
  const alice = 'User:alice'
  await running.broker.security.tokens.create({ owner: alice, requester: alice, renewers: [name], maxLifetimeMs: -1 })
  client.close()
}

async function look(running: RunningBroker, name: string): Promise<Kept> {
  const client = await connect(running.ports.get('PLAINTEXT')!)
  await findCoordinator(client, name)
  const topics = [{ name: `${name}-records`, partitionIndexes: [0] }]
  const committed = async (groupId: string) => {
    for (;;) {
      const { topics: answered, errorCode } = await client.request(apis.offsetFetch, 5, { groupId, topics })
      if (errorCode === 0) return Number(answered[0]!.partitions[0]!.committedOffset) === 1
      await sleep(5)
    }
  }
  const { transactionStates } = await client.request(apis.listTransactions, 0, { stateFilters: [], producerIdFilters: [] })
  const states = new Map(transactionStates.map(({ transactionalId, transactionState }) => [transactionalId, transactionState]))
  const producers = await client.request(apis.describeProducers, 0, { topics: [{ name: `${name}-producer`, partitionIndexes: [0] }] })
  const kept: Kept = {
    records: running.broker.metadata.partitionByName(`${name}-records`, 0)!.logStartOffset === 0,
    producer: producers.topics[0]!.partitions[0]!.activeProducers.length > 0,
    offset: await committed(name),
    offsetWithItsOwnRetention: await committed(`${name}-old`),
    transactionalId: states.has(`${name}-idle`),
    openTransaction: states.get(`${name}-open`) === 'Ongoing',
    token: running.broker.security.tokens.list().some(({ renewers }) => renewers.includes(name)),
  }
  client.close()
  return kept
}

test('time that passes makes everything go, and each thing in its time', async t => {
  const { start, pass, looked } = machine()
  const running = await start(t)
  await store(running, 'a')
  pass(hour)
  await looked()
  assert.deepEqual(await look(running, 'a'), { ...everything, openTransaction: false })
  pass(36 * hour)
  await looked()
  assert.deepEqual(await look(running, 'a'), {
    ...nothing,
    records: true,
    offset: true,
    offsetWithItsOwnRetention: true,
    transactionalId: true,
  })
  pass(7 * day)
  await looked()
  assert.deepEqual(await look(running, 'a'), nothing)
  await running.close()
})

for (const [what, jumpMs] of [
  ['8 days ahead', 8 * day],
  ['a year behind', -year],
] as const)
  test(`a jump ${what} and back: nothing is gone, neither what was stored before nor meanwhile`, async t => {
    const { start, jump, pass, looked } = machine()
    const running = await start(t)
    await store(running, 'before')
    jump(jumpMs)
    await looked()
    await store(running, 'meanwhile')
    pass(10 * 60_000)
    await looked()
    assert.deepEqual(await look(running, 'before'), everything)
    jump(-jumpMs)
    await looked()
    for (const name of ['before', 'meanwhile']) assert.deepEqual(await look(running, name), everything, name)
    for (let days = 0; days < 8; days++) {
      pass(day)
      await looked()
    }
    for (const name of ['before', 'meanwhile']) assert.deepEqual(await look(running, name), nothing, name)
    await running.close()
  })

for (const [what, jumpMs] of [
  ['a year behind', -year],
  ['a year ahead', year],
] as const)
  test(`started with a clock ${what} that is set right while it runs: nothing is gone, also after a restart`, async t => {
    const { start, jump, pass, looked } = machine()
    let running = await start(t)
    await store(running, 'before')
    await running.close()
    jump(jumpMs)
    running = await start(t)
    await looked()
    await store(running, 'meanwhile')
    jump(-jumpMs)
    pass(10 * 60_000)
    await looked()
    for (const name of ['before', 'meanwhile']) assert.deepEqual(await look(running, name), everything, name)
    await running.close()
    running = await start(t)
    await looked()
    for (const name of ['before', 'meanwhile']) assert.deepEqual(await look(running, name), everything, name)
    await running.close()
  })
