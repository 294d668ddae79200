/**
 * Writes the primitive types of Kafka's wire format. Small values go into one growing buffer; large payloads are kept by reference, so that
 * record batches go from the log to the socket without a copy. A value outside the range of its type throws RangeError.
 */
import { zeroUuid } from './byte-reader.ts'
import type { Int64 } from './int64.ts'
import { claimElements, type Paced, pauseDue, spend, unlimited } from './pace.ts'
import { writeSeenUuid } from './seen-texts.ts'

/** Bytes in several pieces, in order, ready for `writev`. */
export interface Chunks {
  buffers: Buffer[]
  length: number
}

const two32 = 2 ** 32
/** Payloads from this size on are taken by reference; copying less is cheaper than one more entry in a writev. */
const spliceBytes = 4096
/** From this size on more room is another buffer, not a larger one: copying what is there would take long. */
const largestBuffer = 1024 * 1024

/** Shorter texts are part of what their element takes. */
const shortText = 64

export class ByteWriter implements Paced {
  #buffer: Buffer
  /** Where the part of `#buffer` begins that is not yet in `#done`. */
  #start = 0
  #offset = 0
  #done: Buffer[] = []
  #doneBytes = 0
  elementsLeft = unlimited
  elementsDone = 0
  textLeft = unlimited
  pauses = false

  constructor(initialBytes = 512) {
    this.#buffer = Buffer.allocUnsafe(initialBytes)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#doneBytes + this.#offset - this.#start
  }

  /** Makes room for `bytes` bytes and returns where they start. */
  #claim(bytes: number): number {
    const at = this.#offset
    if (at + bytes <= this.#buffer.length) {
      this.#offset = at + bytes
      return at
    }
    const pending = at - this.#start
    if (pending >= largestBuffer) {
      this.#flush()
      this.#buffer = Buffer.allocUnsafe(Math.max(largestBuffer, 2 * bytes))
      this.#start = 0
      this.#offset = bytes
      return 0
    }
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, 2 * (pending + bytes)))
    this.#buffer.copy(grown, 0, this.#start, at)
    this.#buffer = grown
    this.#start = 0
    this.#offset = pending + bytes
    return pending
  }

  /** Throws TooManyElements when `count` more would be too many. */
  claimElements(count: number): void {
    claimElements(this, count)
  }

  /** After each element, where there are pauses: whether it is time for one. */
  pauseDue(): boolean {
    return pauseDue(this)
  }

  writeBool(value: boolean): void {
    if (typeof value !== 'boolean') throw unencodable('bool', value)
    const at = this.#claim(1)
    this.#buffer[at] = value ? 1 : 0
  }

  writeInt8(value: number): void {
    if ((value << 24) >> 24 !== value) throw unencodable('int8', value)
    const at = this.#claim(1)
    this.#buffer[at] = value
  }

  writeInt16(value: number): void {
    if ((value << 16) >> 16 !== value) throw unencodable('int16', value)
    this.#put16(value)
  }

  writeUint16(value: number): void {
    if ((value & 0xffff) !== value) throw unencodable('uint16', value)
    this.#put16(value)
  }

  #put16(value: number): void {
    const at = this.#claim(2)
    this.#buffer[at] = value >> 8
    this.#buffer[at + 1] = value
  }

  writeInt32(value: number): void {
    if ((value | 0) !== value) throw unencodable('int32', value)
    this.#put32(value)
  }

  writeUint32(value: number): void {
    if (value >>> 0 !== value) throw unencodable('uint32', value)
    this.#put32(value)
  }

  #put32(value: number): void {
    const at = this.#claim(4)
    const buffer = this.#buffer
    buffer[at] = value >> 24
    buffer[at + 1] = value >> 16
    buffer[at + 2] = value >> 8
    buffer[at + 3] = value
  }

  writeInt64(value: Int64): void {
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      const low = value >>> 0
      this.#put32((value - low) / two32)
      this.#put32(low)
    } else if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) {
      const at = this.#claim(8)
      this.#buffer.writeBigInt64BE(value, at)
    } else throw unencodable('int64', value)
  }

  writeFloat64(value: number): void {
    if (typeof value !== 'number') throw unencodable('float64', value)
    const at = this.#claim(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  writeUvarint(value: number): void {
    if (value >>> 0 !== value) throw unencodable('uvarint', value)
    while (value > 0x7f) {
      const at = this.#claim(1)
      this.#buffer[at] = value | 0x80
      value >>>= 7
    }
    const at = this.#claim(1)
    this.#buffer[at] = value
  }

  writeVarint(value: number): void {
    if ((value | 0) !== value) throw unencodable('varint', value)
    this.writeUvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  /** Raw bytes without a length; large ones by reference. */
  writeRaw(bytes: Buffer): void {
    if (bytes.length >= spliceBytes) {
      this.#flush()
      this.#done.push(bytes)
      this.#doneBytes += bytes.length
    } else {
      if (bytes.length > shortText) spend(this, bytes.length)
      const at = this.#claim(bytes.length)
      bytes.copy(this.#buffer, at)
    }
  }

  #flush(): void {
    if (this.#offset === this.#start) return
    this.#done.push(this.#buffer.subarray(this.#start, this.#offset))
    this.#doneBytes += this.#offset - this.#start
    this.#start = this.#offset
  }

  writeString(value: string): void {
    const bytes = utf8Length(value)
    this.#put16(bytes)
    this.#text(value, bytes)
  }

  writeNullableString(value: string | null): void {
    if (value === null) this.#put16(-1)
    else this.writeString(value)
  }

  writeCompactString(value: string): void {
    const bytes = utf8Length(value)
    this.writeUvarint(bytes + 1)
    this.#text(value, bytes)
  }

  writeCompactNullableString(value: string | null): void {
    if (value === null) this.writeUvarint(0)
    else this.writeCompactString(value)
  }

  #text(value: string, bytes: number): void {
    if (bytes > shortText) spend(this, bytes)
    const at = this.#claim(bytes)
    if (bytes === value.length) this.#buffer.write(value, at, bytes, 'latin1')
    else this.#buffer.write(value, at, bytes, 'utf8')
  }

  writeBytes(value: Buffer): void {
    if (!(value instanceof Uint8Array)) throw unencodable('bytes', value)
    this.writeInt32(value.length)
    this.writeRaw(value)
  }

  writeNullableBytes(value: Buffer | null): void {
    if (value === null) this.writeInt32(-1)
    else this.writeBytes(value)
  }

  writeCompactBytes(value: Buffer): void {
    if (!(value instanceof Uint8Array)) throw unencodable('bytes', value)
    this.writeUvarint(value.length + 1)
    this.writeRaw(value)
  }

  writeCompactNullableBytes(value: Buffer | null): void {
    if (value === null) this.writeUvarint(0)
    else this.writeCompactBytes(value)
  }

  /** Bytes that may come in several pieces, as one field. */
  writeRecords(value: Buffer | readonly Buffer[]): void {
    this.writeInt32(byteLength(value))
    this.#pieces(value)
  }

  writeNullableRecords(value: Buffer | readonly Buffer[] | null): void {
    if (value === null) this.writeInt32(-1)
    else this.writeRecords(value)
  }

  writeCompactRecords(value: Buffer | readonly Buffer[]): void {
    this.writeUvarint(byteLength(value) + 1)
    this.#pieces(value)
  }

  writeCompactNullableRecords(value: Buffer | readonly Buffer[] | null): void {
    if (value === null) this.writeUvarint(0)
    else this.writeCompactRecords(value)
  }

  #pieces(value: Buffer | readonly Buffer[]): void {
    if (value instanceof Uint8Array) this.writeRaw(value)
    else for (const piece of value) this.writeRaw(piece)
  }

  writeUuid(value: string): void {
    if (typeof value !== 'string' || value.length !== 22) throw unencodable('uuid', value)
    const at = this.#claim(16)
    if (value === zeroUuid) this.#buffer.fill(0, at, at + 16)
    else if (!writeSeenUuid(value, this.#buffer, at)) throw unencodable('uuid', value)
  }

  /** Everything that `other` holds; it must not be used again. */
  append(other: ByteWriter): void {
    for (const buffer of other.finish().buffers) this.writeRaw(buffer)
  }

  /** What was written. The writer must not be used again. */
  finish(): Chunks {
    this.#flush()
    return { buffers: this.#done, length: this.#doneBytes }
  }

  /** As `finish`, where the first four bytes were left free for the size of what follows them. */
  finishFrame(): Chunks {
    this.#flush()
    this.#done[0]!.writeInt32BE(this.#doneBytes - 4, 0)
    return { buffers: this.#done, length: this.#doneBytes }
  }

  /** As `finish`, in one buffer; copies when large payloads were spliced in. */
  toBuffer(): Buffer {
    const { buffers, length } = this.finish()
    return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers, length)
  }
}

function byteLength(value: Buffer | readonly Buffer[]): number {
  if (value instanceof Uint8Array) return value.length
  if (!Array.isArray(value)) throw unencodable('records', value)
  let total = 0
  for (const piece of value) total += piece.length
  return total
}

function utf8Length(value: string): number {
  if (typeof value !== 'string') throw unencodable('string', value)
  const bytes = Buffer.byteLength(value, 'utf8')
  if (bytes > 0x7fff) throw new RangeError(`a string of ${bytes} bytes is longer than Kafka's protocol allows (32767)`)
  return bytes
}

function unencodable(type: string, value: unknown): RangeError {
  return new RangeError(`${String(value)} is not a value of type ${type}`)
}
