/**
 * Validates produced bytes: Kafka's ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords and LogValidator in one place, in
 * one pass and without an object per record. Everything stored of a client's batch is derived from its records.
 */
import type { Int64 } from '../../base.ts'
import { defaultMaxDecompressedBytes } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { type BatchRules, type Contents, contentsOf, isAllowed, isOdd, refuseBatch, refuseDisorder, unpackBatch } from './contents.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid, OddRecords } from './invalid.ts'
import { nextBatchSize } from './read.ts'

/** What the log needs to take the batches in. */
export interface ValidatedBatches {
  /** All of the whole batches; what is left in the buffer is a cut-off batch, to be ignored as Kafka does. */
  sizeBytes: number
  batchCount: number
  /** Offsets that the batches take. */
  offsetCount: number
  /** Largest timestamp: of the records, or of a coordinator's headers; `nowMs` with LogAppendTime. */
  maxTimestamp: Int64
}

/**
 * Throws KafkaError: CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP. Changes nothing.
 * `contents`: of a client's batch that was opened already (`RecordConverter.open`), whose checksum is known to be right; otherwise it is opened here.
 */
export function validateBatches(records: Buffer, rules: BatchRules, contents: Contents | null = null): ValidatedBatches {
  const client = rules.origin === 'client'
  let position = 0
  let batchCount = 0
  let offsetCount = 0
  let maxTimestamp: Int64 = -1
  for (;;) {
    const size = nextBatchSize(records, position)
    if (size === 0) break
    if (client && batchCount > 0) throw invalid('Produce requests are only allowed to contain exactly one record batch per partition')
    checkBatch(records, position, size, rules, contents !== null)
    const latest = client ? checkRecords(records, size, rules, contents) : header.maxTimestamp(records, position)
    if (latest > maxTimestamp) maxTimestamp = latest
    offsetCount += header.lastOffsetDelta(records, position) + 1
    batchCount++
    position += size
  }
  if (batchCount === 0) throw invalid('Record batch has no batches at all')
  if (position > rules.segmentBytes)
    throw new KafkaError(
      'RECORD_LIST_TOO_LARGE',
      `Message batch size is ${position} bytes in append to partition ${rules.name}, which exceeds the maximum configured segment size of ${rules.segmentBytes}.`,
    )
  return {
    sizeBytes: position,
    batchCount,
    offsetCount,
    maxTimestamp: rules.timestampType === 'LogAppendTime' ? rules.nowMs : maxTimestamp,
  }
}

/** Kafka's rules for the header, in Kafka's order. */
export function checkBatch(b: Buffer, p: number, size: number, rules: BatchRules, isIntact: boolean): void {
  if (header.magic(b, p) !== 2) throw invalid(`Batch magic ${header.magic(b, p)} must be converted before it is appended`)
  if (rules.origin === 'client' && header.baseOffset(b, p) !== 0)
    throw invalid(`The baseOffset of the record batch in the append should be 0, but it is ${header.baseOffset(b, p)}`)
  checkSize(size, rules)
  if (!isIntact && header.computeCrc(b, p) !== header.crc(b, p))
    throw new KafkaError('CORRUPT_MESSAGE', `Record is corrupt (stored crc = ${header.crc(b, p)})`)
  const last = header.lastOffsetDelta(b, p)
  const count = header.recordCount(b, p)
  if (last < 0) throw invalid(`Batch has an invalid offset range: [0, ${last}]`)
  if (header.compression(b, p) === undefined) throw invalid(`Unknown compression type id: ${header.compressionId(b, p)}`)
  if (rules.origin === 'coordinator') return
  if (count <= 0) throw invalid(`Invalid reported count for record batch: ${count}`)
  if (last + 1 !== count) throw invalid(`Inconsistent batch offset range [0, ${last}] and count of records ${count}`)
  if (header.isControl(b, p)) throw invalid('Clients are not allowed to write control records')
  const producerId = header.producerId(b, p)
  if (producerId > -1 && header.baseSequence(b, p) < 0)
    throw invalid(`Invalid sequence number ${header.baseSequence(b, p)} in record batch with producerId ${producerId}`)
}

export function checkSize(size: number, rules: BatchRules): void {
  if (size <= rules.maxMessageBytes) return
  throw new KafkaError(
    'MESSAGE_TOO_LARGE',
    `The record batch size in the append is ${size} bytes which exceeds the maximum configured value of ${rules.maxMessageBytes}.`,
  )
}

/** Of the one batch of a client; returns its largest timestamp. */
function checkRecords(records: Buffer, size: number, rules: BatchRules, opened: Contents | null): Int64 {
  const bytes = records.length === size ? records : records.subarray(0, size)
  const unpacked = opened === null ? unpackBatch(bytes, defaultMaxDecompressedBytes) : null
  const contents = opened ?? contentsOf(bytes, unpacked!)
  if (!isAllowed(contents, rules)) {
    // The topic's rules have changed since the batch was opened: it is not opened again to name the records.
    if (unpacked === null) throw new InvalidRecords('INVALID_RECORD', 'The configuration of the topic has just changed', [])
    throw refuseBatch(bytes, unpacked, contents.claimedTime, rules)
  }
  refuseDisorder(bytes, contents)
  if (isOdd(contents)) throw new OddRecords()
  return contents.latest
}

/** Writes what a broker writes into batches that `validateBatches` has passed: offsets, leader epoch, timestamps. */
export function stampBatches(
  records: Buffer,
  validated: ValidatedBatches,
  place: { baseOffset: number; leaderEpoch: number; timestampType: header.TimestampType },
): void {
  let offset = place.baseOffset
  for (let position = 0; position < validated.sizeBytes; position += header.sizeBytes(records, position)) {
    header.setBaseOffset(records, position, offset)
    header.setPartitionLeaderEpoch(records, position, place.leaderEpoch)
    // With several batches each keeps its own largest timestamp; a single one's was computed.
    const own = validated.batchCount === 1 || place.timestampType === 'LogAppendTime'
    header.setMaxTimestamp(records, position, place.timestampType, own ? validated.maxTimestamp : header.maxTimestamp(records, position))
    offset += header.lastOffsetDelta(records, position) + 1
  }
}
