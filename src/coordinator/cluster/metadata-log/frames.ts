/**
 * The messages between a broker that keeps the metadata log and those that follow it: an int32 size, then the message.
 *
 * Both ends are processes of one machine and one program. Still, sizes and counts are checked before memory is taken for them: the two may
 * be of different versions while one of them is being replaced. A message that the other end does not know closes the connection, so a
 * message whose format changes gets a new number.
 */
import { ByteReader, ByteWriter, MalformedInput } from '../../../base.ts'
import { errorNames, KafkaError, type Offset } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import { mostIdBytes, type PlacedRecord } from '../metadata-log.ts'

export type Request =
  | { kind: 'append'; call: number; expected: Offset; id: Buffer; records: readonly LogRecord[] }
  | { kind: 'read'; call: number; from: Offset }

export type Reply =
  | { kind: 'appended'; call: number; accepted: boolean }
  /** A part of a slice; the call is answered with the last one. */
  | { kind: 'part'; call: number; isLast: boolean; isSnapshot: boolean; end: Offset; records: readonly PlacedRecord[] }
  | { kind: 'refused'; call: number; error: KafkaError }
  /** Of an append: nobody knows what became of it. */
  | { kind: 'unknown'; call: number; why: string }
  /** Without a request: the log may have grown. */
  | { kind: 'changed' }

/** A batch of the metadata log has at most 8 MiB, and a part at most one record more than {@link partBytes}. */
const mostFrameBytes = 16 * 1024 * 1024
/** Of a part's records, about. */
export const partBytes = 512 * 1024

const numbers = { append: 1, read: 2, appended: 3, part: 4, refused: 5, unknown: 6, changed: 7 }
const sizeBytes = 4
/** A record has at least an offset and two lengths. */
const leastRecordBytes = 8
const longestText = 1_000

/** Undefined: the message is too large. */
export function encodeMessage(message: Request | Reply): Buffer | undefined {
  const writer = new ByteWriter()
  writer.writeInt32(0)
  writer.writeInt8(numbers[message.kind])
  if (message.kind !== 'changed') writer.writeInt32(message.call)
  write(message, writer)
  if (writer.length - sizeBytes > mostFrameBytes) return undefined
  const { buffers, length } = writer.finishFrame()
  return buffers.length === 1 ? buffers[0] : Buffer.concat(buffers, length)
}

function write(message: Request | Reply, writer: ByteWriter): void {
  switch (message.kind) {
    case 'append':
      writer.writeInt64(message.expected)
      writer.writeBytes(message.id)
      writer.writeInt32(message.records.length)
      for (const record of message.records) writeRecord(writer, record)
      return
    case 'read':
      writer.writeInt64(message.from)
      return
    case 'appended':
      writer.writeBool(message.accepted)
      return
    case 'part':
      writer.writeBool(message.isLast)
      writer.writeBool(message.isSnapshot)
      writer.writeInt64(message.end)
      writer.writeInt32(message.records.length)
      for (const { offset, record } of message.records) {
        writer.writeInt64(offset)
        writeRecord(writer, record)
      }
      return
    case 'refused':
      writer.writeString(message.error.name)
      writer.writeString(message.error.message.slice(0, longestText))
      return
    case 'unknown':
      writer.writeString(message.why.slice(0, longestText))
  }
}

function writeRecord(writer: ByteWriter, { key, value }: LogRecord): void {
  writer.writeNullableBytes(key)
  writer.writeNullableBytes(value)
}

/** Throws MalformedInput. The records are views of the frame. */
export function decodeRequest(frame: Buffer): Request {
  const reader = new ByteReader(frame)
  const number = reader.readInt8()
  const call = reader.readInt32()
  let request: Request
  if (number === numbers.append) {
    const expected = readOffset(reader)
    const id = reader.readBytes()
    if (id.length === 0 || id.length > mostIdBytes) throw new MalformedInput(`the id of an append has ${id.length} bytes`)
    request = { kind: 'append', call, expected, id, records: readList(reader, readRecord) }
  } else if (number === numbers.read) request = { kind: 'read', call, from: readOffset(reader) }
  else throw new MalformedInput(`${number} is no request`)
  requireEnd(reader)
  return request
}

/** Throws MalformedInput. The records are views of the frame. */
export function decodeReply(frame: Buffer): Reply {
  const reader = new ByteReader(frame)
  const reply = readReply(reader, reader.readInt8())
  requireEnd(reader)
  return reply
}

function readReply(reader: ByteReader, number: number): Reply {
  if (number === numbers.changed) return { kind: 'changed' }
  const call = reader.readInt32()
  switch (number) {
    case numbers.appended:
      return { kind: 'appended', call, accepted: reader.readBool() }
    case numbers.part: {
      const isLast = reader.readBool()
      const isSnapshot = reader.readBool()
      const end = readOffset(reader)
      const records = readList(reader, from => ({ offset: readOffset(from), record: readRecord(from) }))
      return { kind: 'part', call, isLast, isSnapshot, end, records }
    }
    case numbers.refused: {
      const name = reader.readString()
      const message = reader.readString()
      const known = errorNames.find(each => each === name)
      if (known === undefined) throw new MalformedInput(`the error ${name} is not known`)
      return { kind: 'refused', call, error: new KafkaError(known, message) }
    }
    case numbers.unknown:
      return { kind: 'unknown', call, why: reader.readString() }
    default:
      throw new MalformedInput(`${number} is no reply`)
  }
}

function readOffset(reader: ByteReader): Offset {
  const offset = reader.readInt64()
  if (typeof offset !== 'number' || offset < -1) throw new MalformedInput(`${offset} is no offset`)
  return offset
}

function readList<T>(reader: ByteReader, readOne: (reader: ByteReader) => T): T[] {
  const count = reader.readCount(leastRecordBytes)
  if (count < 0) throw new MalformedInput('there are no records')
  return Array.from({ length: count }, () => readOne(reader))
}

function readRecord(reader: ByteReader): LogRecord {
  return { key: reader.readNullableBytes(), value: reader.readNullableBytes() }
}

function requireEnd({ remaining }: ByteReader): void {
  if (remaining > 0) throw new MalformedInput(`${remaining} bytes follow a message`)
}

/** Cuts what arrives into frames. What it holds never exceeds what has arrived of one frame, and one read. */
export class Frames {
  #pieces: Buffer[] = []
  #bytes = 0

  /** The messages that are whole now. Throws MalformedInput. */
  take(bytes: Buffer): Buffer[] {
    const frames: Buffer[] = []
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
    while (this.#bytes >= sizeBytes) {
      const end = sizeBytes + this.#nextSize()
      if (this.#bytes < end) break
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
      this.#pieces = all.length > end ? [all.subarray(end)] : []
      this.#bytes = all.length - end
      frames.push(all.subarray(sizeBytes, end))
    }
    return frames
  }

  #nextSize(): number {
    if (this.#pieces[0]!.length < sizeBytes) this.#pieces = [Buffer.concat(this.#pieces)]
    const size = this.#pieces[0]!.readInt32BE(0)
    if (size < 0 || size > mostFrameBytes) throw new MalformedInput(`the frame size ${size} is not in 0..${mostFrameBytes}`)
    return size
  }
}
