/** Partitions of the shared home, taken over, given away and lost; that they behave like local ones is in `log.contract.test.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedPostgres } from '../../../sim/world/postgres.ts'
import type { TopicConfig } from '../../log.ts'
import { buildMarkerBatch, type KafkaError } from '../../protocol.ts'
import { frameKind } from '../../store.ts'
import { batchOf as batchAt, readAll, type TestBatch, topicConfig, topicId } from '../log.testing.ts'
import { type TestBroker, testBroker } from './log.testing.ts'
import type { SharedPartition } from './partition.ts'
import { type TestCluster, testCluster } from './session.testing.ts'
import { topicIdOf } from './topic-id.ts'

const specOf = (partition = 0) => ({ topic: 'orders', topicId, partition, config: topicConfig() })
const lead = (broker: TestBroker, partition = 0, epoch = 0) => broker.log.lead(specOf(partition), epoch)
/** The world has a clock of its own. */
const batchOf = (batch: TestBatch) => batchAt({ timestamp: 1_700_000_000_000, ...batch })
const append = (partition: SharedPartition, ...texts: string[]) => partition.append(batchOf({ values: texts }), { origin: 'client' })
const named = (name: string) => (error: unknown) => (error as KafkaError).name === name
const values = async (partition: SharedPartition) => (await readAll(partition)).map(([, value]) => value)

/** The broker dies, and the others see it. */
async function killed(cluster: TestCluster, broker: TestBroker): Promise<void> {
  broker.process.kill()
  await cluster.openDatabase().fence(broker.session, 0)
}

/** What only an accident or a mistake does: a row of the stream is gone. */
async function loseFrame(cluster: TestCluster, session: number, seq: number): Promise<void> {
  await cluster.server.atomically(async transaction => {
    const frames = transaction.scan(`frame/${String(session).padStart(16, '0')}/`)
    await transaction.delete(frames[seq]![0])
  })
}

function passed({ world }: TestCluster, ms: number): Promise<void> {
  return new Promise(resolve => world.system.timers.after(ms, resolve))
}

function inWorld(name: string, run: (cluster: TestCluster) => Promise<void>, seeds = 3): void {
  test(name, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const cluster = testCluster(seed)
      try {
        await cluster.world.run(run(cluster))
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
      }
      assert.equal(cluster.s3.finding, null)
    }
  })
}

inWorld('the end of a session waits a moment for the database, and not at all when its lease is over', async cluster => {
  const { clock } = cluster.world.system
  for (const [awayMs, mostMs] of [
    [0, 5_100],
    [4_000, 100],
  ] as const) {
    const broker = await testBroker(cluster, 0)
    const partition = await lead(broker, 0, awayMs)
    await append(partition, 'a').durable
    cluster.server.stop()
    const lost = append(partition, 'b').durable
    await passed(cluster, awayMs)
    const beganMs = clock.monotonic()
    await broker.log.close()
    assert.ok(clock.monotonic() - beganMs <= mostMs, `${clock.monotonic() - beganMs} ms`)
    await assert.rejects(Promise.resolve(lost))
    cluster.server.start()
    await killed(cluster, broker)
  }
})

const producer = { producerId: 7, producerEpoch: 0 }

inWorld('another broker goes on where one died: records, duplicates, open transactions, epochs', async cluster => {
  const first = await testBroker(cluster, 0)
  const one = await lead(first, 0, 3)
  const two = await lead(first, 1, 3)
  await append(one, 'a', 'b').durable
  await one.append(batchOf({ values: ['c'], ...producer, baseSequence: 0 }), { origin: 'client' }).durable
  const large = 'x'.repeat(100_000)
  await append(two, large).durable
  await one.append(batchOf({ values: ['d', 'e'], ...producer, baseSequence: 1, isTransactional: true }), { origin: 'client' }).durable
  await one.deleteBefore(1)
  assert.deepEqual([one.lastStableOffset, one.highWatermark], [3, 5])
  await killed(cluster, first)

  const second = await testBroker(cluster, 1)
  const [again, other] = await Promise.all([lead(second, 0, 5), lead(second, 1, 5)])
  assert.deepEqual([again.offline, other.offline], [null, null])
  assert.deepEqual(await values(again), ['b', 'c', 'd', 'e'])
  assert.deepEqual(await values(other), [large])
  assert.deepEqual([again.logStartOffset, again.lastStableOffset, again.highWatermark, again.logEndOffset], [1, 3, 5, 5])
  assert.deepEqual(again.endOffsetForEpoch(3), { leaderEpoch: 3, endOffset: 5 })
  const repeated = again.append(batchOf({ values: ['d', 'e'], ...producer, baseSequence: 1, isTransactional: true }), { origin: 'client' })
  assert.deepEqual([repeated.duplicate, repeated.baseOffset, repeated.lastOffset], [true, 3, 4])
  const afterGap = batchOf({ values: ['g'], ...producer, baseSequence: 5, isTransactional: true })
  assert.throws(() => again.append(afterGap, { origin: 'client' }), named('OUT_OF_ORDER_SEQUENCE_NUMBER'))
  assert.equal(again.inTransaction(7, 0), true)
  await again.append(batchOf({ values: ['f'], ...producer, baseSequence: 3, isTransactional: true }), { origin: 'client' }).durable
  const marker = buildMarkerBatch({ ...producer, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await again.append(marker, { origin: 'coordinator' }).durable
  assert.equal(again.lastStableOffset, 7)
  const slice = await again.read(1, { maxBytes: 100_000, atLeastOne: true, upTo: 'last-stable' })
  assert.deepEqual(
    slice.abortedTransactions?.map(({ producerId, firstOffset }) => [producerId, firstOffset]),
    [[7, 3]],
  )
  assert.deepEqual(again.endOffsetForEpoch(3), { leaderEpoch: 3, endOffset: 5 })
})

inWorld('what is in pieces has its state with it: duplicates, open transactions, epochs, the log start', async cluster => {
  const first = await testBroker(cluster, 0)
  const one = await lead(first, 0, 2)
  await one.append(batchOf({ values: ['a', 'b'], ...producer, baseSequence: 0, isTransactional: true }), { origin: 'client' }).durable
  await append(one, 'c').durable
  await first.log.close()
  await killed(cluster, first)
  const second = await testBroker(cluster, 1)
  const again = await lead(second, 0, 3)
  assert.deepEqual([again.unflushedBytes, again.flushedEnd, again.segments.length, again.lastStableOffset], [0, 3, 1, 0])
  const repeated = again.append(batchOf({ values: ['a', 'b'], ...producer, baseSequence: 0, isTransactional: true }), { origin: 'client' })
  assert.deepEqual([repeated.duplicate, repeated.baseOffset, repeated.durable], [true, 0, null])
  await again.deleteBefore(1)
  await killed(cluster, second)
  // Nothing of it was in no piece: its log start alone is carried.
  const third = await testBroker(cluster, 2)
  const last = await lead(third, 0, 4)
  assert.deepEqual([last.logStartOffset, last.lastStableOffset, last.highWatermark], [1, 1, 3])
  assert.deepEqual(last.endOffsetForEpoch(2), { leaderEpoch: 2, endOffset: 3 })
  const marker = buildMarkerBatch({ ...producer, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await last.append(marker, { origin: 'coordinator' }).durable
  const slice = await last.read(1, { maxBytes: 100_000, atLeastOne: true, upTo: 'last-stable' })
  assert.deepEqual(
    slice.abortedTransactions?.map(({ producerId, firstOffset }) => [producerId, firstOffset]),
    [[7, 0]],
  )
})

inWorld('nothing is read of a session that goes on; partitions of others do not wait for it', async cluster => {
  const [first, dead, second] = [await testBroker(cluster, 0), await testBroker(cluster, 1), await testBroker(cluster, 2)]
  await append(await lead(first), 'a').durable
  await append(await lead(dead, 1), 'b').durable
  await killed(cluster, dead)
  const [refused, other] = await Promise.allSettled([lead(second), lead(second, 1)])
  assert.ok(refused.status === 'rejected' && named('NOT_LEADER_OR_FOLLOWER')(refused.reason), String(refused))
  assert.ok(other.status === 'fulfilled')
  assert.deepEqual(await values(other.value), ['b'])
  assert.equal(second.log.get(topicId, 0), undefined)
  await append(first.log.get(topicId, 0)!, 'still mine').durable
  await killed(cluster, first)
  assert.deepEqual(await values(await lead(second)), ['a', 'still mine'])
})

inWorld('who dies while taking over changes nothing, and so does a session that ends', async cluster => {
  const first = await testBroker(cluster, 0)
  await append(await lead(first), 'a').durable
  await killed(cluster, first)
  const second = await testBroker(cluster, 1)
  const leading = assert.rejects(lead(second), named('NOT_LEADER_OR_FOLLOWER'))
  await cluster.openDatabase().fence(second.session, 0)
  await leading
  assert.deepEqual([second.ended, second.log.session, second.log.partitions.size], [['fenced'], null, 0])
  await assert.rejects(lead(second), named('NOT_LEADER_OR_FOLLOWER'))
  assert.deepEqual(await values(await lead(await testBroker(cluster, 2))), ['a'])
})

inWorld('a fenced broker answers nothing as durable, and has no partitions any more', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  await append(partition, 'a').durable
  await cluster.openDatabase().fence(broker.session, 0)
  let woken = false
  partition.whenPast(5, 'high-watermark', () => {
    woken = true
  })
  await assert.rejects(append(partition, 'lost').durable!, named('NOT_LEADER_OR_FOLLOWER'))
  assert.deepEqual([broker.ended, broker.log.partitions.size, woken], [['fenced'], 0, true])
  assert.throws(() => append(partition, 'late'), named('NOT_LEADER_OR_FOLLOWER'))
  assert.throws(() => partition.read(0, { maxBytes: 1, atLeastOne: true, upTo: 'log-end' }), named('NOT_LEADER_OR_FOLLOWER'))
  broker.log.begin(await broker.database.beginSession({ brokerId: 0, incarnation: '00000000-0000-4000-8000-0000000000ff', info: {} }))
  assert.deepEqual(await values(await lead(broker)), ['a'])
})

inWorld(
  'a stream with a hole: partitions that may have had something there are offline and say why, all others are served',
  async cluster => {
    const first = await testBroker(cluster, 0)
    const one = await lead(first)
    const before = first.log.session!.lastSeq
    await append(one, 'a').durable
    await append(one, 'b').durable
    await append(await lead(first, 1), 'c').durable
    await killed(cluster, first)
    // Of the first partition its 'b', which is the second frame.
    await loseFrame(cluster, first.session, before + 2)
    const second = await testBroker(cluster, 1)
    const [holed, whole] = await Promise.all([lead(second), lead(second, 1)])
    assert.match(String(holed.offline), new RegExp(`frame ${before + 2} of session ${first.session} is missing`))
    assert.throws(() => append(holed, 'x'), named('KAFKA_STORAGE_ERROR'))
    assert.deepEqual(await values(whole), ['c'])
    const [row] = await second.database.partitions([{ topicId: topicIdOf(topicId), partition: 0 }])
    assert.equal(row?.session, first.session, 'what is left stays where it can be looked into')
  },
)

inWorld('an object that is gone takes offline only those with bytes in it', async cluster => {
  const first = await testBroker(cluster, 0)
  const [one, two] = await Promise.all([lead(first), lead(first, 1)])
  await append(one, 'x'.repeat(100_000)).durable
  await append(two, 'a').durable
  await killed(cluster, first)
  const lost = new Map(cluster.s3.objects)
  cluster.s3.objects.clear()
  const second = await testBroker(cluster, 1)
  const [holed, whole] = await Promise.all([lead(second), lead(second, 1)])
  assert.match(String(holed.offline), /object .* cannot be read/)
  assert.deepEqual(await values(whole), ['a'])
  // Once the object is back, the next owner has it all.
  for (const [name, content] of lost) cluster.s3.objects.set(name, content)
  assert.equal(
    await second.log.releaseWith([{ topicId, partition: 0 }], async () => ({ offset: 0, count: 1, records: Buffer.from('moved') })),
    true,
  )
  assert.deepEqual(await values(await lead(second, 0, 1)), ['x'.repeat(100_000)])
})

inWorld(
  'a partition is given away with the metadata that says so, and whoever appends meanwhile is told when it is done',
  async cluster => {
    const [first, second] = [await testBroker(cluster, 0), await testBroker(cluster, 1)]
    const partition = await lead(first)
    void append(partition, 'a')
    const other = cluster.openDatabase()
    const order: string[] = []
    let held: Promise<void> | null = null
    const moved = await first.log.releaseWith([{ topicId, partition: 0 }], async () => {
      order.push('asked')
      assert.throws(() => partition.append(batchOf({ values: ['c'] }), { origin: 'coordinator' }), named('NOT_LEADER_OR_FOLLOWER'))
      if (held === null) {
        const appended = append(partition, 'late')
        assert.equal(appended.baseOffset, -1)
        held = assert.rejects(appended.durable!, named('NOT_LEADER_OR_FOLLOWER')).then(() => void order.push('refused'))
      }
      const offset = await other.metadataEnd()
      // Another broker is faster, once.
      if (order.length === 1) await other.appendMetadata({ offset, count: 1, records: Buffer.from('theirs') }, second.session)
      return { offset, count: 1, records: Buffer.from('ours') }
    })
    assert.deepEqual([moved, order], [true, ['asked', 'asked']])
    // As soon as the metadata here says where it is.
    await first.log.release(topicId, 0)
    await held
    assert.deepEqual(order, ['asked', 'asked', 'refused'])
    const metadata = await other.readMetadata(0, 1_000)
    assert.deepEqual(
      metadata.map(({ records }) => String(Buffer.from(records))),
      ['theirs', 'ours'],
    )
    assert.equal(first.log.get(topicId, 0), undefined)
    // The one that gave it away goes on.
    const taken = await lead(second, 0, 1)
    assert.deepEqual(await values(taken), ['a'])
    assert.equal(append(taken, 'b').baseOffset, 1)
    await second.log.releaseWith([{ topicId, partition: 0 }], async () => ({ offset: 2, count: 1, records: Buffer.from('back') }))
    assert.deepEqual(await values(await lead(first, 0, 2)), ['a', 'b'])
    assert.deepEqual([first.ended, second.ended], [[], []])
  },
)

inWorld('what is not here is not given away, and who asks to lead what has left comes too late', async cluster => {
  const [first, second] = [await testBroker(cluster, 0), await testBroker(cluster, 1)]
  const partition = await lead(first, 0, 1)
  await append(partition, 'a').durable
  const record = async () => ({ offset: await first.database.metadataEnd(), count: 1, records: Buffer.from('moved') })
  const keys = [0, 1].map(number => ({ topicId, partition: number }))
  // The metadata says that it leads the second one as well, but it could not take it over yet, and tries again.
  await assert.rejects(first.log.releaseWith(keys, record), named('NOT_LEADER_OR_FOLLOWER'))
  await append(partition, 'b').durable
  assert.equal(await first.log.releaseWith(keys.slice(0, 1), record), true)
  // The metadata there does not say yet that it was moved.
  await assert.rejects(lead(first, 0, 1), named('NOT_LEADER_OR_FOLLOWER'))
  const taken = await lead(second, 0, 2)
  await append(taken, 'c').durable
  await killed(cluster, second)
  assert.deepEqual(await values(await lead(first, 0, 3)), ['a', 'b', 'c'])
})

inWorld(
  'of two that take over one partition at once, one gets it, and nothing that it acknowledges is lost',
  async cluster => {
    const first = await testBroker(cluster, 0)
    await append(await lead(first), 'a').durable
    await killed(cluster, first)
    const heirs = [await testBroker(cluster, 1), await testBroker(cluster, 2)]
    const outcomes = await Promise.allSettled(heirs.map(heir => lead(heir, 0, 1)))
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    await append(heirs[winner]!.log.get(topicId, 0)!, 'b').durable
    await killed(cluster, heirs[winner]!)
    assert.deepEqual(await values(await lead(await testBroker(cluster, 3), 0, 2)), ['a', 'b'])
  },
  20,
)

inWorld('after a restore of the database no object is written over, though numbers of sessions come again', async cluster => {
  const forgotten = await testBroker(cluster, 0)
  await append(await lead(forgotten), 'x'.repeat(100_000)).durable
  const { world, random } = cluster
  const server = new SimulatedPostgres({ ...world.system, random: random.fork(), graceMs: 5_000, fate: () => 'well' })
  const broker = await testBroker({ ...cluster, server }, 0)
  assert.equal(broker.session, forgotten.session)
  const partition = await lead(broker)
  await append(partition, 'y'.repeat(100_000)).durable
  // A broker that nobody stopped goes on over the database of before.
  await append(forgotten.log.get(topicId, 0)!, 'z'.repeat(100_000)).durable
  const heir = await testBroker({ ...cluster, server }, 1)
  broker.process.kill()
  await heir.database.fence(broker.session, heir.session)
  assert.deepEqual(await values(await lead(heir, 0, 1)), ['y'.repeat(100_000)])
})

inWorld('whoever appends while a partition is moved is told when brokers know its next leader', async cluster => {
  const first = await testBroker(cluster, 0)
  const partition = await lead(first)
  await append(partition, 'a').durable
  let told: string | null = null
  await first.log.releaseWith([{ topicId, partition: 0 }], async () => {
    append(partition, 'late').durable!.catch((error: KafkaError) => {
      told = error.name
    })
    return { offset: 0, count: 1, records: Buffer.from('moved') }
  })
  await passed(cluster, 500)
  assert.equal(told, null)
  await first.log.release(topicId, 0)
  await passed(cluster, 8)
  assert.equal(told, null)
  await passed(cluster, 4)
  assert.equal(told, 'NOT_LEADER_OR_FOLLOWER')
})

inWorld('while nobody knows whether a partition has left, nothing recent is answered of it', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  await append(partition, 'a').durable
  const keys = [{ topicId, partition: 0 }]
  const other = cluster.openDatabase()
  const limit = { maxBytes: 1_000, atLeastOne: true, upTo: 'high-watermark' } as const
  const seen: (string | null)[] = []
  let asked = 0
  const moving = broker.log.releaseWith(keys, async () => {
    assert.equal(partition.offline, null, 'nothing is sent yet, or it is known that nothing happened')
    // The first time, another broker is faster.
    return { offset: asked++ === 0 ? 7 : await other.metadataEnd(), count: 1, records: Buffer.from('moved') }
  })
  for (; partition.gone === null; await passed(cluster, 0.05)) {
    const { offline } = partition
    seen.push(offline)
    if (offline !== null) assert.throws(() => partition.read(0, limit), named('NOT_LEADER_OR_FOLLOWER'))
  }
  assert.equal(await moving, true)
  assert.ok(seen.some(reason => /moved/.test(String(reason))))
  assert.equal(partition.offline, 'another broker leads it', 'before the metadata here says so')
  assert.equal(asked, 2)
})

inWorld('a move that is given up leaves all as it was', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  await append(partition, 'a').durable
  let late: Promise<void> | null = null
  const given = await broker.log.releaseWith([{ topicId, partition: 0 }], async () => {
    late = append(partition, 'late').durable
    return null
  })
  assert.equal(given, false)
  await assert.rejects(late!, named('NOT_LEADER_OR_FOLLOWER'))
  await append(partition, 'b').durable
  await killed(cluster, broker)
  assert.deepEqual(await values(await lead(await testBroker(cluster, 1))), ['a', 'b'])
})

inWorld('a move does not wait without end for an object store that is away, and nothing stays frozen', async cluster => {
  const broker = await testBroker(cluster, 0)
  const [one, two] = await Promise.all([lead(broker), lead(broker, 1)])
  cluster.faults.objects = 1
  const large = append(one, 'x'.repeat(100_000)).durable
  const keys = [0, 1].map(partition => ({ topicId, partition }))
  await assert.rejects(
    broker.log.releaseWith(keys, async () => null),
    named('KAFKA_STORAGE_ERROR'),
  )
  await append(two, 'a').durable
  cluster.faults.objects = 0
  await large
  assert.deepEqual([await values(one), await values(two)], [['x'.repeat(100_000)], ['a']])
})

inWorld('a large take-over is put into pieces on the way, and memory keeps only what it may', async cluster => {
  const change = { settings: { tailBytes: 50_000 }, shared: { flushBytes: 100_000 } }
  const first = await testBroker(cluster, 0)
  const partition = await lead(first)
  const expected: string[] = []
  for (let n = 0; n < 60; n++) {
    expected.push(`${n}/`.padEnd(10_000, '.'))
    await append(partition, expected.at(-1)!).durable
  }
  await killed(cluster, first)
  const second = await testBroker(cluster, 1, change)
  const taken = await lead(second)
  assert.ok(
    taken.segments.length > 0 && taken.unflushedBytes < 400_000,
    `${taken.segments.length} pieces, ${taken.unflushedBytes} unflushed`,
  )
  assert.ok(taken.memory.find(0) === -1, 'the oldest bytes have left memory')
  assert.deepEqual(await values(taken), expected)
  await killed(cluster, second)
  const third = await lead(await testBroker(cluster, 2, change))
  assert.deepEqual(await values(third), expected)
  assert.equal(third.sizeBytes() > 600_000, true)
})

inWorld('after compaction nothing is read from memory that it has removed', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  await append(partition, 'x'.repeat(300_000)).durable
  // What is large is flushed before it is given away.
  await broker.log.releaseWith([{ topicId, partition: 0 }], async () => null)
  const { segments } = partition
  assert.deepEqual([segments.length, partition.memory.find(0), partition.unflushedBytes], [1, 0, 0])
  partition.replaceSegments(segments, [{ ...segments[0]! }])
  assert.equal(partition.memory.find(0), -1)
})

inWorld('while the lease is not proven nothing recent is answered, and appends wait for the database', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  await append(partition, 'a').durable
  cluster.server.stop()
  await passed(cluster, 4_000)
  assert.match(String(partition.offline), /lease/)
  const limit = { maxBytes: 1_000, atLeastOne: true, upTo: 'high-watermark' } as const
  assert.throws(() => partition.read(0, limit), named('KAFKA_STORAGE_ERROR'))
  await assert.rejects(partition.offsetOfMaxTimestamp(), named('KAFKA_STORAGE_ERROR'))
  const { durable } = append(partition, 'b')
  let isDurable = false
  const settled = durable!.then(() => {
    isDurable = true
  })
  await passed(cluster, 2_000)
  assert.deepEqual([isDurable, partition.highWatermark], [false, 1])
  cluster.server.start()
  await settled
  // What was committed was sent long ago; the next heartbeat proves it.
  await passed(cluster, 1_000)
  assert.equal(partition.offline, null)
  assert.deepEqual(await values(partition), ['a', 'b'])
})

inWorld('a deleted partition is gone at once', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = await lead(broker)
  const { durable } = append(partition, 'a')
  await broker.log.delete(topicId, 0)
  assert.equal(broker.log.get(topicId, 0), undefined)
  assert.throws(() => append(partition, 'b'), named('UNKNOWN_TOPIC_OR_PARTITION'))
  await durable
})

inWorld(
  'thousands of new partitions are one frame',
  async cluster => {
    const broker = await testBroker(cluster, 0)
    await lead(broker, 5_000)
    const before = broker.log.session!.lastSeq
    const led = await Promise.all(Array.from({ length: 2_000 }, (_, partition) => lead(broker, partition)))
    const frames = await broker.database.frames(broker.session, before + 1, 1 << 20)
    assert.equal(frames.filter(({ kind }) => kind === frameKind.carry).length, 1)
    assert.ok(led.every(({ offline }) => offline === null))
  },
  1,
)

inWorld('the durability of a topic decides by which way its batches go', async cluster => {
  const broker = await testBroker(cluster, 0)
  const partition = (await lead(broker)) as SharedPartition
  const objectsOf = async (durability: TopicConfig['durability'], bytes: number) => {
    const before = broker.log.session!.counts.objects
    partition.config = topicConfig({ durability })
    await append(partition, 'x'.repeat(bytes)).durable
    return broker.log.session!.counts.objects - before
  }
  assert.deepEqual([await objectsOf('object', 10), await objectsOf('inline', 500_000)], [1, 0])
  for (const durability of [null, 'fsync', 'os', 'auto'] as const)
    assert.deepEqual([await objectsOf(durability, 10), await objectsOf(durability, 500_000)], [0, 1], String(durability))
  assert.equal((await values(partition)).length, 10)
})
