/**
 * What is done to produced bytes before the log takes them: compressed batches are opened and checked, batches of a topic with its own
 * compression are compressed anew, odd ones written anew, message sets of old producers made v2 batches. Kafka's LogValidator. Pure
 * functions over bytes that block; `converter.ts` decides where they run.
 */
import { type CompressionType, compress, compressionIds, type Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch } from './build.ts'
import { type BatchRules, type Contents, contentsOf, isAllowed, Refusal, refuseBatch, unpackBatch } from './contents.ts'
import * as header from './header.ts'
import { invalid } from './invalid.ts'
import { checkMessageCrc } from './legacy.ts'
import { batchesIn, forEachRecordOf, nextBatchSize } from './read.ts'
import type { BatchView, RecordView } from './record-view.ts'
import { RecordWriter } from './rewrite.ts'
import { checkBatch, checkSize } from './validate.ts'
import { Cursor } from './varint.ts'

/** The topic's part of what happens to produced bytes. */
export interface ProduceRules {
  /** Of the Produce request. */
  version: number
  /** `compression.type`; `uncompressed` is 'none'. */
  compression: CompressionType | 'producer'
  /** Of the topic's own compression. */
  level?: number | undefined
  batch: BatchRules
}

export interface Opening {
  kind: 'produce'
  records: Buffer
  /** What the stored batch is compressed with. */
  compression: CompressionType
  level?: number | undefined
  rules: BatchRules
}

export interface Opened {
  /** One v2 batch as the topic wants it; the very same bytes when only a look inside was needed. */
  records: Buffer
  contents: Contents
}

/**
 * Checks what depends on the Produce version, and says how the records are to be opened before the log takes them. Throws KafkaError:
 * INVALID_RECORD, CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function openingOf(records: Buffer, rules: ProduceRules): Opening {
  const size = nextBatchSize(records, 0)
  if (size === 0) throw invalid(`Produce requests with version ${rules.version} must have at least one record batch per partition`)
  const magic = header.magic(records, 0)
  if (rules.version >= 3) checkVersion(records, size, magic, rules.version)
  const source = magic === 2 ? header.compression(records, 0) : sourceCompression(records)
  if (source === undefined) throw invalid(`Unknown compression type id: ${header.compressionId(records, 0)}`)
  const compression = rules.compression === 'producer' ? source : rules.compression
  return { kind: 'produce', records, compression, level: rules.level, rules: rules.batch }
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

/** Whether the log may take the records as they are and look at them itself. */
export function needsNoOpening({ records, compression }: Opening): boolean {
  return header.magic(records, 0) === 2 && header.compressionId(records, 0) === 0 && compression === 'none'
}

/** Throws KafkaError: what `validateBatches` throws. The result may share the memory of `job.records`, but never that of `scratch`. */
export function open(job: Opening, maxBytes: number, scratch?: Scratch): Opened {
  if (header.magic(job.records, 0) === 2) return openBatch(job, maxBytes, scratch)
  const batches = [...batchesIn(job.records)]
  if (batches.length > 1 && sourceCompression(job.records) !== 'none') throw invalid('Compressed outer record has more than one batch')
  return upConverted(batches, job, maxBytes)
}

function openBatch({ records, compression, level, rules }: Opening, maxBytes: number, scratch: Scratch | undefined): Opened {
  const bytes = records.subarray(0, nextBatchSize(records, 0))
  checkBatch(bytes, 0, bytes.length, rules, false)
  const unpacked = unpackBatch(bytes, maxBytes, scratch)
  const contents = contentsOf(bytes, unpacked)
  if (!isAllowed(contents, rules)) throw refuseBatch(bytes, unpacked, contents.claimedTime, rules)
  const { payload, start, usedBytes } = unpacked
  const { misshapen, bytesBehind } = contents
  let packed: Buffer
  if (!misshapen && header.compression(bytes, 0) === compression) {
    if (bytesBehind === 0) return { records: bytes, contents }
    packed = bytes.subarray(header.batchHeaderSize, usedBytes)
  } else {
    const plain = misshapen ? inOrder(payload, start, header.recordCount(bytes, 0)) : payload.subarray(start)
    packed = compress(compression, plain, { level })
  }
  const stored = header.withPayload(bytes, compressionIds[compression], packed)
  return { records: stored, contents: { ...contents, misshapen: false, bytesBehind: 0 } }
}

/** The records with offset deltas that count up from 0. */
function inOrder(payload: Buffer, start: number, count: number): Buffer {
  const cursor = new Cursor(payload, start, payload.length)
  const writer = new RecordWriter(payload.length - start)
  for (let offsetDelta = 0; offsetDelta < count; offsetDelta++) writer.write(cursor, cursor.varint(), offsetDelta)
  return writer.written()
}

/** The messages of a plain set or of one wrapper, as one batch. */
function upConverted(batches: readonly BatchView[], job: Opening, maxBytes: number): Opened {
  const { compression, level, rules } = job
  const records: RecordView[] = []
  const { magic, timestampType, maxTimestamp } = batches[0]!.header
  const claimedTime = timestampType === 'LogAppendTime' ? maxTimestamp : null
  const refusal = new Refusal(rules, claimedTime)
  for (const batch of batches) {
    if (batch.header.magic !== magic)
      throw invalid(`Batch magic ${batch.header.magic} is not the same as the first batch's magic byte ${magic}`)
    checkSize(batch.bytes.length, rules)
    checkMessageCrc(batch.bytes)
    const visit = (record: RecordView): void => {
      if (record.timestamp < -1) throw new KafkaError('INVALID_TIMESTAMP', `Invalid message timestamp ${record.timestamp}`)
      refusal.see(record.timestamp, record.offset, record.hasKey)
      records.push(record)
    }
    forEachRecordOf(batch, visit, { maxBytes })
  }
  if (!refusal.isEmpty) throw refusal.error()
  const timestamp = claimedTime ?? -1
  const stored = buildBatch({ compression, level, timestampType, timestamp, records })
  return { records: stored, contents: contentsOf(stored, unpackBatch(stored, maxBytes)) }
}
