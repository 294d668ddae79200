/** The journal of a session, rule by rule; see also `journal-rows.test.ts`, `lease.test.ts`, and `journal-faults.test.ts` for thousands of schedules. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../../protocol.ts'
import { frameKind } from '../../store.ts'
import { steadySession, type TestPartition } from './session.testing.ts'

const isGone = (error: unknown) => error instanceof KafkaError && error.name === 'NOT_LEADER_OR_FOLLOWER'

test('what is appended in one turn is one frame with one promise', async () => {
  const { world, journal, partitions, handed, check } = await steadySession()
  const [a, b] = partitions
  const nothing = (of: TestPartition) => {
    const { topicId, partition } = of
    return journal.append(of, { topicId, partition, leaderEpoch: 0, baseOffset: 0, endOffset: 0, length: 0, logStart: -1 }, [])
  }
  assert.equal(nothing(a), nothing(b))
  const all = [a.append(journal, 100), b.append(journal, 50), a.append(journal, 20), a.append(journal, 30)]
  assert.equal(journal.unsettledBytes, 200)
  assert.deepEqual(handed, [1], 'nothing is sent before the turn is over')
  assert.deepEqual(await world.run(Promise.all(all)), [true, true, true, true])
  assert.deepEqual([handed, journal.unsettledBytes, journal.lastSeq], [[1, 2], 0, 2])
  const [, , frame] = await check()
  assert.deepEqual(
    frame!.shares.map(({ share: { partition, baseOffset, endOffset } }) => [partition, baseOffset, endOffset]),
    [
      [0, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
      [1, 0, 1],
      [0, 1, 3],
    ],
    'what follows in a partition is one share',
  )
})

test('two frames are unsettled at most, and meanwhile the next group gathers', async () => {
  const { world, server, journal, partitions, handed, opened, check } = await steadySession()
  const all: Promise<boolean>[] = []
  server.stop()
  for (let turn = 0; turn < 20; turn++) {
    for (const partition of partitions) all.push(partition.append(journal, 500))
    await world.pass(50)
  }
  assert.equal(journal.unsettledBytes, 20 * 4 * 500)
  assert.deepEqual(handed, [1, 2, 3])
  server.start()
  assert.ok((await world.run(Promise.all(all))).every(done => done))
  assert.ok(handed.length <= 5, `${handed.length} frames`)
  assert.equal(opened.mostUnsettled, 2)
  await check()
})

test('a frame does not grow without bound while the database is away', async () => {
  const { world, server, journal, partitions, check } = await steadySession({ frameBytes: 10_000 })
  server.stop()
  const all = Array.from({ length: 100 }, (_, nth) => partitions[nth % 4]!.append(journal, 900))
  await world.pass(1_000)
  server.start()
  await world.run(Promise.all(all))
  const sizes = (await check()).map(frame => frame.bodyBytes)
  assert.ok(Math.max(...sizes) <= 10_080 && sizes.length > 10, String(sizes))
})

test('each is told in the order of the stream: sent, committed, then all waiters of a frame, then its promises', async () => {
  const { world, journal, partitions, log } = await steadySession()
  const [a, b] = partitions
  await world.run(Promise.all([a.append(journal, 10), b.append(journal, 10)]))
  const second = a.append(journal, 10)
  await world.run(second)
  assert.deepEqual(log, [
    'sent 0:1 in 2',
    'sent 1:1 in 2',
    'committed 0:1',
    'committed 1:1',
    'notified 0',
    'notified 1',
    'acknowledged 0:1',
    'acknowledged 1:1',
    'sent 0:2 in 3',
    'committed 0:2',
    'notified 0',
    'acknowledged 0:2',
  ])
})

test('a connection that is lost during a commit: it is there once', async () => {
  const { world, journal, partitions, faults, database, later, check } = await steadySession()
  const [a] = partitions
  for (let round = 0; round < 40; round++) {
    faults.database = round % 2 === 0 ? 0.9 : 0
    const both = Promise.all([a.append(journal, 100), later(5, () => a.append(journal, 100))])
    await world.pass(20)
    faults.database = 0
    assert.deepEqual(await world.run(both), [true, true])
  }
  assert.ok(database.counts.resent > 10, `${database.counts.resent} resent`)
  assert.equal(a.acknowledged, 80)
  await check()
})

test('fenced in the middle: what was acknowledged is before the fence, everything else is refused at once', async () => {
  const { world, journal, partitions, session, ended, reports, openDatabase, later, check } = await steadySession()
  const other = openDatabase()
  const all: Promise<boolean>[] = []
  const fenced = later(100, () => other.fence(session, 99))
  for (let turn = 0; turn < 100; turn++) {
    for (const partition of partitions) all.push(partition.append(journal, partition === partitions[0] && turn % 10 === 0 ? 100_000 : 100))
    await world.pass(3)
  }
  await world.run(fenced)
  const done = await world.run(Promise.all(all))
  const acknowledged = done.filter(each => each).length
  assert.ok(acknowledged > 20 && acknowledged < 380, `${acknowledged} acknowledged`)
  assert.deepEqual([journal.ended, ended, journal.proven(), journal.unsettledBytes], ['fenced', ['fenced'], false, 0])
  assert.deepEqual(reports, [])
  await world.run(
    assert.rejects(
      journal.write(frameKind.carry, [], () => ({})),
      isGone,
    ),
  )
  const stream = await check()
  assert.equal(stream.at(-1)!.kind, frameKind.fence)
  await world.run(journal.close())
  assert.equal(ended.length, 1)
})

test('a database that has forgotten what it confirmed ends the session, and says so', async () => {
  const { world, server, journal, partitions, session, ended, reports } = await steadySession()
  const [a] = partitions
  await world.run(a.append(journal, 100))
  await world.run(server.forgetNewestFrame(session))
  assert.equal(await world.run(a.append(journal, 100)), false)
  assert.deepEqual([journal.ended, ended], ['predecessor-missing', ['predecessor-missing']])
  assert.match(reports.join(), /the database has lost the frame before 3 of session 1, which it had confirmed/)
})

test('a database that refuses ends the session', async () => {
  const { world, journal, partitions, database, ended, reports } = await steadySession()
  const all = [partitions[0].append(journal, 100), partitions[1].append(journal, 100_000)]
  await world.run(database.close())
  assert.deepEqual(await world.run(Promise.all(all)), [false, false])
  assert.deepEqual([journal.ended, ended], ['refused', ['refused']])
  assert.match(reports.join(), /frame 2 of session 1 was refused/)
})

test('large shares go into objects, small ones do not wait for them', async () => {
  const { world, s3, journal, partitions, check } = await steadySession()
  const [a, b, c] = partitions
  const large = Promise.all([a.append(journal, 100_000), b.append(journal, 3_000_000)])
  const small = c.append(journal, 1_000)
  assert.equal(await world.run(small), true)
  assert.deepEqual([a.acknowledged, s3.objects.size], [0, 0])
  assert.deepEqual(await world.run(large), [true, true])
  assert.match([...s3.objects.keys()].join(), /^c\/1\/1-\w+$/)
  const { objects, objectBytes, bytes, frames } = journal.counts
  assert.deepEqual([objects, objectBytes, bytes, frames], [1, 3_100_000, 3_101_000, 3])
  await check()
})

test('a partition with bytes in an object stays behind them, however small what follows is', async () => {
  const { world, journal, partitions, log, check } = await steadySession()
  const [a, b] = partitions
  const all: Promise<boolean>[] = []
  for (const bytes of [10, 200_000, 10]) all.push(a.append(journal, bytes))
  await world.pass(10)
  all.push(a.append(journal, 20), a.deleteBefore(journal, 1), b.append(journal, 10))
  await world.run(Promise.all(all))
  // The lane is empty: inline again.
  const before = journal.counts.objects
  await world.run(a.append(journal, 10))
  assert.equal(journal.counts.objects, before)
  assert.deepEqual(
    log.filter(line => line.startsWith('acknowledged')),
    ['0:1', '1:1', '0:2', '0:3', '0:4', '0:4', '0:5'].map(each => `acknowledged ${each}`),
  )
  assert.equal(a.logStart, 1)
  await check()
})

test('one large append makes what follows in its partition wait once, and not for ever', async () => {
  const { world, journal, partitions, check } = await steadySession()
  const [a] = partitions
  const tookMs: number[] = []
  const timed = async (bytes: number) => {
    const begunMs = world.system.clock.monotonic()
    await a.append(journal, bytes)
    tookMs.push(world.system.clock.monotonic() - begunMs)
  }
  const all = [timed(200_000)]
  for (let turn = 0; turn < 500; turn++) {
    all.push(timed(100))
    await world.pass(4)
  }
  await world.run(Promise.all(all))
  assert.ok(tookMs.filter(ms => ms > 100).length < 40, `${tookMs.filter(ms => ms > 100).length} appends took long`)
  assert.ok(Math.max(...tookMs.slice(-300)) < 100)
  assert.equal(journal.counts.objects, 1)
  await check()
})

test('an object is written as soon as nothing more comes, but small ones and many at once gather for longer', async () => {
  const { world, journal, partitions, check } = await steadySession()
  const [a, b] = partitions
  const timed = async (...bytes: number[]) => {
    const begunMs = world.system.clock.monotonic()
    await world.run(Promise.all(bytes.map((each, nth) => partitions[nth % 4]!.append(journal, each))))
    return world.system.clock.monotonic() - begunMs
  }
  // A producer with one request in flight; a PUT takes 1 to 31 ms here.
  let slowest = 0
  for (let turn = 0; turn < 20; turn++) slowest = Math.max(slowest, await timed(200_000, 300_000))
  assert.ok(slowest < 60, `${slowest} ms`)
  assert.equal(journal.counts.objects, 20)
  // Many, one each 2 ms: what comes while an object is written is in the next one.
  const all: Promise<boolean>[] = []
  for (let turn = 0; turn < 250; turn++) {
    all.push((turn % 2 === 0 ? a : b).append(journal, 70_000))
    await world.pass(2)
  }
  await world.run(Promise.all(all))
  assert.ok(journal.counts.objects - 20 < 10, `${journal.counts.objects - 20} objects`)
  await check()
})

test('objects become visible in the order in which they were begun, whichever is written first', async () => {
  const { world, journal, partitions, faults, check } = await steadySession({ objectBytes: 100_000, objectPuts: 4 })
  const [a, b] = partitions
  faults.objects = 0.5
  const all: Promise<boolean>[] = []
  for (let turn = 0; turn < 60; turn++) {
    all.push(a.append(journal, 70_000 + turn), b.append(journal, 10 + turn))
    await world.pass(20)
  }
  faults.objects = 0
  assert.ok((await world.run(Promise.all(all))).every(done => done))
  await check()
})

test('S3 away: inline goes on, bulk waits, and goes on when it is back', async () => {
  const { world, s3, journal, partitions, reports, check } = await steadySession()
  const [a, b] = partitions
  s3.stop()
  const large = a.append(journal, 500_000)
  await world.pass(200)
  const behind = a.append(journal, 10)
  for (let second = 0; second < 40; second++) {
    assert.equal(await world.run(b.append(journal, 1_000)), true)
    assert.ok(journal.proven())
    await world.pass(1_000)
  }
  assert.equal(a.acknowledged, 0)
  assert.match(reports.join(), /the object 1\/1-\w+ could not be written; it is tried again/)
  s3.start()
  assert.deepEqual(await world.run(Promise.all([large, behind])), [true, true])
  await check()
})

test('the budget: what does not fit into it goes into objects', async () => {
  const { world, journal, partitions, check } = await steadySession({ inlineBytesPerSecond: 200_000 })
  const all: Promise<boolean>[] = []
  const spend = async (seconds: number) => {
    const before = journal.counts.objectBytes
    for (let turn = 0; turn < seconds * 10; turn++) {
      for (const partition of partitions) all.push(partition.append(journal, 10_000))
      await world.pass(100)
    }
    await world.run(Promise.all(all))
    return seconds * 400_000 - (journal.counts.objectBytes - before)
  }
  await world.pass(2_000)
  const alone = await spend(10)
  assert.ok(alone > 1_200_000 && alone < 2_300_000, `${alone} bytes inline in 10 s`)
  assert.ok(journal.counts.overBudget > 20, `${journal.counts.overBudget} over the budget`)
  journal.liveBrokers = 4
  const shared = await spend(10)
  assert.ok(shared > 250_000 && shared < 650_000, `${shared} bytes inline in 10 s with three others`)
  await check()
})

test('a topic may choose its lane', async () => {
  const { world, s3, journal, partitions, check } = await steadySession({ inlineBytesPerSecond: 100_000 })
  const [a, b] = partitions
  a.config = { durability: 'inline' }
  b.config = { durability: 'object' }
  s3.stop()
  for (let turn = 0; turn < 10; turn++) assert.equal(await world.run(a.append(journal, 300_000)), true)
  const inObject = b.append(journal, 10)
  await world.pass(1_000)
  assert.equal(b.acknowledged, 0)
  s3.start()
  assert.deepEqual(await world.run(Promise.all([inObject, b.deleteBefore(journal, 1)])), [true, true])
  await check()
})

test('a flood of what has to go inline does not hold up the others', async () => {
  const { world, server, journal, partitions, check } = await steadySession()
  const [a, b, c] = partitions
  c.config = a.config = { durability: 'inline' }
  const flood = (turns: number) =>
    Array.from({ length: turns }, async (_, turn) => {
      await world.pass(turn)
      return Promise.all([a.append(journal, 1_000_000), c.append(journal, 3_900_000), b.append(journal, 100)])
    })
  server.stop()
  const all = flood(20)
  await world.pass(1_000)
  server.start()
  const acknowledged = (await world.run(Promise.all(all))).flat()
  assert.ok(acknowledged.every(done => done))
  const frames = await check()
  const before = frames.slice(0, frames.findLastIndex(({ shares }) => shares.some(({ share }) => share.partition === 1)) + 1)
  const inline = before.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
  assert.ok(inline < 25_000_000, `${inline} bytes in the database before the last small append`)
})

test('a share that does not fit its bytes is a bug of its partition, and harms no other', async () => {
  const { world, journal, partitions, check } = await steadySession()
  const [a, b] = partitions
  const share = { topicId: b.topicId, partition: 1, leaderEpoch: 0, baseOffset: 0, endOffset: 1, length: 11, logStart: -1 }
  const done = a.append(journal, 10)
  assert.throws(() => journal.append(b, share, [Buffer.alloc(10)]), /assertion failed: 10 bytes for a share of 11/)
  assert.equal(await world.run(done), true)
  assert.equal(journal.unsettledBytes, 0)
  await check()
})

test('close sends what was gathered, objects too, and then nothing more', async () => {
  const { world, journal, partitions, ended, check } = await steadySession()
  const [a, b, c] = partitions
  const all = [a.append(journal, 10), b.append(journal, 100_000), c.append(journal, 10)]
  const closed = journal.close()
  assert.equal(await world.run(a.append(journal, 10)), false)
  a.end--
  await world.run(closed)
  assert.deepEqual(await world.run(Promise.all(all)), [true, true, true])
  assert.deepEqual([journal.ended, ended], ['closed', []])
  const frames = (await check()).length
  await world.pass(5_000)
  assert.equal((await check()).length, frames)
})

test('close does not wait for ever', async () => {
  const { world, s3, server, journal, partitions } = await steadySession()
  s3.stop()
  const all = [partitions[0].append(journal, 100_000)]
  await world.pass(200)
  server.stop()
  all.push(partitions[1].append(journal, 10))
  const begunMs = world.system.clock.monotonic()
  await world.run(journal.close())
  assert.ok(world.system.clock.monotonic() - begunMs <= 10_100)
  assert.deepEqual(await world.run(Promise.all(all)), [false, false])
})
