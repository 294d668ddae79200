/** A log that was recovered goes on: what is appended to it from then on must outlive the next crash, too. */
import type { PartitionLog } from '../../src/log.ts'
import type { Cut } from '../world/power-cut.ts'
import type { SeededRandom } from '../world/random.ts'
import type { World } from '../world/world.ts'
import { encode, endOf, type ModelBatch, type PartitionPromise, type Promises } from './log-model.ts'

/** Appends to some of the partitions, and answers what is promised from now on; what is acknowledged later is added to it. */
export function goOn(world: World, partitions: readonly PartitionLog[], promises: Promises, survived: Cut): Promises {
  const { random } = world
  return promises.map((promise, index) => {
    const partition = partitions[index]!
    if (partition.offline !== null) return stillPromised(promise, survived)
    // Where something was refused, only reading shows what is there.
    if (promise.refused.length > 0) return whatIsLeft(partition, promise)
    const next = fromHereOn(partition, promise)
    const count = random.below(4)
    for (let nth = 0; nth < count; nth++) append(world, partition, next, sizeOf(next, random))
    return next
  })
}

/** Nobody can read it before the next start. Until then, what the crash did not spare counts no more. */
function stillPromised(promise: PartitionPromise, survived: Cut): PartitionPromise {
  if (survived === 'process') return promise
  const { durable } = promise
  return promise.spec.config.durability === 'os'
    ? { ...promise, written: 0, durable: 0, seen: 0, startAcknowledged: 0, startAsked: endOf(promise.batches) }
    : { ...promise, written: Math.max(durable, promise.seen) }
}

/** The crash may have taken some of what was promised. */
function whatIsLeft({ logStartOffset, logEndOffset }: PartitionLog, promise: PartitionPromise): PartitionPromise {
  return {
    ...promise,
    written: Math.min(promise.written, logEndOffset),
    durable: Math.min(promise.durable, logEndOffset),
    seen: Math.min(promise.seen, logEndOffset),
    startAcknowledged: Math.min(promise.startAcknowledged, logStartOffset),
    startAsked: Math.max(promise.startAsked, logStartOffset),
  }
}

/** What the recovered log has was written, and can be read. */
function fromHereOn({ logStartOffset, logEndOffset }: PartitionLog, promise: PartitionPromise): PartitionPromise {
  return {
    ...promise,
    batches: promise.batches.filter(batch => endOf([batch]) <= logEndOffset),
    written: logEndOffset,
    seen: logEndOffset,
    startAcknowledged: logStartOffset,
    startAsked: Math.max(promise.startAsked, logStartOffset),
  }
}

/** Some go past the journal. An empty log is not filled so fast that it rolls before anything of it is known to journal or state log. */
function sizeOf({ spec, written }: PartitionPromise, random: SeededRandom): number {
  if (spec.config.cleanupPolicy.compact || written === 0) return 100
  return random.pick(spec.config.segmentBytes > 100_000 ? [100, 9000, 55_000] : [100, 9000])
}

function append(world: World, partition: PartitionLog, promise: PartitionPromise, bytes: number): void {
  const value = `on-${partition.logEndOffset}-`.padEnd(bytes, 'y')
  const batch: ModelBatch = {
    baseOffset: partition.logEndOffset,
    values: [value],
    keys: [value.slice(0, 12)],
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
  }
  const { written, durable } = partition.append(encode(batch, world.system.clock.now()), { origin: 'client' })
  promise.batches.push(batch)
  const end = endOf([batch])
  const onWritten = () => {
    promise.written = Math.max(promise.written, end)
  }
  const onDurable = () => {
    promise.durable = Math.max(promise.durable, end)
  }
  if (written === null) onWritten()
  else void written.then(onWritten)
  if (durable === null) onDurable()
  else void durable.then(onDurable)
}
