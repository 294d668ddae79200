/**
 * What a broker checks before it believes produced bytes, in one pass and without an object per record.
 *
 * Kafka's ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords and LogValidator in one place, with two differences.
 * Compressed batches are not opened here: their headers speak for them (what topics with compaction or their own compression need of
 * the inside is done before, by the converter). And offset deltas of uncompressed records must count up from 0, where Kafka only looks
 * at compressed ones.
 */
import { type Int64, millisSince } from '../../base.ts'
import { KafkaError } from '../errors.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid, type RecordError } from './invalid.ts'
import { forEachRecordOf, nextBatchSize } from './read.ts'
import type { RecordView } from './record-view.ts'
import { walkRecords } from './walk.ts'

export interface BatchRules {
  /** `coordinator`: several batches, control batches and any timestamps are fine. */
  origin: 'client' | 'coordinator'
  maxMessageBytes: number
  /** `cleanup.policy` has compact: every record needs a key. */
  compacted: boolean
  timestampType: header.TimestampType
  timestampBeforeMaxMs: number
  timestampAfterMaxMs: number
  nowMs: number
}

/** What the log needs to take the batches in. */
export interface ValidatedBatches {
  /** All of the whole batches; what is left in the buffer is a cut-off batch, to be ignored as Kafka does. */
  sizeBytes: number
  batchCount: number
  /** Offsets that the batches take. */
  offsetCount: number
  /** Largest timestamp: of the records where they could be read, else of the headers; `nowMs` with LogAppendTime. */
  maxTimestamp: Int64
}

/** Throws KafkaError: CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE, INVALID_TIMESTAMP. Changes nothing. */
export function validateBatches(records: Buffer, rules: BatchRules): ValidatedBatches {
  const client = rules.origin === 'client'
  let position = 0
  let batchCount = 0
  let offsetCount = 0
  let maxTimestamp: Int64 = -1
  for (;;) {
    const size = nextBatchSize(records, position)
    if (size === 0) break
    if (client && batchCount > 0) throw invalid('Produce requests are only allowed to contain exactly one record batch per partition')
    checkBatch(records, position, size, rules)
    const latest = client ? checkRecords(records, position, size, rules) : header.maxTimestamp(records, position)
    if (latest > maxTimestamp) maxTimestamp = latest
    offsetCount += header.lastOffsetDelta(records, position) + 1
    batchCount++
    position += size
  }
  if (batchCount === 0) throw invalid('Record batch has no batches at all')
  return {
    sizeBytes: position,
    batchCount,
    offsetCount,
    maxTimestamp: rules.timestampType === 'LogAppendTime' ? rules.nowMs : maxTimestamp,
  }
}

/** Kafka's rules for the header, in Kafka's order. */
function checkBatch(b: Buffer, p: number, size: number, rules: BatchRules): void {
  if (header.magic(b, p) !== 2) throw invalid(`Batch magic ${header.magic(b, p)} must be converted before it is appended`)
  if (rules.origin === 'client' && header.baseOffset(b, p) !== 0)
    throw invalid(`The baseOffset of the record batch in the append should be 0, but it is ${header.baseOffset(b, p)}`)
  if (size > rules.maxMessageBytes)
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `The record batch size in the append is ${size} bytes which exceeds the maximum configured value of ${rules.maxMessageBytes}.`,
    )
  if (header.computeCrc(b, p) !== header.crc(b, p))
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

/** Walks the records when they are plain; returns the largest timestamp. */
function checkRecords(b: Buffer, p: number, size: number, rules: BatchRules): Int64 {
  const base = header.baseTimestamp(b, p)
  const ofBatch = header.timestampType(b, p) === 'LogAppendTime'
  let earliest = base
  let latest = header.maxTimestamp(b, p)
  if (header.compressionId(b, p) === 0) {
    const walk = walkRecords(b, p + header.batchHeaderSize, p + size, header.recordCount(b, p), base)
    if (rules.compacted && walk.keyless) throw refuseRecords(b, p, size, rules)
    earliest = walk.earliest
    latest = walk.latest
  }
  if (ofBatch) earliest = latest = header.maxTimestamp(b, p)
  if (ofBatch && (rules.timestampType === 'LogAppendTime' || latest === -1)) throw refuseRecords(b, p, size, rules)
  if (rules.timestampType === 'CreateTime' && (isOutOfRange(latest, rules) || isOutOfRange(earliest, rules)))
    throw refuseRecords(b, p, size, rules)
  return latest
}

function isOutOfRange(timestamp: Int64, rules: BatchRules): boolean {
  if (timestamp === -1) return false
  const age = millisSince(timestamp, rules.nowMs)
  return age > rules.timestampBeforeMaxMs || -age > rules.timestampAfterMaxMs
}

/** Looks at the refused batch again, record by record, for the error that names them (KIP-467). */
function refuseRecords(b: Buffer, p: number, size: number, rules: BatchRules): KafkaError {
  const bytes = b.subarray(p, p + size)
  const batch = header.readBatchHeader(bytes, 0)
  if (batch.compression !== 'none') return new InvalidRecords('INVALID_TIMESTAMP', outOfRange, [])
  const errors: (RecordError & { ofTimestamp: boolean })[] = []
  let batchIndex = 0
  forEachRecordOf({ header: batch, bytes }, record => {
    const error = recordError(record, batch, rules)
    if (error !== null) errors.push({ batchIndex, ...error })
    batchIndex++
  })
  const recordErrors = errors.map(({ batchIndex, message }) => ({ batchIndex, message }))
  return errors.some(error => error.ofTimestamp)
    ? new InvalidRecords('INVALID_TIMESTAMP', outOfRange, recordErrors)
    : new InvalidRecords('INVALID_RECORD', someRefused(errors.length), recordErrors)
}

const outOfRange = 'One or more records have been rejected due to invalid timestamp'

/** Kafka's words for a batch in which records were refused for other reasons than their timestamps. */
export function someRefused(count: number): string {
  return `One or more records have been rejected due to ${count} record errors in total`
}

export const keylessRecord = 'Compacted topic cannot accept message without key'

function recordError(record: RecordView, batch: header.BatchHeader, rules: BatchRules): { message: string; ofTimestamp: boolean } | null {
  const { timestamp, offset } = record
  if (rules.compacted && !record.hasKey) return { message: keylessRecord, ofTimestamp: false }
  if (rules.timestampType === 'CreateTime' && timestamp !== -1) {
    if (!isOutOfRange(timestamp, rules)) return null
    const range = `[${rules.nowMs - rules.timestampBeforeMaxMs}, ${rules.nowMs + rules.timestampAfterMaxMs}]`
    const message = `Timestamp ${timestamp} of message with offset ${offset} is out of range. The timestamp should be within ${range}`
    return { message, ofTimestamp: true }
  }
  if (batch.timestampType !== 'LogAppendTime') return null
  const message = 'Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.'
  return { message, ofTimestamp: true }
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
