import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { PartitionLog } from '../log.ts'
import { memoryPartitionLog, testSystem } from './runtime.testing.ts'
import type { Shard } from './shard.ts'
import { type InternalTopic, ShardedTopic } from './sharded-topic.ts'

class Empty implements Shard {
  replay(): void {}
  loaded(): void {}
  unload(): void {}
}

/** A topic of four partitions, of which those in `here` are led by this broker. */
function sharded(here: Map<number, PartitionLog>) {
  const system = testSystem()
  let moves: Parameters<NonNullable<InternalTopic['follow']>>[0] | undefined
  const topic: InternalTopic = {
    name: '__consumer_offsets',
    partitionCount: () => 4,
    partitionLog: partition => here.get(partition) ?? null,
    isArriving: partition => partition === 3,
    follow: given => {
      moves = given
    },
    ensure: async () => {},
  }
  const shards = new ShardedTopic({ system, topic, futurePartitions: () => 4, makeShard: () => new Empty() })
  const nameIn = (partition: number) => {
    for (let nth = 0; ; nth++) if (shards.partitionFor(`g${nth}`) === partition) return `g${nth}`
  }
  return { system, shards, nameIn, moves: moves! }
}

it('has the shards of the partitions that this broker leads, and knows where the others are', async () => {
  const { system, shards, nameIn } = sharded(new Map([[1, memoryPartitionLog()]]))
  const started = shards.start()
  await system.settle()
  await started
  assert.equal([...shards.shards()].length, 1)
  assert.equal(shards.shardOf(nameIn(1)).state, 'active')
  assert.throws(() => shards.shardOf(nameIn(2)), { name: 'NOT_COORDINATOR', message: /Another broker leads __consumer_offsets-2/ })
  await assert.rejects(shards.locate(nameIn(2)), { name: 'NOT_COORDINATOR' })
  assert.equal(await shards.place(nameIn(2)), 2)
  // Clients try again here, and do not look elsewhere.
  assert.throws(() => shards.shardOf(nameIn(3)), { name: 'COORDINATOR_LOAD_IN_PROGRESS' })
})

it('closes a shard when its partition goes, and loads it anew when it comes back', async () => {
  const here = new Map([[1, memoryPartitionLog()]])
  const { system, shards, nameIn, moves } = sharded(here)
  const shard = shards.open(1)!
  await system.settle()
  here.delete(1)
  moves.closed(1)
  assert.equal(shard.state, 'closed')
  assert.throws(() => shards.shardOf(nameIn(1)), { name: 'NOT_COORDINATOR' })
  here.set(1, memoryPartitionLog())
  moves.opened(1)
  await system.settle()
  assert.equal([...shards.shards()].length, 1)
  assert.notEqual(shards.shardOf(nameIn(1)), shard)
  assert.equal(shards.shardOf(nameIn(1)).state, 'active')
  shards.close()
  moves.opened(1)
  assert.equal([...shards.shards()].length, 0)
})
