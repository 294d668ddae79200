import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError, randomUuid, type Uuid, zeroUuid } from '../../protocol.ts'
import { testSystem } from '../runtime.testing.ts'
import { newTopic, TestLog, testRules } from './cluster.testing.ts'
import { countIn, follow, increment, settled } from './followed-metadata.testing.ts'
import { brokerConfig, NaiveMetadataLog } from './metadata-log.testing.ts'
import type { MetadataLog } from './metadata-log.ts'
import { encodeMetadataRecord } from './metadata-records.ts'
import { openClusterMetadata } from './open-cluster.ts'
import type { ClusterShard } from './shard.ts'

/** As `log`, but calls go through the given functions while they are set. */
class Bent implements MetadataLog {
  append: MetadataLog['append']
  read: MetadataLog['read']
  onChanged: MetadataLog['onChanged']

  constructor(log: MetadataLog) {
    this.append = (...args) => log.append(...args)
    this.read = from => log.read(from)
    this.onChanged = callback => log.onChanged(callback)
  }

  close(): void {}
}

const unreachable = async () => {
  throw new KafkaError('COORDINATOR_NOT_AVAILABLE')
}

test('a write that lost the race is decided again on the newer state', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const [one, other] = [follow(system, log), follow(system, log)]
  await settled(system, Promise.all([one.home.loaded, other.home.loaded]))
  await settled(system, Promise.all([...Array(10)].flatMap(() => [one.home.write(increment), other.home.write(increment)])), 5_000)
  await system.advance(2_000)
  assert.deepEqual([countIn(one.shard), countIn(other.shard)], [20, 20])
  assert.deepEqual([one.shard.nextOffset, other.shard.nextOffset], [log.records.length, log.records.length])
})

test('the first write of a start waits for a log that stopped answering when it had been loaded', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const bent = new Bent(log)
  const follower = follow(system, bent)
  await settled(system, follower.home.loaded)
  const { append, read } = bent
  bent.append = bent.read = unreachable
  await assert.rejects(settled(system, follower.home.write(increment), 1_000), { name: 'COORDINATOR_NOT_AVAILABLE' })
  const first = follower.home.writeFirst(increment)
  await system.advance(10_000)
  bent.append = append
  bent.read = read
  await settled(system, first, 5_000)
  assert.equal(countIn(follower.shard), 1)
})

test('what an old image refuses, or finds unnecessary, is decided again on the newest one', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const deaf = new Bent(log)
  deaf.onChanged = () => ({ cancel() {} })
  const [one, other] = [follow(system, log), follow(system, deaf)]
  await settled(system, Promise.all([one.home.loaded, other.home.loaded]))
  await settled(
    system,
    one.home.write(shard => shard.createTopics([newTopic('a')], false)),
  )
  const edit = () => new Map([['retention.ms', '1']])
  const change = other.home.write(shard => shard.applyConfigs([{ type: 'TOPIC', name: 'a', edit }], false))
  assert.deepEqual(await settled(system, change, 100), [null])
  const register = (epoch: number) => (shard: ClusterShard) =>
    shard.registerBroker({ id: 1, epoch, incarnation: zeroUuid, rack: null, fenced: false, endpoints: new Map() })
  await settled(system, other.home.write(register(5)))
  await settled(system, one.home.write(register(7)))
  await assert.rejects(settled(system, other.home.write(register(6)), 100), { name: 'DUPLICATE_BROKER_REGISTRATION' })
  await settled(
    system,
    one.home.write(shard => shard.endSession({ brokerId: 1, epoch: 7, avoid: new Set() })),
  )
  await settled(
    system,
    one.home.write(shard => shard.unregisterBroker(1)),
  )
  // To the old image, the epoch is still a later one.
  assert.equal(await settled(system, other.home.write(register(6)), 100), 6)
})

test('however many ask for the newest image, or are refused, the log is read seldom; and each answer is younger than its question', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const deaf = new Bent(log)
  deaf.onChanged = () => ({ cancel() {} })
  let reads = 0
  const { read } = deaf
  deaf.read = from => {
    reads++
    return read(from)
  }
  const [one, other] = [follow(system, log), follow(system, deaf)]
  await settled(system, Promise.all([one.home.loaded, other.home.loaded]))
  const remove = (id: Uuid) => other.home.write(shard => shard.deleteTopics([id]))
  reads = 0
  const unknown = Array.from({ length: 500 }, () => remove(randomUuid(system.random)))
  const outcomes = await settled(system, Promise.all(unknown), 1_000)
  assert.ok(outcomes.every(([outcome]) => outcome?.name === 'UNKNOWN_TOPIC_ID'))
  assert.ok(reads <= 2, `${reads} reads`)
  const begunMs = system.clock.monotonic()
  reads = 0
  for (let n = 0; n < 50; n++) await settled(system, remove(randomUuid(system.random)), 100)
  assert.ok(reads <= (system.clock.monotonic() - begunMs) / 5 + 1, `${reads} reads`)
  // Asked while another catch-up is under way, which may have read before the topic was there.
  for (let n = 0; n < 10; n++) {
    const underWay = other.home.catchUp()
    const [created] = await settled(
      system,
      one.home.write(shard => shard.createTopics([newTopic(`t${n}`)], false)),
    )
    assert.ok(!(created instanceof KafkaError))
    assert.deepEqual(await settled(system, remove(created!.id), 100), [null])
    await settled(system, underWay, 100)
  }
})

test('what was written is in the image when the write is answered', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const { home, reports } = follow(system, log)
  await settled(system, home.loaded)
  const seen = home.write(increment).then(() => home.write(shard => ({ records: [], response: countIn(shard) })))
  assert.equal(await settled(system, seen), 1)
  assert.equal(reports.length, 0)
})

test('a refused change changes nothing', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const { home } = follow(system, log)
  await settled(system, home.loaded)
  const refused = home.write(() => {
    throw new KafkaError('TOPIC_ALREADY_EXISTS')
  })
  await assert.rejects(settled(system, refused), { name: 'TOPIC_ALREADY_EXISTS' })
  const records = Array.from({ length: 400 }, (_, n) => brokerConfig(String(n), 'x'.repeat(30_000)))
  const large = home.write(() => ({ records, response: 0 }))
  await assert.rejects(settled(system, large), { name: 'UNKNOWN_SERVER_ERROR' })
  assert.equal(log.records.length, 0)
  await settled(system, home.write(increment))
  assert.equal(log.records.length, 2)
})

test('without the log, changes fail at once and the image stays; it follows again by itself', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const bent = new Bent(log)
  const follower = follow(system, bent)
  await settled(system, follower.home.loaded)
  await settled(system, follower.home.write(increment))
  const { append, read } = bent
  bent.append = unreachable
  bent.read = unreachable
  await system.advance(5_000)
  await assert.rejects(settled(system, follower.home.write(increment)), { name: 'COORDINATOR_NOT_AVAILABLE' })
  assert.equal(countIn(follower.shard), 1)
  assert.equal(follower.reports.length, 1)
  bent.append = append
  bent.read = read
  await log.append(log.records.length, [brokerConfig('count', '7')], Buffer.from('x'))
  await system.advance(1_100)
  assert.equal(countIn(follower.shard), 7)
  assert.equal(follower.loads, 1)
})

test('it loads when the log can be reached at last', async () => {
  const system = testSystem()
  const bent = new Bent(new NaiveMetadataLog())
  const { read } = bent
  bent.read = unreachable
  const { home } = follow(system, bent)
  await system.advance(10_000)
  await assert.rejects(settled(system, home.write(increment)), { name: 'COORDINATOR_NOT_AVAILABLE' })
  bent.read = read
  await settled(system, home.loaded, 3_000)
  await settled(system, home.write(increment))
})

test('an append whose answer is lost is asked for until it is known', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const bent = new Bent(log)
  const follower = follow(system, bent)
  const { home, reports } = follower
  await settled(system, home.loaded)
  let calls = 0
  bent.append = async (...args) => {
    calls++
    if (calls === 1) await log.append(...args)
    // A refusal of a repeated call says nothing about the first.
    if (calls > 1 && calls < 4) throw new KafkaError('COORDINATOR_NOT_AVAILABLE')
    if (calls < 6) throw new Error('lost')
    return log.append(...args)
  }
  const writing = home.write(increment)
  const next = home.write(increment)
  await settled(system, Promise.all([writing, next]), 5_000)
  assert.equal(calls, 7)
  assert.equal(log.records.length, 4)
  assert.equal(reports.length, 1)
  assert.deepEqual([follower.loads, countIn(follower.shard)], [1, 2])
})

test('its caller waits half a minute; those behind it are told that nothing was done', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const bent = new Bent(log)
  const follower = follow(system, bent)
  await settled(system, follower.home.loaded)
  const { append } = bent
  bent.append = async () => {
    throw new Error('lost')
  }
  const outcomes = Promise.allSettled([follower.home.write(increment), follower.home.write(increment)])
  await system.advance(31_000)
  const names = (await settled(system, outcomes)).map(each => (each as PromiseRejectedResult).reason.name)
  assert.deepEqual(names, ['REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE'])
  bent.append = append
  await system.advance(5_000)
  await settled(system, follower.home.write(increment))
  assert.equal(countIn(follower.shard), 2)
})

test('a change that comes true after its caller has given up is seen all the same', async () => {
  const system = testSystem()
  const bent = new Bent(new NaiveMetadataLog())
  const { append } = bent
  bent.onChanged = () => ({ cancel() {} })
  const options = { system, directory: '/data', rules: testRules, reporter: { info() {}, warn() {} }, brokerId: 0 }
  const cluster = await settled(system, openClusterMetadata({ ...options, log: new TestLog(), metadataLog: bent }), 1_000)
  bent.append = async () => {
    throw new Error('lost')
  }
  const refused = assert.rejects(cluster.createTopics([newTopic('late')], false), { name: 'REQUEST_TIMED_OUT' })
  await system.advance(31_000)
  await settled(system, refused)
  assert.equal(cluster.topic('late'), undefined)
  bent.append = append
  await system.advance(5_000)
  assert.ok(cluster.topic('late'))
  await settled(system, cluster.close())
})

test('a log that no longer has what follows the image is loaded from its snapshot', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const bent = new Bent(log)
  const follower = follow(system, bent)
  await settled(system, follower.home.loaded)
  const { read } = bent
  bent.read = unreachable
  for (let n = 1; n <= 3; n++) await log.append(log.records.length, [brokerConfig('count', String(n))], Buffer.from([n]))
  log.trim()
  await log.append(log.records.length, [brokerConfig('count', '4')], Buffer.from([4]))
  bent.read = read
  await system.advance(1_100)
  assert.deepEqual([follower.loads, countIn(follower.shard)], [2, 4])
})

test('a log that is shorter than the image is loaded anew', async () => {
  const system = testSystem()
  let log = new NaiveMetadataLog()
  const current: MetadataLog = {
    append: (...args) => log.append(...args),
    read: from => log.read(from),
    onChanged: callback => log.onChanged(callback),
    close() {},
  }
  const follower = follow(system, current)
  await settled(system, follower.home.loaded)
  await settled(system, follower.home.write(increment))
  log = new NaiveMetadataLog()
  await settled(system, follower.home.write(increment))
  await system.advance(1_100)
  assert.deepEqual([follower.loads, countIn(follower.shard), log.records.length], [2, 1, 2])
})

test('a record that cannot be replayed leaves no half image behind', async () => {
  const system = testSystem()
  const log = new NaiveMetadataLog()
  const follower = follow(system, log)
  await settled(system, follower.home.loaded)
  const unknown = encodeMetadataRecord({ type: 'RemoveTopicRecord', topicId: randomUuid(system.random) })
  await log.append(0, [brokerConfig('count', '1'), unknown], Buffer.from('x'))
  await system.advance(100)
  await assert.rejects(settled(system, follower.home.write(increment)))
  assert.equal(log.records.length, 3)
})

test('closing ends what waits', async () => {
  const system = testSystem()
  const bent = new Bent(new NaiveMetadataLog())
  const { home } = follow(system, bent)
  await settled(system, home.loaded)
  bent.append = async () => {
    throw new Error('lost')
  }
  const writing = assert.rejects(home.write(increment), { name: 'REQUEST_TIMED_OUT' })
  await system.advance(100)
  home.close()
  await settled(system, writing)
  await assert.rejects(settled(system, home.write(increment)), { name: 'NOT_COORDINATOR' })
  assert.equal(system.pendingTimers, 0)
})

test('a broker with the log and one that follows it show the same', async () => {
  const system = testSystem()
  const reporter = { info() {}, warn() {} }
  const options = { system, directory: '/data', rules: testRules, reporter }
  const keeper = await settled(system, openClusterMetadata({ ...options, log: new TestLog(), brokerId: 0 }))
  const other = { ...options, log: new TestLog(), brokerId: 1, metadataLog: keeper.sharedLog! }
  const follower = await settled(system, openClusterMetadata(other))
  assert.equal(follower.sharedLog, null)
  await settled(system, follower.createTopics([newTopic('a')], false), 1_000)
  await settled(system, keeper.createTopics([newTopic('b')], false), 1_000)
  assert.ok(follower.topic('a'))
  await system.advance(1_100)
  for (const cluster of [keeper, follower]) {
    assert.deepEqual(
      cluster.topics().map(({ name }) => name),
      ['a', 'b'],
    )
  }
  assert.equal(follower.topicId('b'), keeper.topicId('b'))
  const ids = await settled(system, Promise.all([keeper.newProducerId(), follower.newProducerId()]), 1_000)
  assert.equal(new Set(ids).size, 2)
  await settled(system, Promise.all([follower.close(), keeper.close()]))
})
