/**
 * What a batch must become before it is stored or sent when it cannot go as it is: message sets of old producers, topics with a
 * compression of their own, old consumers. Kafka's LogValidator and RecordsUtil.downConvert. Pure functions over bytes that block;
 * `converter.ts` decides where they run.
 */
import type { CompressionType } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch } from './build.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid, type RecordError, wrongBaseOffset } from './invalid.ts'
import { buildMessageSet, checkMessageCrc } from './legacy.ts'
import { batchesIn, forEachRecordOf, nextBatchSize } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'
import { keylessRecord, someRefused } from './validate.ts'

/** The topic's part of what happens to produced bytes. */
export interface ProduceRules {
  /** Of the Produce request. */
  version: number
  /** `compression.type`; `uncompressed` is 'none'. */
  compression: CompressionType | 'producer'
  /** Of the topic's own compression. */
  level?: number | undefined
  compacted: boolean
}

export type Conversion =
  | {
      kind: 'produce'
      records: Buffer
      /** What the stored batch is compressed with. */
      compression: CompressionType
      level?: number | undefined
      compacted: boolean
    }
  | { kind: 'fetch'; records: Buffer; toMagic: 0 | 1; firstOffset: number }

/**
 * Checks what depends on the Produce version, and says what must be done before the log takes the records: null, as nearly always, when
 * nothing. Throws KafkaError: INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function produceConversion(records: Buffer, rules: ProduceRules): Conversion | null {
  const size = nextBatchSize(records, 0)
  if (size === 0) throw invalid(`Produce requests with version ${rules.version} must have at least one record batch per partition`)
  const magic = header.magic(records, 0)
  if (rules.version >= 3) checkVersion(records, size, magic, rules.version)
  const source = magic === 2 ? header.compression(records, 0) : sourceCompression(records)
  // The log refuses an unknown compression type by its own checks.
  if (source === undefined) return null
  const compression = rules.compression === 'producer' ? source : rules.compression
  const mustOpen = rules.compacted && source !== 'none'
  if (magic === 2 && compression === source && !mustOpen) return null
  return { kind: 'produce', records, compression, level: rules.level, compacted: rules.compacted }
}

function checkVersion(records: Buffer, size: number, magic: number, version: number): void {
  const requests = `Produce requests with version ${version}`
  if (magic !== 2) throw invalid(`${requests} are only allowed to contain record batches with magic version 2`)
  if (version < 7 && header.compressionId(records, 0) === 4)
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `${requests} are not allowed to use ZStandard compression`)
  if (nextBatchSize(records, size) !== 0) throw invalid(`${requests} are only allowed to contain exactly one record batch per partition`)
}

/** Of a message set: that of its last compressed message, as Kafka has it. */
function sourceCompression(records: Buffer): CompressionType {
  let found: CompressionType = 'none'
  for (const { header: message } of batchesIn(records)) if (message.compression !== 'none') found = message.compression
  return found
}

/** The message format that a Fetch version may be answered with; 2 needs no conversion. */
export function fetchMagic(version: number): 0 | 1 | 2 {
  return version < 2 ? 0 : version < 4 ? 1 : 2
}

export function convert(job: Conversion, maxBytes: number): Buffer {
  return job.kind === 'produce' ? forLog(job, maxBytes) : forOldConsumer(job.records, job.toMagic, job.firstOffset, maxBytes)
}

/** One v2 batch as the topic wants it; the very same bytes when only a look inside was needed. */
function forLog(job: Conversion & { kind: 'produce' }, maxBytes: number): Buffer {
  const batches = [...batchesIn(job.records)]
  const first = batches[0]
  if (first === undefined) throw invalid('Record batch has no batches at all')
  const source = sourceCompression(job.records)
  if (batches.length > 1 && (first.header.magic === 2 || source !== 'none'))
    throw invalid('Compressed outer record has more than one batch')
  const { bytes, header: batch } = first
  if (batch.magic === 2 && batch.baseOffset !== 0) throw wrongBaseOffset(batch.baseOffset)
  const records = soundRecords(batches, job.compacted, maxBytes)
  const deltasCountUp = records.every((record, i) => record.offset - batch.baseOffset === i)
  if (batch.magic === 2 && batch.compression === job.compression && deltasCountUp) return bytes
  const logAppendTime = batch.timestampType === 'LogAppendTime'
  return buildBatch({
    ...(batch.magic === 2 ? { ...batch, lastOffsetDelta: batch.lastOffset - batch.baseOffset } : {}),
    compression: job.compression,
    level: job.level,
    timestampType: batch.timestampType,
    timestamp: logAppendTime ? batch.maxTimestamp : -1,
    records: records.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp })),
  })
}

/** All records, with the checks that need them: checksums of messages, one magic, a key in each when the topic is compacted. */
function soundRecords(batches: readonly BatchView[], compacted: boolean, maxBytes: number): RecordView[] {
  const records: RecordView[] = []
  const errors: RecordError[] = []
  const magic = batches[0]!.header.magic
  for (const batch of batches) {
    if (batch.header.magic !== magic)
      throw invalid(`Batch magic ${batch.header.magic} is not the same as the first batch's magic byte ${magic}`)
    if (magic < 2) checkMessageCrc(batch.bytes)
    else if (header.computeCrc(batch.bytes, 0) !== header.crc(batch.bytes, 0))
      throw new KafkaError('CORRUPT_MESSAGE', `Record is corrupt (stored crc = ${header.crc(batch.bytes, 0)})`)
    forEachRecordOf(
      batch,
      record => {
        if (compacted && !record.hasKey) errors.push({ batchIndex: records.length, message: keylessRecord })
        if (!(record.timestamp >= -1 && Number.isSafeInteger(record.timestamp)))
          throw new KafkaError('INVALID_TIMESTAMP', `Invalid message timestamp ${record.timestamp}`)
        records.push(record)
      },
      { maxBytes },
    )
  }
  if (errors.length > 0) throw new InvalidRecords('INVALID_RECORD', someRefused(errors.length), errors)
  return records
}

/**
 * Batches as message sets. Control batches, headers, and in v0 timestamps are lost. Records below `firstOffset` are left out of plain
 * batches, which some versions of librdkafka rely on; a compressed batch stays one.
 */
function forOldConsumer(records: Buffer, toMagic: 0 | 1, firstOffset: number, maxBytes: number): Buffer {
  const sets: Buffer[] = []
  for (const batch of batchesIn(records)) {
    const { compression, isControl, magic, timestampType, maxTimestamp } = batch.header
    if (isControl) continue
    if (compression === 'zstd')
      throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', 'Down-conversion of zstandard-compressed batches is not supported')
    if (magic <= toMagic) {
      sets.push(batch.bytes)
      continue
    }
    const messages: RecordView[] = []
    forEachRecordOf(
      batch,
      record => {
        if (compression !== 'none' || record.offset >= firstOffset) messages.push(record)
      },
      { maxBytes },
    )
    sets.push(buildMessageSet({ magic: toMagic, compression, timestampType, logAppendTime: maxTimestamp, messages }))
  }
  return sets.length === 1 ? sets[0]! : Buffer.concat(sets)
}
