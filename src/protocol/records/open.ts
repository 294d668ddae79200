/**
 * Prepares produced bytes for the log: decompresses and checks compressed batches, recompresses batches for topics with their own
 * compression type, rewrites unusual ones, and converts message sets of old producers to v2 batches (Kafka's LogValidator). Pure, blocking
 * functions over bytes; `converter.ts` decides where they run.
 */
import { type CompressionType, compress, compressionIds, DecompressedTooLarge, type Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch } from './build.ts'
import {
  type BatchRules,
  type Contents,
  contentsOf,
  isAllowed,
  isOdd,
  Refusal,
  refuseBatch,
  refuseDisorder,
  unpackBatch,
} from './contents.ts'
import * as header from './header.ts'
import { invalid } from './invalid.ts'
import { checkMessageCrc, mostMessages, readMessageHeader } from './legacy.ts'
import { batchesIn, forEachRecordOf, nextBatchSize } from './read.ts'
import type { RecordView } from './record-view.ts'
import { RecordWriter } from './rewrite.ts'
import { checkBatch, checkSize } from './validate.ts'
import { Cursor } from './varint.ts'

/** Of one partition in one request: a limit of its topic is about single messages, and more could not even be handed over in one turn. */
const mostSetBytes = 16 << 20
/** Compressing a byte takes as long as decompressing this many. */
const compressionWork = 16

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
  /** The compression of the stored batch. `producer`: that of the records. */
  compression: CompressionType | 'producer'
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
 * INVALID_RECORD, CORRUPT_MESSAGE, RECORD_LIST_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function openingOf(records: Buffer, rules: ProduceRules): Opening {
  const size = nextBatchSize(records, 0)
  if (size === 0) throw invalid(`Produce requests with version ${rules.version} must have at least one record batch per partition`)
  const magic = header.magic(records, 0)
  checkVersion(records, magic, rules.version)
  if (magic < 2 && records.length > Math.max(rules.batch.maxMessageBytes, mostSetBytes))
    throw tooLarge(`The request has ${records.length} bytes of an old message format for ${rules.batch.name}, which is too large`)
  if (magic === 2 && nextBatchSize(records, size) !== 0)
    throw invalid('Produce requests are only allowed to contain exactly one record batch per partition')
  if (magic === 2 && header.compression(records, 0) === undefined)
    throw invalid(`Unknown compression type id: ${header.compressionId(records, 0)}`)
  return { kind: 'produce', records, compression: rules.compression, level: rules.level, rules: rules.batch }
}

function tooLarge(message: string): KafkaError {
  return new KafkaError('RECORD_LIST_TOO_LARGE', message)
}

function checkVersion(records: Buffer, magic: number, version: number): void {
  if (version < 3) return
  const requests = `Produce requests with version ${version}`
  if (magic !== 2) throw invalid(`${requests} are only allowed to contain record batches with magic version 2`)
  if (version < 7 && header.compressionId(records, 0) === 4)
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `${requests} are not allowed to use ZStandard compression`)
}

/** Of a message set: that of its last compressed message, as Kafka has it. */
function sourceCompression(records: Buffer): CompressionType {
  let found: CompressionType = 'none'
  for (const { header: message } of batchesIn(records)) if (message.compression !== 'none') found = message.compression
  return found
}

/** Whether the records are a batch whose compression its topic does not change. */
export function keepsCompression({ records, compression }: Opening): boolean {
  return header.magic(records, 0) === 2 && (compression === 'producer' || compression === header.compression(records, 0))
}

/** Whether the log may take the records as they are and look at them itself. */
export function needsNoOpening(job: Opening): boolean {
  return keepsCompression(job) && header.compressionId(job.records, 0) === 0
}

/**
 * Throws KafkaError: what `validateBatches` throws; DecompressedTooLarge if there are more bytes than may be decompressed or recompressed
 * here. The result may share the memory of `job.records`, but never that of `scratch`.
 */
export function open(job: Opening, maxBytes: number, scratch?: Scratch, mostToCompress = maxBytes): Opened {
  return header.magic(job.records, 0) === 2 ? openBatch(job, maxBytes, scratch, mostToCompress) : upConverted(job, maxBytes)
}

function openBatch(job: Opening, maxBytes: number, scratch: Scratch | undefined, mostToCompress: number): Opened {
  const { records, level, rules } = job
  const compression = job.compression === 'producer' ? header.compression(records, 0)! : job.compression
  const bytes = records.subarray(0, nextBatchSize(records, 0))
  checkBatch(bytes, 0, bytes.length, rules, false)
  const unpacked = unpackBatch(bytes, maxBytes, scratch)
  const contents = contentsOf(bytes, unpacked)
  if (!isAllowed(contents, rules)) throw refuseBatch(bytes, unpacked, contents.claimedTime, rules)
  if (keepsCompression(job)) {
    refuseDisorder(bytes, contents)
    if (!isOdd(contents)) return { records: bytes, contents }
  }
  const { payload, start } = unpacked
  if (payload.length - start > mostToCompress)
    throw new DecompressedTooLarge(`The batch must be recompressed, but has more than ${mostToCompress} bytes`)
  const plain = contents.misshapen ? inOrder(payload, start, header.recordCount(bytes, 0)) : payload.subarray(start)
  const stored = header.withPayload(bytes, compressionIds[compression], compress(compression, plain, { level }))
  const work = contents.work + plain.length * compressionWork
  return { records: stored, contents: { ...contents, misordered: false, misshapen: false, oddlyFramed: false, work } }
}

/** The records with offset deltas that count up from 0. */
function inOrder(payload: Buffer, start: number, count: number): Buffer {
  const cursor = new Cursor(payload, start, payload.length)
  const writer = new RecordWriter(payload.length - start)
  for (let offsetDelta = 0; offsetDelta < count; offsetDelta++) writer.write(cursor, cursor.varint(), offsetDelta)
  return writer.written()
}

/** The messages of a plain set or of one wrapper, as one batch. */
function upConverted(job: Opening, maxBytes: number): Opened {
  const { level, rules } = job
  const source = sourceCompression(job.records)
  const compression = job.compression === 'producer' ? source : job.compression
  const records: RecordView[] = []
  const { magic, timestampType, maxTimestamp } = readMessageHeader(job.records)
  const claimedTime = timestampType === 'LogAppendTime' ? maxTimestamp : null
  const refusal = new Refusal(rules, claimedTime)
  const visit = (record: RecordView): void => {
    if (record.timestamp < -1) throw new KafkaError('INVALID_TIMESTAMP', `Invalid message timestamp ${record.timestamp}`)
    if (records.length === mostMessages)
      throw tooLarge(`The request has more than ${mostMessages} messages of an old format for ${rules.name}`)
    refusal.see(record.timestamp, record.offset, record.hasKey)
    records.push(record)
  }
  let batches = 0
  for (const batch of batchesIn(job.records)) {
    if (++batches > 1 && source !== 'none') throw invalid('Compressed outer record has more than one batch')
    if (batch.header.magic !== magic)
      throw invalid(`Batch magic ${batch.header.magic} is not the same as the first batch's magic byte ${magic}`)
    checkSize(batch.bytes.length, rules)
    checkMessageCrc(batch.bytes)
    forEachRecordOf(batch, visit, { maxBytes })
  }
  if (!refusal.isEmpty) throw refusal.error()
  const timestamp = claimedTime ?? -1
  const stored = buildBatch({ compression, level, timestampType, timestamp, records })
  const contents = contentsOf(stored, unpackBatch(stored, maxBytes))
  return { records: stored, contents: { ...contents, work: contents.work * compressionWork } }
}
