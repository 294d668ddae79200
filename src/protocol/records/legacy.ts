/**
 * Message sets, the format before v2: magic 0 (no timestamps) and 1. Messages are independent of each other; compressed ones are inside a
 * wrapper message, whose offset is that of the last inner message.
 *
 * Hides the layout, the offsets of inner messages (absolute in v0, relative to the wrapper in v1), the inheritance of LogAppendTime, and
 * the LZ4 framing of v0.
 */
import { crc32, type Int64, readInt64, writeInt64 } from '../../base.ts'
import { type CompressionType, compress, compressionIds, compressionNames, decompress } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import type { BatchHeader, TimestampType } from './header.ts'
import { logOverhead, readOffset } from './header.ts'
import { invalid } from './invalid.ts'
import { type BatchView, RecordView } from './record-view.ts'

/** Positions from the message's first byte, that of its offset. */
const crcAt = 12
const magicAt = 16
const attributesAt = 17
const timestampAt = 18

const codecMask = 0x07
const logAppendTimeBit = 0x08

/** Messages in one wrapper, or in one request for a partition: each needs an object, so a set of millions would fill the memory. */
export const mostMessages = 1 << 21

/** Where the key's size lies. */
const keySizeAt = (magic: number): number => (magic === 0 ? 18 : 26)

/** A message's header as that of a batch of one. `bytes` must hold the whole message, of which `nextBatchSize` has seen the size. */
export function readMessageHeader(bytes: Buffer): BatchHeader {
  const magic = bytes.readInt8(magicAt)
  const attributes = bytes.readInt8(attributesAt)
  const compression = compressionNames[attributes & codecMask]
  if (compression === undefined) throw invalid(`Unknown compression type id: ${attributes & codecMask}`)
  const offset = readOffset(bytes, 0)
  const timestamp = magic === 0 ? -1 : readInt64(bytes, timestampAt)
  return {
    baseOffset: offset,
    lastOffset: offset,
    sizeBytes: bytes.length,
    partitionLeaderEpoch: -1,
    magic,
    compression,
    timestampType: magic > 0 && (attributes & logAppendTimeBit) !== 0 ? 'LogAppendTime' : 'CreateTime',
    isTransactional: false,
    isControl: false,
    hasDeleteHorizon: false,
    baseTimestamp: timestamp,
    maxTimestamp: timestamp,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount: 1,
  }
}

/** Whether the message's checksum is right. */
export function isMessageIntact(bytes: Buffer): boolean {
  return bytes.readUInt32BE(crcAt) === crc32(bytes.subarray(magicAt))
}

/** Throws CORRUPT_MESSAGE when the message's checksum is wrong. */
export function checkMessageCrc(bytes: Buffer): void {
  const stored = bytes.readUInt32BE(crcAt)
  const computed = crc32(bytes.subarray(magicAt))
  if (stored !== computed) throw new KafkaError('CORRUPT_MESSAGE', `Record is corrupt (stored crc = ${stored}, computed crc = ${computed})`)
}

/** Calls `visit` for the message, or for those inside when it is a wrapper; false when `visit` ended it. */
export function forEachMessage(message: BatchView, maxBytes: number, visit: (record: RecordView) => boolean): boolean {
  if (message.header.compression === 'none')
    return visit(readMessage(message.bytes, 0, message.bytes.length, message.header.lastOffset, null))
  for (const record of innerMessages(message, maxBytes)) if (!visit(record)) return false
  return true
}

/** `wrapperTime`: the timestamp of a wrapper with LogAppendTime, which all its messages take. */
function readMessage(b: Buffer, start: number, end: number, offset: number, wrapperTime: Int64 | null): RecordView {
  const magic = b.readInt8(start + magicAt)
  const keyAt = start + keySizeAt(magic) + 4
  if (keyAt > end) throw invalid('Found invalid record structure: a message is cut off')
  const keyLength = b.readInt32BE(keyAt - 4)
  const valueAt = keyAt + Math.max(keyLength, 0) + 4
  if (valueAt > end) throw invalid(`Found invalid record structure: a key of ${keyLength} bytes`)
  const valueLength = b.readInt32BE(valueAt - 4)
  if (valueAt + Math.max(valueLength, 0) > end) throw invalid(`Found invalid record structure: a value of ${valueLength} bytes`)
  const timestamp = magic === 0 ? -1 : (wrapperTime ?? readInt64(b, start + timestampAt))
  return new RecordView(b, offset, timestamp, keyAt, keyLength, valueAt, valueLength, -1)
}

/** All at once, because the first one's offset follows from the last one's. */
function innerMessages(wrapper: BatchView, maxBytes: number): RecordView[] {
  const { header, bytes } = wrapper
  if (header.compression === 'zstd') throw invalid(`Invalid wrapper compressionType found in legacy deep record iterator ${header.magic}`)
  const packed = readMessage(bytes, 0, bytes.length, header.lastOffset, null).value
  if (packed === null) throw invalid(`Found invalid compressed record set with null value (magic = ${header.magic})`)
  const plain = decompress(header.compression, packed, { maxBytes, ignoreLz4Checksum: header.magic === 0 })
  const starts = innerStarts(plain, header.magic)
  const last = starts.at(-1)
  if (last === undefined) throw invalid('Found invalid compressed record set with no inner records')
  const shift = header.magic === 0 ? 0 : offsetShift(header.lastOffset, readOffset(plain, last))
  const wrapperTime = header.timestampType === 'LogAppendTime' ? header.maxTimestamp : null
  return starts.map(start => {
    const end = start + logOverhead + plain.readInt32BE(start + 8)
    checkMessageCrc(plain.subarray(start, end))
    if ((plain.readInt8(start + attributesAt) & codecMask) !== 0) throw invalid('Inner messages must not be compressed')
    return readMessage(plain, start, end, readOffset(plain, start) + shift, wrapperTime)
  })
}

/** An incomplete last message is skipped, as in Kafka. */
function innerStarts(plain: Buffer, wrapperMagic: number): number[] {
  const starts: number[] = []
  for (let at = 0; plain.length - at >= logOverhead; ) {
    const length = plain.readInt32BE(at + 8)
    if (length < 14) throw new KafkaError('CORRUPT_MESSAGE', 'Record size is less than the minimum record overhead (14)')
    if (length + logOverhead > plain.length - at) break
    const magic = plain.readInt8(at + magicAt)
    if (magic !== wrapperMagic) throw invalid(`Compressed message magic ${magic} does not match wrapper magic ${wrapperMagic}`)
    if (starts.push(at) > mostMessages) throw invalid(`Found more than ${mostMessages} messages in a compressed record set`)
    at += length + logOverhead
  }
  return starts
}

/** What makes inner offsets of a v1 wrapper absolute. */
function offsetShift(wrapperOffset: number, lastInnerOffset: number): number {
  // Some versions of librdkafka leave the wrapper's offset at 0.
  if (wrapperOffset === 0) return 0
  if (wrapperOffset < lastInnerOffset)
    throw invalid(`Found invalid wrapper offset in compressed v1 message set: '${wrapperOffset}' is less than '${lastInnerOffset}'`)
  return wrapperOffset - lastInnerOffset
}

export interface OldMessage {
  offset: number
  timestamp: Int64
  key: Buffer | null
  value: Buffer | null
}

export interface OldMessageSet {
  magic: 0 | 1
  compression: CompressionType
  /** LogAppendTime: `logAppendTime` replaces the timestamps of all messages. */
  timestampType: TimestampType
  logAppendTime?: Int64
  messages: readonly OldMessage[]
}

/** Byte for byte what Kafka's MemoryRecordsBuilder writes: plain messages, or one wrapper around all. */
export function buildMessageSet(set: OldMessageSet): Buffer {
  const { magic, compression, messages } = set
  const first = messages[0]
  if (first === undefined) return Buffer.alloc(0)
  const wrapped = compression !== 'none'
  const flags = magic === 1 && set.timestampType === 'LogAppendTime' ? logAppendTimeBit : 0
  const timeOf = (message: OldMessage): Int64 => (flags === 0 ? message.timestamp : (set.logAppendTime ?? message.timestamp))
  const shift = wrapped && magic === 1 ? first.offset : 0
  const plain = Buffer.allocUnsafeSlow(messages.reduce((size, { key, value }) => size + messageSize(magic, key, value), 0))
  let at = 0
  let latest: Int64 = -1
  for (const message of messages) {
    const timestamp = timeOf(message)
    if (timestamp > latest) latest = timestamp
    at = writeMessage(plain, at, magic, flags, message.offset - shift, timestamp, message.key, message.value)
  }
  if (!wrapped) return plain
  const packed = compress(compression, plain, { brokenLz4Checksum: magic === 0 })
  const wrapper = Buffer.allocUnsafeSlow(messageSize(magic, null, packed))
  writeMessage(wrapper, 0, magic, flags | compressionIds[compression], messages.at(-1)!.offset, latest, null, packed)
  return wrapper
}

function messageSize(magic: 0 | 1, key: Buffer | null, value: Buffer | null): number {
  return keySizeAt(magic) + 8 + (key?.length ?? 0) + (value?.length ?? 0)
}

/** Returns the position after it. */
function writeMessage(
  out: Buffer,
  start: number,
  magic: 0 | 1,
  attributes: number,
  offset: number,
  timestamp: Int64,
  key: Buffer | null,
  value: Buffer | null,
): number {
  writeInt64(out, start, offset)
  out[start + magicAt] = magic
  out[start + attributesAt] = attributes
  if (magic === 1) writeInt64(out, start + timestampAt, timestamp)
  let at = start + keySizeAt(magic)
  for (const bytes of [key, value]) {
    at = out.writeInt32BE(bytes?.length ?? -1, at)
    if (bytes !== null) at += bytes.copy(out, at)
  }
  out.writeInt32BE(at - start - logOverhead, start + 8)
  out.writeUInt32BE(crc32(out.subarray(start + magicAt, at)), start + crcAt)
  return at
}
