/**
 * What the log's state machines know of a batch: its header as plain numbers. One object may be filled again and again, so that
 * neither appending nor recovery allocates per batch.
 */

import * as header from '../protocol/records/header.ts'
import type { Offset } from '../protocol.ts'

export interface BatchInfo {
  baseOffset: Offset
  lastOffset: Offset
  /** Whole batch in bytes, with its 12 bytes of offset and length. */
  sizeBytes: number
  leaderEpoch: number
  maxTimestamp: number
  /** -1 without a producer. */
  producerId: number
  producerEpoch: number
  /** -1 without a sequence (and in control batches). */
  baseSequence: number
  /** Sequence of the last record, wrapped around after 2^31 - 1; -1 without a sequence. */
  lastSequence: number
  isTransactional: boolean
  isControl: boolean
  /** Only of control batches that end a transaction; otherwise null. */
  marker: Marker | null
}

/** Kafka's EndTransactionMarker. */
export interface Marker {
  committed: boolean
  coordinatorEpoch: number
}

export function emptyBatchInfo(): BatchInfo {
  return {
    baseOffset: -1,
    lastOffset: -1,
    sizeBytes: 0,
    leaderEpoch: -1,
    maxTimestamp: -1,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    lastSequence: -1,
    isTransactional: false,
    isControl: false,
    marker: null,
  }
}

/** Fills `into` from the whole v2 batch at `position`, whose bytes are known to be there and right. */
export function readBatchInfo(buffer: Buffer, position: number, into: BatchInfo): BatchInfo {
  into.baseOffset = header.baseOffset(buffer, position)
  into.lastOffset = header.lastOffset(buffer, position)
  into.sizeBytes = header.sizeBytes(buffer, position)
  into.leaderEpoch = header.partitionLeaderEpoch(buffer, position)
  into.maxTimestamp = header.maxTimestamp(buffer, position)
  into.producerId = header.producerId(buffer, position)
  into.producerEpoch = header.producerEpoch(buffer, position)
  into.baseSequence = header.baseSequence(buffer, position)
  into.lastSequence = header.lastSequence(buffer, position)
  into.isTransactional = header.isTransactional(buffer, position)
  into.isControl = header.isControl(buffer, position)
  into.marker = into.isControl ? readMarker(buffer, position) : null
  return into
}

const abort = 0
const commit = 1

/** The marker in a control batch; null when it has none: emptied by the cleaner, or a control record of another type. */
function readMarker(buffer: Buffer, position: number): Marker | null {
  if (header.recordCount(buffer, position) < 1) return null
  const end = position + header.sizeBytes(buffer, position)
  // length, attributes, timestamp delta, offset delta, key length
  let at = skipVarint(buffer, position + header.batchHeaderSize, end)
  at = skipVarint(buffer, skipVarint(buffer, at + 1, end), end)
  at = skipVarint(buffer, at, end)
  if (at + 4 > end) return null
  const type = buffer.readInt16BE(at + 2)
  if (type !== abort && type !== commit) return null
  // value length, then version and coordinator epoch
  at = skipVarint(buffer, at + 4, end)
  if (at + 6 > end) return null
  return { committed: type === commit, coordinatorEpoch: buffer.readInt32BE(at + 2) }
}

function skipVarint(buffer: Buffer, at: number, end: number): number {
  while (at < end && buffer[at]! >= 0x80) at++
  return at + 1
}
