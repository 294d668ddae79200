/** A partition of which no piece can be made: it holds up neither the trim of the stream, nor the others when they are moved or taken over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaError } from '../../protocol.ts'
import { batchOf, readAll, topicConfig, topicId } from '../log.testing.ts'
import { type TestBroker, testBroker } from './log.testing.ts'
import { SharedPartition } from './partition.ts'
import { type TestCluster, testCluster } from './session.testing.ts'

const shared = { flushBytes: 200_000, flushMs: 3_000, carryBytes: 20_000, heartbeatMs: 100 }
const sick = 1

const lead = (broker: TestBroker, partition: number, epoch = 0) =>
  broker.log.lead({ topic: 'orders', topicId, partition, config: topicConfig() }, epoch)

/** As a client: while a partition is carried forward it is refused, and comes again. */
async function append(partition: SharedPartition, value: string): Promise<void> {
  for (;;) {
    try {
      await partition.append(batchOf({ timestamp: 1_700_000_000_000, values: [value] }), { origin: 'client' }).durable
      return
    } catch (error) {
      assert.equal((error as KafkaError).name, 'NOT_LEADER_OR_FOLLOWER')
    }
  }
}

/** Runs while the sick partition's pieces end where they do not, in all brokers. */
async function whileSick(how: 'piece' | 'state', run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const whole = SharedPartition.prototype.takeForFlush
  SharedPartition.prototype.takeForFlush = function () {
    const flush = whole.call(this)
    if (this.partition !== sick || flush === null) return flush
    if (how === 'state') throw new Error('its state is broken')
    return { ...flush, piece: { ...flush.piece, endOffset: flush.piece.endOffset - 1 } }
  }
  try {
    const cluster = testCluster(1)
    await cluster.world.run(run(cluster))
    assert.equal(cluster.s3.finding, null)
  } finally {
    SharedPartition.prototype.takeForFlush = whole
  }
}

const passed = ({ world }: TestCluster, ms: number) => new Promise<void>(resolve => world.system.timers.after(ms, resolve))
const framesOf = async (broker: TestBroker) => await broker.database.frames(broker.session, await firstFrame(broker), 1 << 30)

async function firstFrame({ database, session }: TestBroker): Promise<number> {
  for (let seq = 0; ; seq++) if ((await database.frames(session, seq, 1)).length > 0) return seq
}

async function appendAlternately(cluster: TestCluster, partitions: readonly SharedPartition[], rounds: number): Promise<void> {
  const value = 'x'.repeat(10_000)
  for (let nth = 0; nth < rounds; nth++) {
    for (const partition of partitions) await append(partition, value)
    await passed(cluster, 100)
  }
}

for (const how of ['piece', 'state'] as const)
  test(`the stream is trimmed all the same, and whoever takes over has everything (${how})`, () =>
    whileSick(how, async cluster => {
      const first = await testBroker(cluster, 0, { shared })
      const partitions = await Promise.all([lead(first, 0), lead(first, sick), lead(first, 2)])
      await appendAlternately(cluster, partitions, 20)
      // For long, nothing comes to the sick one any more.
      await appendAlternately(cluster, [partitions[0]!, partitions[2]!], 200)
      const frames = await framesOf(first)
      assert.ok(frames.length < 150, `${frames.length} frames`)
      assert.ok(first.log.upkeep!.carriedForward >= 2)
      assert.equal(first.log.upkeep!.stuck, 1)
      assert.deepEqual(
        first.reports.filter(what => !what.startsWith('flushing orders-1 failed; it is tried again')),
        [],
      )
      first.process.kill()
      await cluster.openDatabase().fence(first.session, 0)
      const second = await testBroker(cluster, 1, { shared: { ...shared, flushBytes: 50_000 } })
      const taken = await Promise.all([0, sick, 2].map(partition => lead(second, partition, 1)))
      for (const [nth, partition] of taken.entries()) {
        assert.equal(partition.offline, null)
        assert.equal((await readAll(partition)).length, nth === sick ? 20 : 220)
      }
    }))

test('it is moved with the others, and the last flush takes the others', () =>
  whileSick('piece', async cluster => {
    const lazy = { shared: { ...shared, flushBytes: 1 << 20, flushMs: 60_000 } }
    const [first, second] = [await testBroker(cluster, 0, lazy), await testBroker(cluster, 1, lazy)]
    const partitions = await Promise.all([0, sick, 2].map(partition => lead(first, partition)))
    await appendAlternately(cluster, partitions, 10)
    const keys = [0, sick, 2].map(partition => ({ topicId, partition }))
    const metadata = async () => ({ offset: await first.database.metadataEnd(), count: 1, records: Buffer.from('moved') })
    // Nobody knows before.
    await assert.rejects(first.log.releaseWith(keys, metadata), /in a piece that ends at 9/)
    assert.equal(await first.log.releaseWith(keys, metadata), true)
    const moved = await Promise.all([0, sick, 2].map(partition => lead(second, partition, 1)))
    for (const partition of moved) assert.equal((await readAll(partition)).length, 10)
    await appendAlternately(cluster, moved, 1)
    await second.log.close()
    const flushed = await second.database.partitions(moved.map(({ key }) => key))
    assert.deepEqual(
      flushed.map(({ flushedEnd }) => flushedEnd),
      [11, 0, 11],
    )
  }))
