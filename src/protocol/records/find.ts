/**
 * Finds the first record of a batch with at least a given timestamp, or the newest one, for look-ups by time. No object per record, because a
 * batch may contain millions. A batch that cannot be read (stored before batches were checked, or by another broker) is found as a unit, so
 * that it does not make look-ups fail.
 */
import { addInt64, type Int64 } from '../../base.ts'
import { DecompressedTooLarge, defaultMaxDecompressedBytes, type Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { unpackBatch } from './contents.ts'
import * as header from './header.ts'
import { readMessageHeader } from './legacy.ts'
import { forEachRecord } from './read.ts'
import { Cursor } from './varint.ts'

export interface Search {
  kind: 'find'
  /** One batch. */
  records: Buffer
  /** The record is at least so new, and its offset at least this. */
  timestamp: Int64
  from: number
  /** Finds the newest of these instead of the first; of several equally new ones, the first. */
  newest?: boolean
}

export interface FoundRecord {
  offset: number
  timestampMs: Int64
  leaderEpoch: number
}

/** Throws DecompressedTooLarge if the batch exceeds `maxBytes`. */
export function findRecord(search: Search, maxBytes = defaultMaxDecompressedBytes, scratch?: Scratch): FoundRecord | null {
  try {
    return find(search, maxBytes, scratch)
  } catch (error) {
    if (!(error instanceof KafkaError) || (error instanceof DecompressedTooLarge && maxBytes < defaultMaxDecompressedBytes)) throw error
    const { records, timestamp, from } = search
    const batch = header.magic(records, 0) < 2 ? readMessageHeader(records) : header.readBatchHeader(records, 0)
    if (batch.lastOffset < from || batch.maxTimestamp < timestamp) return null
    return { offset: Math.max(batch.baseOffset, from), timestampMs: batch.maxTimestamp, leaderEpoch: batch.partitionLeaderEpoch }
  }
}

function find({ records, timestamp, from, newest }: Search, maxBytes: number, scratch: Scratch | undefined): FoundRecord | null {
  if (header.magic(records, 0) < 2) return findMessage(records, timestamp, from)
  let found: FoundRecord | null = null
  const { payload, start } = unpackBatch(records, maxBytes, scratch)
  const baseOffset = header.baseOffset(records, 0)
  const baseTimestamp = header.baseTimestamp(records, 0)
  const common = header.timestampType(records, 0) === 'LogAppendTime' ? header.maxTimestamp(records, 0) : null
  const cursor = new Cursor(payload, start, payload.length)
  for (let left = header.recordCount(records, 0); left > 0; left--) {
    const size = cursor.varint()
    const end = cursor.skip(size) + size
    cursor.position = end - size + 1
    const own = cursor.varlong()
    const offset = baseOffset + cursor.varint()
    const timestampMs = common ?? addInt64(baseTimestamp, own)
    if (offset >= from && (found === null ? timestampMs >= timestamp : timestampMs > found.timestampMs)) {
      found = { offset, timestampMs, leaderEpoch: header.partitionLeaderEpoch(records, 0) }
      if (newest !== true) return found
    }
    cursor.position = end
  }
  return found
}

/** In the formats before v2, which only imported segments hold. */
function findMessage(records: Buffer, timestamp: Int64, from: number): FoundRecord | null {
  let found: FoundRecord | null = null
  forEachRecord(records, record => {
    if (record.offset < from || record.timestamp < timestamp) return true
    found = { offset: record.offset, timestampMs: record.timestamp, leaderEpoch: -1 }
    return false
  })
  return found
}
