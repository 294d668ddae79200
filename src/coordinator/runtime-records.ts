/** How a shard's records lie in the log: one uncompressed v2 batch per append; any batch when reading. */
import { type BatchView, batchesIn, batchHeaderSize, buildBatch, forEachRecordOf, type Offset, readMarker } from '../protocol.ts'
import type { LogRecord, ProducerSession, Shard } from './shard.ts'

/** Most that the varints and the attributes around a record's key and value take. */
const recordOverhead = 30

/** An upper bound: the exact size is known only once the record has its place in a batch. */
export function recordSize({ key, value }: LogRecord): number {
  return recordOverhead + (key?.length ?? 0) + (value?.length ?? 0)
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

/** Replays what of the batch lies at `from` or after it. */
export function replayBatch(batch: BatchView, from: Offset, shard: Shard): void {
  const { isControl, isTransactional, producerId, producerEpoch } = batch.header
  const transaction = isTransactional ? producerId : -1
  forEachRecordOf(batch, record => {
    if (record.offset < from) return
    if (!isControl) {
      shard.replay({ key: record.key, value: record.value }, record.offset, record.timestamp, transaction)
      return
    }
    const marker = readMarker(record)
    if (marker !== null) shard.replayMarker?.(producerId, producerEpoch, marker.committed)
  })
}
