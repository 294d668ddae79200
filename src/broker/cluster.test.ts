import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markRestored, openDatabaseMetadataLog } from '../coordinator.ts'
import type { KafkaError } from '../protocol.ts'
import type { ObjectStore } from '../store.ts'
import { aliveFor, createTopic, leadersOf, type TestBroker, TestCluster } from './cluster/cluster.testing.ts'
import { randomId } from './cluster/sessions.ts'
import { releaseWith } from './cluster.ts'

async function startAll(cluster: TestCluster, ids: readonly number[]): Promise<TestBroker[]> {
  const brokers: TestBroker[] = []
  for (const id of ids) brokers.push(await cluster.start(id))
  return brokers
}

const led = (broker: TestBroker) => [...broker.log.partitions.values()].map(({ topic, partition }) => `${topic}-${partition}`).sort()

test('a broker that dies leaves within 5 s: its partitions go to the first live replica, or to whoever leads least', async () => {
  const cluster = new TestCluster(1)
  await cluster.run(async () => {
    const [one, two, three] = (await startAll(cluster, [1, 2, 3])) as [TestBroker, TestBroker, TestBroker]
    await createTopic(two, 'single', 12)
    await createTopic(two, 'double', 12, 2)
    await cluster.until(1_000, 'all know them', () => [one, two, three].every(({ metadata }) => metadata.topics().length === 2))
    assert.deepEqual(leadersOf(three, 'single'), { 1: 4, 2: 4, 3: 4 })
    const before = three.metadata.topic('double')!.partitions.map(({ leader, leaderEpoch }) => ({ leader, leaderEpoch }))
    one.process.kill()
    await cluster.until(5_000, 'both know it', () => [two, three].every(broker => aliveFor(broker).join() === '2,3'))
    for (const broker of [two, three]) assert.deepEqual(leadersOf(broker, 'single'), { 2: 6, 3: 6 })
    for (const [index, { leader, leaderEpoch, replicas, isr }] of two.metadata.topic('double')!.partitions.entries()) {
      const moved = before[index]!.leader === 1
      assert.equal(leader, moved ? replicas[1] : before[index]!.leader)
      assert.equal(leaderEpoch, before[index]!.leaderEpoch + (moved ? 1 : 0))
      assert.ok(replicas.length === 2 && (!moved || !isr.includes(1)))
    }
    await cluster.until(1_000, 'they are open', () => led(two).length + led(three).length === 24)
    assert.equal(two.member.counts.fenced + three.member.counts.fenced, 1)
  })
})

test('two of three that are lost at once are replaced by the third within 5 s', async () => {
  const cluster = new TestCluster(2)
  await cluster.run(async () => {
    const [one, two, three] = (await startAll(cluster, [1, 2, 3])) as [TestBroker, TestBroker, TestBroker]
    await createTopic(three, 'orders', 30, 3)
    one.process.kill()
    two.process.kill()
    await cluster.until(5_000, 'the third leads everything', () => led(three).length === 30)
    assert.deepEqual(leadersOf(three, 'orders'), { 3: 30 })
    assert.deepEqual(aliveFor(three), [3])
    assert.equal(three.metadata.topic('orders')!.partitions[0]!.replicas.length, 3)
    assert.ok(three.member.isFirst)
  })
})

test('a broker that was paused goes on in the same process with another session, and leads only what it is given', async () => {
  const cluster = new TestCluster(3)
  await cluster.run(async () => {
    const [one, two] = (await startAll(cluster, [1, 2])) as [TestBroker, TestBroker]
    await createTopic(one, 'orders', 10)
    await cluster.until(1_000, 'it leads its part', () => led(one).length === 5)
    const before = one.member.session!
    one.process.pause(10_000)
    await cluster.pass(5_000)
    assert.deepEqual([aliveFor(two), leadersOf(two, 'orders')], [[2], { 2: 10 }])
    await cluster.pass(5_000)
    await cluster.until(5_000, 'it is back', () => aliveFor(two).length === 2)
    assert.ok(one.member.session! > before)
    assert.equal(two.metadata.broker(1)!.epoch, one.member.session)
    assert.deepEqual([leadersOf(one, 'orders'), led(one)], [{ 2: 10 }, []])
    await createTopic(one, 'more', 2)
    await cluster.until(1_000, 'it leads again', () => led(one).length === 1)
  })
})

test('without the database nobody is fenced, and all go on with the sessions that they have', async () => {
  const cluster = new TestCluster(4)
  await cluster.run(async () => {
    const brokers = await startAll(cluster, [1, 2, 3])
    const sessions = brokers.map(({ member }) => member.session)
    for (const awayMs of [2_000, 20_000]) {
      cluster.server.stop()
      const refused = brokers[0]!.metadata.applyConfigs([{ type: 'TOPIC', name: 'none', edit: () => new Map() }], false)
      const outcome = refused.catch(error => [error])
      const read = brokers[1]!.metadata.catchUp().then(
        () => 'read',
        (error: KafkaError) => error.name,
      )
      await cluster.pass(awayMs)
      cluster.server.start()
      // Whether there is such a topic only the database can tell.
      const [error] = await outcome
      assert.equal(error!.name, awayMs < 10_000 ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NOT_CONTROLLER')
      assert.equal(await read, awayMs < 10_000 ? 'read' : 'NOT_CONTROLLER')
      await cluster.pass(6_000)
      assert.deepEqual(
        brokers.map(({ member }) => member.session),
        sessions,
      )
      for (const broker of brokers) assert.deepEqual(aliveFor(broker), [1, 2, 3])
    }
    await createTopic(brokers[1]!, 'orders', 3)
  })
})

test('brokers that are paused together, as on a suspended machine, fence nobody when they wake', async () => {
  const cluster = new TestCluster(5)
  await cluster.run(async () => {
    const brokers = await startAll(cluster, [1, 2])
    const sessions = brokers.map(({ member }) => member.session)
    for (const { process } of brokers) process.pause(60_000)
    await cluster.pass(70_000)
    assert.deepEqual(
      brokers.map(({ member, metadata }) => [member.session, metadata.broker(1)!.fenced, metadata.broker(2)!.fenced]),
      sessions.map(session => [session, false, false]),
    )
  })
})

test('a failover of more partitions than one batch of metadata may change', async () => {
  const cluster = new TestCluster(6)
  await cluster.run(async () => {
    const one = await cluster.start(1)
    for (let n = 0; n < 3; n++) await createTopic(one, `t${n}`, 4_000)
    const two = await cluster.start(2)
    one.process.kill()
    await cluster.until(6_000, 'the second leads everything', () => two.log.partitions.size === 12_000)
  })
})

test('a second broker with the id of one that lives ends its session, and is left alone', async () => {
  const cluster = new TestCluster(7)
  await cluster.run(async () => {
    const [first, other] = (await startAll(cluster, [1, 2])) as [TestBroker, TestBroker]
    await createTopic(other, 'orders', 2)
    const begunMs = cluster.world.system.clock.monotonic()
    const second = await cluster.start(1)
    assert.ok(cluster.world.system.clock.monotonic() - begunMs >= 3_000, 'the first one may have served for the time of its lease')
    const { session } = second.member
    await cluster.pass(20_000)
    assert.deepEqual([second.member.session, first.member.session], [session, null])
    assert.equal(other.metadata.broker(1)!.epoch, session)
    assert.equal(led(first).length, 0)
    assert.ok(first.said.some(text => text.includes('another broker with the id 1 runs')))
    // When that one is gone, the first is back.
    second.process.kill()
    await cluster.until(9_000, 'the first is back', () => first.member.session !== null && aliveFor(other).length === 2)
  })
})

test('a lone broker that is started again leads what it led', async () => {
  const cluster = new TestCluster(8)
  await cluster.run(async () => {
    const one = await cluster.start(1)
    await createTopic(one, 'orders', 4)
    one.process.kill()
    const again = await cluster.start(1)
    assert.deepEqual(led(again), ['orders-0', 'orders-1', 'orders-2', 'orders-3'])
    assert.equal(again.metadata.broker(1)!.epoch, again.member.session)
  })
})

test('when all brokers are lost at once, those that are started again lead everything as soon as a lease has passed', async () => {
  const cluster = new TestCluster(21)
  await cluster.run(async () => {
    const all = (await startAll(cluster, [1, 2, 3])) as [TestBroker, TestBroker, TestBroker]
    await createTopic(all[0], 'orders', 30, 3)
    for (const { process } of all) process.kill()
    const again: TestBroker[] = []
    for (const id of [1, 2]) void cluster.start(id).then(broker => again.push(broker))
    const isLed = () => again.reduce((sum, broker) => sum + led(broker).length, 0) === 30
    await cluster.until(5_000, 'two lead everything', isLed)
  })
})

test('nobody waits for the lease of a process of the same machine that has ended', async () => {
  const cluster = new TestCluster(20)
  cluster.isOneMachine = true
  await cluster.run(async () => {
    const { clock } = cluster.world.system
    const [one, two, three] = (await startAll(cluster, [1, 2, 3])) as [TestBroker, TestBroker, TestBroker]
    await createTopic(one, 'orders', 6, 3)
    one.process.kill()
    two.process.kill()
    await cluster.until(1_000, 'the third leads everything', () => led(three).length === 6)
    await cluster.until(1_000, 'it has ended both sessions', () => three.member.counts.fenced === 2)
    three.process.kill()
    const beganMs = clock.monotonic()
    const again = await cluster.start(3)
    assert.ok(clock.monotonic() - beganMs < 1_000)
    assert.equal(led(again).length, 6)
  })
})

test('brokers without an id take different ones, also at the same moment, and have theirs again at their address', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new TestCluster(seed)
    await cluster.run(async () => {
      const brokers = await Promise.all(['a:1', 'b:1', 'c:1'].map(address => cluster.start(null, address)))
      const ids = brokers.map(({ member }) => member.brokerId)
      assert.equal(new Set(ids).size, 3, `seed ${seed}: ${ids}`)
      brokers[1]!.process.kill()
      const again = await cluster.start(null, 'b:1')
      assert.equal(again.member.brokerId, ids[1])
      const given = await cluster.start(100)
      const more = await cluster.start(null, 'd:1')
      assert.ok(![...ids, 100].includes(more.member.brokerId) && given.member.brokerId === 100)
    })
  }
})

test('a broker that stops gives what it leads to others with the end of its session', async () => {
  const cluster = new TestCluster(9)
  await cluster.run(async () => {
    const [one, two] = (await startAll(cluster, [1, 2])) as [TestBroker, TestBroker]
    await createTopic(one, 'orders', 10)
    await one.member.close()
    await cluster.until(500, 'the other leads everything', () => led(two).length === 10)
    assert.deepEqual(aliveFor(two), [2])
    one.process.kill()
    const again = await cluster.start(1)
    assert.deepEqual(aliveFor(again), [1, 2])
  })
})

test('a broker that runs is unregistered by another one, or by itself: its partitions have other leaders, and it stays out until it is restarted', async () => {
  for (const asked of [0, 1]) {
    const cluster = new TestCluster(30 + asked)
    await cluster.run(async () => {
      const brokers = await startAll(cluster, [1, 2, 3])
      const [one, two, three] = brokers as [TestBroker, TestBroker, TestBroker]
      await createTopic(three, 'orders', 12, 2)
      await cluster.until(1_000, 'it leads its part', () => led(two).length === 4)
      const beganMs = cluster.world.system.clock.monotonic()
      await brokers[asked]!.member.unregister(2)
      const tookMs = cluster.world.system.clock.monotonic() - beganMs
      assert.ok(tookMs >= 2_500 && tookMs < 5_000, `its lease has to pass: ${tookMs} ms`)
      await cluster.until(1_000, 'all know it', () => brokers.every(({ metadata }) => metadata.broker(2) === undefined))
      await cluster.until(2_000, 'others lead', () => led(one).length + led(three).length === 12)
      for (const { replicas, isr } of one.metadata.topic('orders')!.partitions) assert.deepEqual([...replicas].sort(), [...isr].sort())
      await cluster.pass(20_000)
      assert.deepEqual([aliveFor(one), aliveFor(two), led(two).length], [[1, 3], [1, 3], 0])
      assert.ok(two.member.isOut && two.member.session === null)
      assert.ok((await two.database.sessions()).every(row => row.brokerId !== 2 || row.ended))
      await assert.rejects(one.member.unregister(2), { name: 'BROKER_ID_NOT_REGISTERED' })
      two.process.kill()
      const again = await cluster.start(2)
      await createTopic(again, 'more', 3)
      await cluster.until(1_000, 'it leads again', () => led(again).length === 1)
    })
  }
})

test('a broker that is paused, or away for long, stays out when it was unregistered meanwhile; the only one that runs cannot be', async () => {
  const cluster = new TestCluster(32)
  await cluster.run(async () => {
    const [one, two] = (await startAll(cluster, [1, 2])) as [TestBroker, TestBroker]
    await createTopic(one, 'orders', 4, 2)
    two.process.pause(30_000)
    await one.member.unregister(2)
    await cluster.until(1_000, 'one leads all', () => led(one).length === 4)
    await assert.rejects(one.member.unregister(1), { name: 'INVALID_REQUEST', message: /only one that runs/ })
    await cluster.pass(40_000)
    assert.deepEqual([two.member.isOut, aliveFor(two), led(two)], [true, [1], []])
  })
})

test('through lost answers and late commits, a broker is unregistered or is not, and whoever was stays out', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new TestCluster(seed)
    await cluster.run(async () => {
      const brokers = await startAll(cluster, [1, 2, 3])
      await createTopic(brokers[0]!, 'orders', 9, 2)
      cluster.faults = 0.1
      const outcome = await brokers[seed % 3]!.member.unregister(3).then(
        () => 'done',
        (error: KafkaError) => error.name,
      )
      cluster.faults = 0
      await cluster.pass(15_000)
      const out = brokers[2]!.member.isOut
      if (outcome === 'done') assert.ok(out, `seed ${seed}`)
      for (const broker of brokers) {
        assert.deepEqual(aliveFor(broker), out ? [1, 2] : [1, 2, 3], `seed ${seed}: ${outcome}`)
        for (const { leader } of broker.metadata.topic('orders')!.partitions) assert.ok(leader !== 3 || !out, `seed ${seed}`)
      }
    })
  }
})

test('the database is restored to an earlier state while brokers run: they go on from there, and what was seen since is not used again', async () => {
  const cluster = new TestCluster(40)
  await cluster.run(async () => {
    const brokers = await startAll(cluster, [1, 2, 3])
    const [one, two, three] = brokers as [TestBroker, TestBroker, TestBroker]
    await createTopic(one, 'orders', 6, 2)
    await cluster.pass(2_000)
    // It has nothing to lose: it does not write while time is lost, and finds everything as it left it.
    three.process.pause(6_000)
    await cluster.pass(200)
    const pointMs = cluster.world.system.clock.monotonic()
    await createTopic(two, 'lost', 3)
    const seen = [await one.metadata.newProducerId(), await two.metadata.newProducerId()]
    await cluster.pass(1_000)
    cluster.server.failOver(cluster.world.system.clock.monotonic() - pointMs)
    const { system, database } = cluster.connect()
    const { id, incarnation } = await database.start(randomId(system.random))
    await database.raiseIncarnation(incarnation)
    const log = await openDatabaseMetadataLog({ system, database, objects: {} as ObjectStore, session: 0, snapshotSession: () => null })
    assert.equal(await markRestored(log, system.random), 6)
    for (const { session, ended } of await database.sessions()) if (!ended) await database.fence(session, 0)
    const knows = ({ said }: TestBroker) => said.includes('the database was restored to an earlier state; loading it anew')
    await cluster.until(12_000, 'all are back', () => brokers.every(broker => knows(broker) && aliveFor(broker).join() === '1,2,3'))
    await cluster.until(2_000, 'all is led', () => brokers.flatMap(led).length === 6)
    for (const broker of brokers) {
      assert.equal(broker.metadata.topic('lost'), undefined)
      for (const { leaderEpoch } of broker.metadata.topic('orders')!.partitions) assert.ok(leaderEpoch >= 10_000)
      const producerId = await broker.metadata.newProducerId()
      assert.ok(
        seen.every(each => each < producerId),
        `${producerId} after ${seen}`,
      )
    }
    assert.equal((await database.start(id)).incarnation, 2)
    await createTopic(three, 'more', 3)
  })
})

test('duties are done by the first broker, and by the next when that one is gone', async () => {
  const cluster = new TestCluster(10)
  await cluster.run(async () => {
    const brokers = await startAll(cluster, [1, 2])
    const done = [0, 0]
    for (const [index, { member }] of brokers.entries()) member.onDuty('counting', 1_000, async () => void done[index]!++)
    await cluster.pass(10_000)
    assert.ok(done[0]! >= 7 && done[0]! <= 10 && done[1] === 0, `${done}`)
    brokers[0]!.process.kill()
    await cluster.pass(10_000)
    assert.ok(done[1]! >= 4, `${done}`)
  })
})

test('through lost answers and late commits, failovers and new topics agree: every partition has one live leader', async () => {
  let lost = 0
  for (let seed = 1; seed <= 12; seed++) {
    const cluster = new TestCluster(seed)
    await cluster.run(async () => {
      const brokers = await startAll(cluster, [1, 2, 3, 4])
      cluster.faults = 0.1
      const creating = brokers.slice(1).map(async (broker, index) => {
        for (let n = 0; n < 8; n++) {
          const name = `t${index}-${n}`
          await createTopic(broker, name, 5, 2).catch(error => assert.match(error.name, /NOT_CONTROLLER|REQUEST_TIMED_OUT|ALREADY/))
          await cluster.pass(cluster.world.random.below(1_000))
        }
      })
      brokers[0]!.process.kill()
      await cluster.pass(cluster.world.random.below(3_000))
      brokers[1]!.process.pause(6_000)
      await Promise.all(creating)
      cluster.faults = 0
      await cluster.pass(15_000)
      const living = brokers.slice(1)
      for (const broker of living) {
        assert.deepEqual(aliveFor(broker), [2, 3, 4], `seed ${seed}`)
        for (const { name } of broker.metadata.topics()) assert.equal(leadersOf(broker, name)[1] ?? 0, 0, `seed ${seed}: ${name}`)
      }
      const seen = living.map(({ metadata }) =>
        metadata.topics().map(({ name, partitions }) => [name, partitions.map(({ leader, replicas }) => [leader, ...replicas])]),
      )
      assert.deepEqual(seen[1], seen[0])
      assert.deepEqual(seen[2], seen[0])
      const all = living[0]!.metadata.topics().flatMap(({ name, partitions }) => partitions.map(({ index }) => `${name}-${index}`))
      assert.deepEqual(living.flatMap(led).sort(), all.sort(), `seed ${seed}: each is open at its leader, and nowhere else`)
      lost += living.reduce((sum, { database }) => sum + database.counts.failures, 0)
    })
  }
  assert.ok(lost > 100, `${lost} lost answers`)
})

test('brokers that end one session at the same moment, with lost answers, change the leaders once', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new TestCluster(seed)
    await cluster.run(async () => {
      const [one, ...others] = (await startAll(cluster, [1, 2, 3])) as [TestBroker, TestBroker, TestBroker]
      await createTopic(others[1]!, 'orders', 9)
      const session = one.member.session!
      one.process.kill()
      cluster.faults = seed % 2 === 0 ? 0.3 : 0
      const ending = others.map(async ({ database, member, metadata }) => {
        const append = member.metadataLog.by(batch => database.fence(session, member.session!, batch))
        await metadata.endSession({ brokerId: 1, epoch: session, avoid: new Set() }, append)
      })
      await Promise.all(ending)
      cluster.faults = 0
      await cluster.pass(5_000)
      for (const { metadata } of others) {
        const partitions = metadata
          .topic('orders')!
          .partitions.map(({ leader, leaderEpoch, replicas }) => ({ leader, leaderEpoch, replicas }))
        assert.deepEqual(
          partitions.filter(({ leader }) => leader === 1),
          [],
        )
        assert.equal(partitions.filter(({ leaderEpoch }) => leaderEpoch === 1).length, 3, `seed ${seed}`)
        assert.ok(partitions.every(({ leaderEpoch }) => leaderEpoch <= 1))
      }
      assert.ok((await others[0]!.database.heads()).every(head => head.session !== session))
    })
  }
})

test('partitions are given away with the metadata that says so, though others change it at the same time', async () => {
  const cluster = new TestCluster(11)
  await cluster.run(async () => {
    const [one, two] = (await startAll(cluster, [1, 2])) as [TestBroker, TestBroker]
    await createTopic(one, 'orders', 4)
    const { id } = one.metadata.topic('orders')!
    const keys = one.metadata
      .topic('orders')!
      .partitions.flatMap(({ index, leader }) => (leader === 1 ? { topicId: id, partition: index } : []))
    let asked = 0
    const log = {
      async releaseWith(_: readonly unknown[], metadata: () => Promise<{ offset: number; count: number; records: Uint8Array } | null>) {
        for (;;) {
          const append = await metadata()
          if (append === null) return false
          asked++
          if (asked === 1) await createTopic(two, 'other', 1)
          if (await one.database.appendMetadata(append, one.member.session!)) return true
        }
      },
    }
    const move = async (append: Parameters<Parameters<typeof releaseWith>[3]>[0]) => {
      const outcomes = await one.metadata.changePartitions(
        keys.map(key => ({ ...key, leader: 2 })),
        append,
      )
      assert.deepEqual(
        outcomes,
        keys.map(() => null),
      )
    }
    assert.equal(await releaseWith(log, keys, one.member.metadataLog, move), true)
    assert.equal(asked, 2)
    await cluster.until(1_000, 'the other leads everything', () => leadersOf(two, 'orders')[2] === 4)
    // Nothing to record: the log is told to go on as before.
    const nothing = async (append: Parameters<typeof move>[0]) => void (await one.metadata.changePartitions([], append))
    assert.equal(await releaseWith(log, keys, one.member.metadataLog, nothing), false)
    // What the log refuses is what the caller gets, and the metadata goes on.
    const refusing = { releaseWith: async () => Promise.reject(new Error('the store is away')) }
    await assert.rejects(releaseWith(refusing, keys, one.member.metadataLog, move), /the store is away/)
    const late = {
      async releaseWith(_: readonly unknown[], metadata: () => Promise<unknown>) {
        await metadata()
        throw new Error('the store is away')
      },
    }
    await assert.rejects(releaseWith(late, keys, one.member.metadataLog, move), { name: 'UNKNOWN_SERVER_ERROR' })
    await createTopic(one, 'last', 1)
  })
})
