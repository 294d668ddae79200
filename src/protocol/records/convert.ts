/**
 * What a batch must become before it is stored or sent when it cannot go as it is: message sets of old producers, topics with a
 * compression of their own, old consumers. Kafka's LogValidator and RecordsUtil.downConvert. Pure functions over bytes that block;
 * `converter.ts` decides where they run.
 */
import type { Int64 } from '../../base.ts'
import { type CompressionType, compress, compressionIds, decompress } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch } from './build.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid, type RecordError } from './invalid.ts'
import { buildMessageSet, checkMessageCrc } from './legacy.ts'
import { batchesIn, forEachRecord, forEachRecordOf, nextBatchSize } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'
import { keylessRecord, someRefused } from './validate.ts'
import { walkRecords } from './walk.ts'

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
  | { kind: 'fetch'; records: Buffer; toMagic: 0 | 1; firstOffset: Int64 }

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
  const isPlainSet = first.header.magic < 2 && sourceCompression(job.records) === 'none'
  if (batches.length > 1 && !isPlainSet) throw invalid('Compressed outer record has more than one batch')
  return first.header.magic === 2 ? recompressed(first, job, maxBytes) : upConverted(batches, job, maxBytes)
}

/** The records keep their bytes; only what is around them changes. */
function recompressed({ header: batch, bytes }: BatchView, job: Conversion & { kind: 'produce' }, maxBytes: number): Buffer {
  if (header.computeCrc(bytes, 0) !== header.crc(bytes, 0))
    throw new KafkaError('CORRUPT_MESSAGE', `Record is corrupt (stored crc = ${header.crc(bytes, 0)})`)
  const payload = decompress(batch.compression, bytes.subarray(header.batchHeaderSize), { maxBytes })
  const walk = walkRecords(payload, 0, payload.length, batch.recordCount, batch.baseTimestamp)
  if (job.compacted && walk.keyless) {
    const plain = header.withPayload(bytes, 0, payload)
    const keyless: RecordError[] = []
    let batchIndex = 0
    forEachRecord(plain, record => {
      if (!record.hasKey) keyless.push({ batchIndex, message: keylessRecord })
      batchIndex++
    })
    throw new InvalidRecords('INVALID_RECORD', someRefused(keyless.length), keyless)
  }
  if (batch.compression === job.compression) return bytes
  const stored = header.withPayload(bytes, compressionIds[job.compression], compress(job.compression, payload, { level: job.level }))
  // The log does not look inside again, so the header must not claim another time than the records do.
  if (batch.timestampType === 'CreateTime') header.setMaxTimestamp(stored, 0, 'CreateTime', walk.latest)
  return stored
}

/** The messages of a plain set or of one wrapper, as one batch. */
function upConverted(batches: readonly BatchView[], job: Conversion & { kind: 'produce' }, maxBytes: number): Buffer {
  const records: RecordView[] = []
  const errors: RecordError[] = []
  const { magic, timestampType, maxTimestamp } = batches[0]!.header
  for (const batch of batches) {
    if (batch.header.magic !== magic)
      throw invalid(`Batch magic ${batch.header.magic} is not the same as the first batch's magic byte ${magic}`)
    checkMessageCrc(batch.bytes)
    forEachRecordOf(
      batch,
      record => {
        if (job.compacted && !record.hasKey) errors.push({ batchIndex: records.length, message: keylessRecord })
        if (record.timestamp < -1) throw new KafkaError('INVALID_TIMESTAMP', `Invalid message timestamp ${record.timestamp}`)
        records.push(record)
      },
      { maxBytes },
    )
  }
  if (errors.length > 0) throw new InvalidRecords('INVALID_RECORD', someRefused(errors.length), errors)
  const { compression, level } = job
  return buildBatch({ compression, level, timestampType, timestamp: timestampType === 'LogAppendTime' ? maxTimestamp : -1, records })
}

/**
 * Batches as message sets. Control batches, headers, and in v0 timestamps are lost. Records below `firstOffset` are left out of plain
 * batches, which some versions of librdkafka rely on; a compressed batch stays one.
 */
function forOldConsumer(records: Buffer, toMagic: 0 | 1, firstOffset: Int64, maxBytes: number): Buffer {
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
