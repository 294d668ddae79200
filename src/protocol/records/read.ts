/**
 * Reads records from batches, for loading coordinators, compaction, look-ups by time and conversion.
 *
 * Hides the record format, (bounded) decompression and the old message sets. Key, value and headers are views of the batch or of
 * its decompressed payload, created on demand. Input may come from a peer: any fault is INVALID_RECORD or
 * CORRUPT_MESSAGE, and every size is checked before it is used. Reading does not check the checksums of batches: see `isIntact`.
 */
import { addInt64 } from '../../base.ts'
import { decompress, defaultMaxDecompressedBytes } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import * as header from './header.ts'
import { invalid } from './invalid.ts'
import { forEachMessage, isMessageIntact, readMessageHeader } from './legacy.ts'
import { type BatchView, RecordView } from './record-view.ts'
import { Cursor } from './varint.ts'

/**
 * The consecutive batches in `records`, also in old message formats. An incomplete last batch is skipped, because a fetch may
 * end in one; one that cannot be right is CORRUPT_MESSAGE.
 */
export function* batchesIn(records: Buffer): Generator<BatchView> {
  for (let position = 0; ; ) {
    const size = nextBatchSize(records, position)
    if (size === 0) return
    const bytes = records.subarray(position, position + size)
    yield { header: header.magic(bytes, 0) === 2 ? readHeader(bytes) : readMessageHeader(bytes), bytes }
    position += size
  }
}

/** Size of the batch or message at `position`; 0 when it is not all there. Throws CORRUPT_MESSAGE when it cannot be one. */
export function nextBatchSize(records: Buffer, position: number): number {
  const left = records.length - position
  if (left < header.sizeUpToMagic) return 0
  const length = header.batchLength(records, position)
  const magic = header.magic(records, position)
  if (magic < 0 || magic > 2) throw new KafkaError('CORRUPT_MESSAGE', `Invalid magic found in record: ${magic}`)
  const least = magic === 2 ? header.batchHeaderSize - header.logOverhead : magic === 1 ? 22 : 14
  if (length < least) throw new KafkaError('CORRUPT_MESSAGE', `Record size ${length} is less than the minimum record overhead (${least})`)
  return length + header.logOverhead > left ? 0 : length + header.logOverhead
}

/** Whether the checksum of the batch, or of the message in an old format, is right. */
export function isIntact({ header: { magic }, bytes }: BatchView): boolean {
  return magic === 2 ? header.computeCrc(bytes, 0) === header.crc(bytes, 0) : isMessageIntact(bytes)
}

function readHeader(bytes: Buffer): header.BatchHeader {
  if (header.compression(bytes, 0) === undefined) throw invalid(`Unknown compression type id: ${header.compressionId(bytes, 0)}`)
  return header.readBatchHeader(bytes, 0)
}

export interface ReadOptions {
  /** A batch that decompresses to more is refused. Default 128 MiB. */
  maxBytes?: number
}

/**
 * Calls `visit` for every record of every batch in `records`, in order, until it returns false. Control records are visited too: see
 * `batch.isControl` and `readMarker`.
 */
export function forEachRecord(
  records: Buffer,
  visit: (record: RecordView, batch: header.BatchHeader) => unknown,
  options?: ReadOptions,
): void {
  for (const batch of batchesIn(records)) if (!forEachRecordOf(batch, visit, options)) return
}

/** The same for one batch; false when `visit` ended it. */
export function forEachRecordOf(
  batch: BatchView,
  visit: (record: RecordView, batch: header.BatchHeader) => unknown,
  options?: ReadOptions,
): boolean {
  const maxBytes = options?.maxBytes ?? defaultMaxDecompressedBytes
  if (batch.header.magic < 2) return forEachMessage(batch, maxBytes, record => visit(record, batch.header) !== false)
  const { compression, recordCount } = batch.header
  if (recordCount < 0) throw invalid(`Found invalid record count ${recordCount} in magic v2 batch`)
  return compression === 'none'
    ? visitRecords(batch.bytes, header.batchHeaderSize, batch.header, visit)
    : visitRecords(decompress(compression, batch.bytes.subarray(header.batchHeaderSize), { maxBytes }), 0, batch.header, visit)
}

/** The records of an uncompressed v2 batch, for who does something else in between. */
export function plainRecordsOf({ bytes, header: batch }: BatchView): Generator<RecordView> {
  if (batch.magic < 2 || batch.compression !== 'none') throw invalid('This batch is not an uncompressed one of magic v2')
  return recordsIn(bytes, header.batchHeaderSize, batch)
}

/** The same of any batch: each record is made when it is asked for, but the batch is decompressed as a whole. */
export function* eachRecordOf(batch: BatchView, { maxBytes = defaultMaxDecompressedBytes }: ReadOptions = {}): Generator<RecordView> {
  const { magic, compression, recordCount } = batch.header
  if (magic < 2) {
    const messages: RecordView[] = []
    forEachMessage(batch, maxBytes, record => messages.push(record) > 0)
    yield* messages
    return
  }
  if (recordCount < 0) throw invalid(`Found invalid record count ${recordCount} in magic v2 batch`)
  if (compression === 'none') yield* recordsIn(batch.bytes, header.batchHeaderSize, batch.header)
  else yield* recordsIn(decompress(compression, batch.bytes.subarray(header.batchHeaderSize), { maxBytes }), 0, batch.header)
}

function* recordsIn(buffer: Buffer, start: number, batch: header.BatchHeader): Generator<RecordView> {
  const cursor = new Cursor(buffer, start, buffer.length)
  for (let left = batch.recordCount; left > 0; left--) yield readRecord(cursor, batch)
  if (cursor.position !== buffer.length) throw invalid('Incorrect declared batch size, records still remaining in file')
}

/** The same over the plain records of a v2 batch, which fill `buffer` from `start` on. */
export function visitRecords(
  buffer: Buffer,
  start: number,
  batch: header.BatchHeader,
  visit: (record: RecordView, batch: header.BatchHeader) => unknown,
): boolean {
  const cursor = new Cursor(buffer, start, buffer.length)
  for (let left = batch.recordCount; left > 0; left--) if (visit(readRecord(cursor, batch), batch) === false) return false
  if (cursor.position !== buffer.length) throw invalid('Incorrect declared batch size, records still remaining in file')
  return true
}

function readRecord(cursor: Cursor, batch: header.BatchHeader): RecordView {
  const length = cursor.varint()
  if (length < 0) throw invalid(`Found invalid record size ${length}`)
  const end = cursor.skip(length) + length
  cursor.position = end - length + 1
  const timestampDelta = cursor.varlong()
  const offset = batch.baseOffset + cursor.varint()
  const keyLength = cursor.varint()
  const keyAt = skipNullable(cursor, keyLength)
  const valueLength = cursor.varint()
  const valueAt = skipNullable(cursor, valueLength)
  const headersAt = cursor.position
  const headers = cursor.varint()
  skipHeaders(cursor, headers)
  if (cursor.position !== end)
    throw invalid(
      `Invalid record size: expected to read ${length} bytes in record payload, but instead read ${cursor.position - end + length}`,
    )
  return new RecordView(
    cursor.buffer,
    offset,
    batch.timestampType === 'LogAppendTime' ? batch.maxTimestamp : addInt64(batch.baseTimestamp, timestampDelta),
    keyAt,
    keyLength,
    valueAt,
    valueLength,
    headers === 0 ? -1 : headersAt,
  )
}

/**
 * Moves over `count` headers; answers whether a value's size is below -1. Each header takes two bytes at least, so a count that lies runs
 * into the end at once.
 */
export function skipHeaders(cursor: Cursor, count: number): boolean {
  if (count < 0) throw invalid(`Found invalid number of record headers ${count}`)
  let oddSizes = false
  for (; count > 0; count--) {
    const keyLength = cursor.varint()
    if (keyLength < 0) throw invalid(`Invalid negative header key size ${keyLength}`)
    cursor.skip(keyLength)
    const valueLength = cursor.varint()
    if (valueLength < -1) oddSizes = true
    skipNullable(cursor, valueLength)
  }
  return oddSizes
}

/** Any negative size means null, as in Kafka. */
function skipNullable(cursor: Cursor, length: number): number {
  return cursor.skip(Math.max(length, 0))
}
