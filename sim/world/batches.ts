/**
 * Record batches (message format v2, uncompressed), written and read by the specification, independently of the code under test, for the
 * simulation, the fuzzers and the fault tests.
 */
import { crc32c, type Int64 } from '../../src/base.ts'

export interface BatchOptions {
  values: readonly (string | Buffer)[]
  keys?: readonly (string | null)[]
  producerId?: Int64
  producerEpoch?: number
  baseSequence?: number
  timestampMs?: number
  attributes?: number
  magic?: number
}

export interface ReadBatch {
  baseOffset: number
  lastOffset: number
  leaderEpoch: number
  producerId: number
  producerEpoch: number
  baseSequence: number
  isTransactional: boolean
  isControl: boolean
  /** Of all its records, as these batches are made. */
  timestampMs: number
  records: { offset: number; key: string | null; value: string }[]
}

/** What a client would notice of a batch: its checksum, or sizes that do not add up. */
export class DamagedBatch extends Error {}

const headerBytes = 61
/** Where fields lie, for tests that break them. */
export const field = {
  batchLength: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: headerBytes,
} as const

export const attribute = { transactional: 0x10, control: 0x20 } as const

export function buildBatch(options: BatchOptions): Buffer {
  const records = Buffer.concat(options.values.map((value, index) => buildRecord(index, options.keys?.[index] ?? null, value)))
  const batch = Buffer.alloc(headerBytes + records.length)
  const timestamp = BigInt(options.timestampMs ?? 0)
  batch.writeInt32BE(batch.length - 12, field.batchLength)
  batch.writeInt8(options.magic ?? 2, field.magic)
  batch.writeInt16BE(options.attributes ?? 0, field.attributes)
  batch.writeInt32BE(options.values.length - 1, field.lastOffsetDelta)
  batch.writeBigInt64BE(timestamp, field.baseTimestamp)
  batch.writeBigInt64BE(timestamp, field.maxTimestamp)
  batch.writeBigInt64BE(BigInt(options.producerId ?? -1), field.producerId)
  batch.writeInt16BE(options.producerEpoch ?? -1, field.producerEpoch)
  batch.writeInt32BE(options.baseSequence ?? -1, field.baseSequence)
  batch.writeInt32BE(options.values.length, field.recordCount)
  records.copy(batch, headerBytes)
  return seal(batch)
}

/** Writes the checksum anew after a field was changed. */
export function seal(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(field.attributes)), field.crc)
  return batch
}

function buildRecord(offsetDelta: number, key: string | null, value: string | Buffer): Buffer {
  const keyBytes = key === null ? null : Buffer.from(key)
  const valueBytes = Buffer.from(value)
  const body = Buffer.concat([
    Buffer.of(0),
    zigzag(0),
    zigzag(offsetDelta),
    zigzag(keyBytes?.length ?? -1),
    keyBytes ?? Buffer.alloc(0),
    zigzag(valueBytes.length),
    valueBytes,
    zigzag(0),
  ])
  return Buffer.concat([zigzag(body.length), body])
}

/** A varint as records use it. */
export function zigzag(value: number): Buffer {
  let rest = value < 0 ? -value * 2 - 1 : value * 2
  const bytes: number[] = []
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}

/** Reads whole batches; throws when they do not add up to the bytes, a checksum is wrong or records are not as counted. */
export function readBatches(bytes: Buffer): ReadBatch[] {
  const batches: ReadBatch[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < headerBytes) throw new DamagedBatch(`half a batch header at ${at} of ${bytes.length}`)
    const size = bytes.readInt32BE(at + field.batchLength) + 12
    if (size < headerBytes || at + size > bytes.length) throw new DamagedBatch(`batch of ${size} bytes at ${at} of ${bytes.length}`)
    batches.push(readBatch(bytes.subarray(at, at + size)))
    at += size
  }
  return batches
}

function readBatch(batch: Buffer): ReadBatch {
  const baseOffset = Number(batch.readBigInt64BE(0))
  if (batch.readUInt32BE(field.crc) !== crc32c(batch.subarray(field.attributes))) throw new DamagedBatch(`checksum of batch ${baseOffset}`)
  const reader = { bytes: batch, at: headerBytes }
  const records: ReadBatch['records'] = []
  for (let index = 0; index < batch.readInt32BE(field.recordCount); index++) {
    const end = readZigzag(reader) + reader.at
    reader.at++
    readZigzag(reader)
    const offset = baseOffset + readZigzag(reader)
    const key = readText(reader)
    records.push({ offset, key, value: readText(reader) ?? '' })
    reader.at = end
  }
  if (reader.at !== batch.length) throw new DamagedBatch(`batch ${baseOffset}: records end at ${reader.at} of ${batch.length}`)
  return {
    baseOffset,
    lastOffset: baseOffset + batch.readInt32BE(field.lastOffsetDelta),
    leaderEpoch: batch.readInt32BE(12),
    producerId: Number(batch.readBigInt64BE(field.producerId)),
    producerEpoch: batch.readInt16BE(field.producerEpoch),
    baseSequence: batch.readInt32BE(field.baseSequence),
    isTransactional: (batch.readInt16BE(field.attributes) & attribute.transactional) !== 0,
    isControl: (batch.readInt16BE(field.attributes) & attribute.control) !== 0,
    timestampMs: Number(batch.readBigInt64BE(field.maxTimestamp)),
    records,
  }
}

interface Reader {
  bytes: Buffer
  at: number
}

function readZigzag(reader: Reader): number {
  let value = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw new DamagedBatch('varint past the end')
    value += (byte & 127) * shift
    if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

function readText(reader: Reader): string | null {
  const length = readZigzag(reader)
  if (length < 0) return null
  if (reader.at + length > reader.bytes.length) throw new DamagedBatch('string past the end')
  reader.at += length
  return reader.bytes.toString('utf8', reader.at - length, reader.at)
}
