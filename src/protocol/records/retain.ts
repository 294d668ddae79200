/**
 * What compaction makes of a batch: the same batch with fewer records. Offsets, timestamps and the producer's fields stay, so that
 * consumers and idempotence do not notice (Kafka's MemoryRecords.filterTo).
 */
import type { Int64 } from '../../base.ts'
import { buildBatch } from './build.ts'
import { type BatchHeader, baseTimestamp } from './header.ts'
import { buildMessageSet } from './legacy.ts'
import { forEachRecordOf } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'

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
  const kept: RecordView[] = []
  let dropped = false
  let perishable = header.isControl
  const limit = options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }
  forEachRecordOf(
    batch,
    record => {
      if (!keep(record, header)) {
        dropped = true
        return
      }
      kept.push(record)
      if (!record.hasValue) perishable = true
    },
    limit,
  )
  if (header.magic < 2) return dropped ? rebuildMessages(header, kept) : bytes
  const setsHorizon = options.deleteHorizonMs !== undefined && perishable && !header.hasDeleteHorizon && kept.length > 0
  if (!dropped && !setsHorizon) return kept.length > 0 || options.keepEmpty ? bytes : null
  if (kept.length === 0 && !options.keepEmpty) return null
  const horizon = header.hasDeleteHorizon ? baseTimestamp(bytes, 0) : setsHorizon ? options.deleteHorizonMs : undefined
  return rebuild(header, kept, horizon, options.level)
}

function rebuild(header: BatchHeader, kept: readonly RecordView[], horizon: Int64 | undefined, level: number | undefined): Buffer {
  const empty = kept.length === 0
  return buildBatch({
    ...header,
    // A batch without records has nothing to compress; Kafka writes its largest timestamp and no base.
    compression: empty ? 'none' : header.compression,
    level,
    records: kept.map(record => ({
      key: record.key,
      value: record.value,
      headers: record.headers,
      timestamp: record.timestamp,
      offsetDelta: record.offset - header.baseOffset,
    })),
    timestamp: empty || header.timestampType === 'LogAppendTime' ? header.maxTimestamp : -1,
    deleteHorizonMs: empty ? undefined : horizon,
    lastOffsetDelta: header.lastOffset - header.baseOffset,
  })
}

function rebuildMessages(header: BatchHeader, kept: readonly RecordView[]): Buffer | null {
  if (kept.length === 0) return null
  return buildMessageSet({
    magic: header.magic === 0 ? 0 : 1,
    compression: header.compression,
    timestampType: header.timestampType,
    logAppendTime: header.maxTimestamp,
    messages: kept,
  })
}
