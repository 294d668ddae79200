/**
 * Planted bugs: each breaks the broker from outside, by wrapping a method of a public interface. A simulation that does not
 * notice one of them proves nothing about it.
 */
import type { RunningBroker } from '../../src/broker.ts'
import { GroupCoordinator, TransactionCoordinator } from '../../src/coordinator.ts'
import type { Appended, AppendOptions, PartitionLog, ReadLimit, Slice } from '../../src/log.ts'
import { header, KafkaError } from '../../src/protocol.ts'
import { field, seal } from '../world/batches.ts'

/** Plants the bug in all brokers of this process, from the first start on; returns what takes it out again. */
export type Plant = (running: RunningBroker, upSinceMs: () => number) => () => void

/** How long after a restart markers are lost. */
const lossMs = 1500

export const plants: Readonly<Record<string, Plant>> = {
  'markers are lost after a crash': (running, upSinceMs) => {
    const { clock } = running.broker.system
    return replaced(partitionOf(running), 'append', append => {
      return function (this: PartitionLog, records: Buffer, options: AppendOptions): Appended {
        const lost = header.isControl(records, 0) && !this.topic.startsWith('__') && clock.monotonic() - upSinceMs() < lossMs
        if (!lost || upSinceMs() === 0) return append.call(this, records, options)
        const { logEndOffset, logStartOffset } = this
        const nowhere = { baseOffset: logEndOffset, lastOffset: logEndOffset, logAppendTimeMs: -1, logStartOffset }
        return { ...nowhere, written: null, durable: null, duplicate: false }
      }
    })
  },
  'epochs of producers are ignored': running => {
    const current = async <R extends { transactionalId: string }>(of: TransactionCoordinator, request: R): Promise<R> => {
      const { producerId, producerEpoch } = await of.describe(request.transactionalId)
      return { ...request, producerId, producerEpoch }
    }
    const transactions = TransactionCoordinator.prototype
    const undo = [
      replaced(
        transactions,
        'endTransaction',
        end =>
          async function (this: TransactionCoordinator, request) {
            return end.call(this, await current(this, request))
          },
      ),
      replaced(
        transactions,
        'addPartitions',
        add =>
          async function (this: TransactionCoordinator, producer, partitions, version) {
            return add.call(this, await current(this, producer), partitions, version)
          },
      ),
      replaced(transactions, 'verify', () => () => {}),
      replaced(
        partitionOf(running),
        'append',
        append =>
          function (this: PartitionLog, records, options) {
            return append.call(this, ofNewestEpoch(this, records), options)
          },
      ),
    ]
    return () => {
      for (const each of undo) each()
    }
  },
  'the last stable offset is one too high': running => {
    const prototype = partitionOf(running)
    const sound = Object.getOwnPropertyDescriptor(prototype, 'lastStableOffset')!
    const tooHigh = function (this: PartitionLog) {
      return Math.min(sound.get!.call(this) + 1, this.highWatermark)
    }
    Object.defineProperty(prototype, 'lastStableOffset', { get: tooHigh, configurable: true })
    return () => Object.defineProperty(prototype, 'lastStableOffset', sound)
  },
  'offsets of a transaction count before it commits': () =>
    replaced(
      GroupCoordinator.prototype,
      'commitTransactionalOffsets',
      commit =>
        async function (this: GroupCoordinator, producer, request) {
          const results = await commit.call(this, producer, request)
          await this.commitOffsets(request, 9)
          return results
        },
    ),
  'sequences of producers are ignored': running =>
    replaced(
      partitionOf(running),
      'append',
      append =>
        function (this: PartitionLog, records, options) {
          const anyway = () => append.call(this, records, { ...options, origin: 'coordinator' })
          try {
            const appended = append.call(this, records, options)
            return appended.duplicate ? anyway() : appended
          } catch (error) {
            if (error instanceof KafkaError && error.name === 'OUT_OF_ORDER_SEQUENCE_NUMBER') return anyway()
            throw error
          }
        },
    ),
  'EndTxn is answered before it is durable': () =>
    replaced(
      TransactionCoordinator.prototype,
      'endTransaction',
      end =>
        async function (this: TransactionCoordinator, request) {
          const { producerId, producerEpoch, clientVersion } = request
          const ended = end.call(this, request)
          // A refusal is there at once; what takes longer is the disk.
          let refused: unknown = null
          ended.catch(error => {
            refused = error
          })
          for (let turn = 0; turn < 20; turn++) await null
          if (refused !== null) throw refused
          return { producerId, producerEpoch: clientVersion >= 2 ? producerEpoch + 1 : producerEpoch }
        },
    ),
  'an aborted transaction is missing in what fetch says': running =>
    replaced(
      partitionOf(running),
      'read',
      read =>
        function (this: PartitionLog, from: number, limit: ReadLimit) {
          const forget = (slice: Slice) => {
            slice.abortedTransactions?.shift()
            return slice
          }
          const slice = read.call(this, from, limit)
          return slice instanceof Promise ? slice.then(forget) : forget(slice)
        },
    ),
}

export function replaced<T extends object, K extends keyof T>(prototype: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = prototype[name]
  prototype[name] = make(original)
  return () => {
    prototype[name] = original
  }
}

/** What all partitions inherit. */
function partitionOf(running: RunningBroker): PartitionLog {
  const [partition] = running.broker.log.partitions.values()
  return Object.getPrototypeOf(partition)
}

/** The batch as if its producer were the newest one of its id. */
function ofNewestEpoch(log: PartitionLog, records: Buffer): Buffer {
  const producerId = header.producerId(records, 0)
  const known = log.producers().find(producer => producer.producerId === producerId)
  if (known === undefined || header.isControl(records, 0) || header.producerEpoch(records, 0) >= known.producerEpoch) return records
  const forged = Buffer.from(records)
  forged.writeInt16BE(known.producerEpoch, field.producerEpoch)
  forged.writeInt32BE(known.lastSequence + 1, field.baseSequence)
  return seal(forged)
}
