/**
 * Removes records from a batch, for compaction. Offsets, timestamps and the producer's fields stay, so that consumers and idempotence are
 * not affected (Kafka's MemoryRecords.filterTo). Needs one byte of memory per record.
 */
import { addInt64, type Int64, subtractInt64 } from '../../base.ts'
import { compress, compressionIds, defaultMaxDecompressedBytes } from '../compression.ts'
import { unpackBatch } from './contents.ts'
import { type BatchHeader, baseTimestamp, batchHeaderSize, writeBatchHeader } from './header.ts'
import { buildMessageSet } from './legacy.ts'
import { forEachRecordOf, visitRecords } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'
import { RecordWriter } from './rewrite.ts'
import { Cursor } from './varint.ts'

export interface RetainOptions {
  /** Keep the header when no record is left: it is the producer's last batch, whose sequence must survive. */
  keepEmpty: boolean
  /** When tombstones and markers in this batch may go; written unless the batch has its horizon already. */
  deleteHorizonMs?: Int64 | undefined
  maxBytes?: number
  /** For topics with their own compression level. */
  level?: number | undefined
}

/** `batch.bytes` itself when nothing changes, null when nothing is left, else a new batch. */
export function retainRecords(
  batch: BatchView,
  keep: (record: RecordView, batch: BatchHeader) => boolean,
  options: RetainOptions,
): Buffer | null {
  const { header, bytes } = batch
  const maxBytes = options.maxBytes ?? defaultMaxDecompressedBytes
  if (header.magic < 2) return retainMessages(batch, keep, maxBytes)
  const { payload, start } = unpackBatch(bytes, maxBytes)
  const choice = choose(payload, start, header, keep)
  const setsHorizon = options.deleteHorizonMs !== undefined && choice.perishable && !header.hasDeleteHorizon && choice.kept > 0
  if (choice.kept === header.recordCount && !setsHorizon) return choice.kept > 0 || options.keepEmpty ? bytes : null
  if (choice.kept === 0) return options.keepEmpty ? emptyBatch(header) : null
  const horizon = header.hasDeleteHorizon ? baseTimestamp(bytes, 0) : setsHorizon ? options.deleteHorizonMs : undefined
  return rebuild(payload, start, header, choice, horizon, options.level)
}

interface Choice {
  /** By the record's place: 1 stays. */
  stays: Uint8Array
  kept: number
  /** A tombstone or a marker stays. */
  perishable: boolean
  /** Timestamps of those that stay. */
  first: Int64
  latest: Int64
}

function choose(payload: Buffer, start: number, header: BatchHeader, keep: (record: RecordView, batch: BatchHeader) => boolean): Choice {
  // A record takes seven bytes at least, so a count that lies takes no memory.
  const stays = new Uint8Array(Math.max(0, Math.min(header.recordCount, payload.length - start)))
  const choice: Choice = { stays, kept: 0, perishable: header.isControl, first: -1, latest: -1 }
  let index = 0
  visitRecords(payload, start, header, record => {
    const place = index++
    if (!keep(record, header)) return
    stays[place] = 1
    if (!record.hasValue) choice.perishable = true
    if (choice.kept++ === 0) choice.first = record.timestamp
    if (record.timestamp > choice.latest) choice.latest = record.timestamp
  })
  return choice
}

/** As Kafka has it: a largest timestamp and no base, and nothing to compress. */
function emptyBatch(header: BatchHeader): Buffer {
  return written(Buffer.alloc(0), header, { baseTimestamp: -1, compressionId: 0, recordCount: 0, hasDeleteHorizon: false })
}

function rebuild(
  payload: Buffer,
  start: number,
  header: BatchHeader,
  { stays, kept, first, latest }: Choice,
  horizon: Int64 | undefined,
  level: number | undefined,
): Buffer {
  const base = horizon ?? first
  const isLogAppendTime = header.timestampType === 'LogAppendTime'
  const cursor = new Cursor(payload, start, payload.length)
  const writer = new RecordWriter(payload.length - start)
  for (const stay of stays) {
    const size = cursor.varint()
    const begin = cursor.position
    if (stay === 0) cursor.skip(size)
    else {
      cursor.position++
      const own = addInt64(header.baseTimestamp, cursor.varlong())
      const offsetDelta = cursor.varint()
      cursor.position = begin
      writer.write(cursor, size, offsetDelta, subtractInt64(isLogAppendTime ? header.maxTimestamp : own, base))
    }
  }
  return written(compress(header.compression, writer.written(), { level }), header, {
    baseTimestamp: base,
    maxTimestamp: isLogAppendTime ? header.maxTimestamp : latest,
    compressionId: compressionIds[header.compression],
    recordCount: kept,
    hasDeleteHorizon: horizon !== undefined,
  })
}

function written(packed: Buffer, header: BatchHeader, changed: Partial<BatchHeader> & { compressionId: number }): Buffer {
  const batch = Buffer.allocUnsafeSlow(batchHeaderSize + packed.length)
  packed.copy(batch, batchHeaderSize)
  writeBatchHeader(batch, 0, { ...header, ...changed, sizeBytes: batch.length })
  return batch
}

function retainMessages(batch: BatchView, keep: (record: RecordView, batch: BatchHeader) => boolean, maxBytes: number): Buffer | null {
  const { header, bytes } = batch
  const kept: RecordView[] = []
  let seen = 0
  const visit = (record: RecordView): void => {
    seen++
    if (keep(record, header)) kept.push(record)
  }
  forEachRecordOf(batch, visit, { maxBytes })
  if (kept.length === seen) return bytes
  if (kept.length === 0) return null
  return buildMessageSet({
    magic: header.magic === 0 ? 0 : 1,
    compression: header.compression,
    timestampType: header.timestampType,
    logAppendTime: header.maxTimestamp,
    messages: kept,
  })
}
