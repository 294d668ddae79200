/** The format of a shard's records in the log: one uncompressed v2 batch per append; when reading, any batch. */
import {
  type BatchView,
  batchesIn,
  batchHeaderSize,
  buildBatch,
  forEachRecordOf,
  isIntact,
  type Offset,
  type RecordView,
  readMarker,
} from '../protocol.ts'
import type { LogRecord, ProducerSession, Shard } from './shard.ts'

/** Most that the varints and the attributes around a record's key and value take. */
const recordOverhead = 30

/** An upper bound: the exact size is known only once the records have their places in a batch. */
export function sizeOf(records: readonly LogRecord[]): number {
  let bytes = recordOverhead * records.length
  for (const { key, value } of records) bytes += (key?.length ?? 0) + (value?.length ?? 0)
  return bytes
}

export function batchSize(recordBytes: number): number {
  return batchHeaderSize + recordBytes
}

/** With a producer: part of its transaction. */
export function encodeBatch(records: readonly LogRecord[], timestampMs: number, producer?: ProducerSession): Buffer {
  const batch = { records, timestamp: timestampMs }
  return buildBatch(producer === undefined ? batch : { ...batch, ...producer, isTransactional: true })
}

/** The batches of a slice of the log. */
export function* batchesOf(chunks: readonly Buffer[]): Generator<BatchView> {
  for (const chunk of chunks) yield* batchesIn(chunk)
}

/** Called with the offset of records that could not be replayed. */
export type Skipped = (offset: Offset, error: unknown) => void

/** Replays the records of the batch from offset `from` on. Without `skipped`, a record that cannot be replayed is an error. */
export function replayBatch(batch: BatchView, from: Offset, shard: Shard, skipped?: Skipped): void {
  const { isControl, isTransactional, producerId, producerEpoch, baseOffset } = batch.header
  const transaction = isTransactional ? producerId : -1
  const replay = (record: RecordView): void => {
    if (!isControl) {
      shard.replay(record, record.offset, record.timestamp, transaction)
      return
    }
    const marker = readMarker(record)
    if (marker !== null) shard.replayMarker?.(producerId, producerEpoch, marker.committed)
  }
  const replayOrSkip = (record: RecordView): void => {
    try {
      replay(record)
    } catch (error) {
      if (skipped === undefined) throw error
      skipped(record.offset, error)
    }
  }
  try {
    // Records that the disk has changed may be readable all the same, and wrong.
    if (!isIntact(batch)) throw new Error(`the batch at offset ${baseOffset} has a wrong checksum; see docs/repair.md`)
    forEachRecordOf(batch, record => {
      if (record.offset >= from) replayOrSkip(record)
    })
  } catch (error) {
    if (skipped === undefined) throw error
    skipped(Math.max(from, baseOffset), error)
  }
}
