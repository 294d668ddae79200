/**
 * Big-endian cursors over bytes, in the primitive types of Kafka's wire format.
 *
 * `ByteReader` believes nothing: every read is checked against the end of its buffer, every size against what remains, and anything
 * off throws {@link MalformedInput}. What it returns as bytes are views, not copies. `ByteWriter` grows one buffer for what is small
 * and takes large payloads by reference, so that record batches travel from the log to the socket untouched.
 *
 * int64 is a `number`: exact within 53 bits, rounded beyond when read, refused when written (but 2⁶³, which is Long.MAX_VALUE).
 */
import { isUtf8 } from 'node:buffer'

/** The input is not what it claims to be. Whoever sent it should be disconnected. */
export class MalformedInput extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MalformedInput'
  }
}

/** Bytes in several pieces, in order, ready for `writev`. */
export interface Chunks {
  buffers: Buffer[]
  length: number
}

const two32 = 2 ** 32
const two63 = 2 ** 63
const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'
/** Up to this length a loop over the bytes is faster than a native call that checks UTF-8. */
const shortString = 64

export class ByteReader {
  readonly buffer: Buffer
  /** Of the next byte to be read. */
  offset: number
  /** Reading stops before this index. */
  readonly end: number

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  get remaining(): number {
    return this.end - this.offset
  }

  /** Claims `bytes` bytes and returns where they start. */
  #take(bytes: number): number {
    const start = this.offset
    if (bytes > this.end - start || bytes < 0) throw underflow(bytes, this.end - start)
    this.offset = start + bytes
    return start
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  readBool(): boolean {
    return this.buffer[this.#take(1)] !== 0
  }

  readInt8(): number {
    return (this.buffer[this.#take(1)]! << 24) >> 24
  }

  readInt16(): number {
    return (this.readUint16() << 16) >> 16
  }

  readUint16(): number {
    const at = this.#take(2)
    return (this.buffer[at]! << 8) | this.buffer[at + 1]!
  }

  readInt32(): number {
    const at = this.#take(4)
    const { buffer } = this
    return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
  }

  readUint32(): number {
    return this.readInt32() >>> 0
  }

  readInt64(): number {
    const high = this.readInt32()
    return high * two32 + (this.readInt32() >>> 0)
  }

  readFloat64(): number {
    return this.buffer.readDoubleBE(this.#take(8))
  }

  /** Unsigned LEB128 of at most 32 bits. */
  readUvarint(): number {
    const first = this.buffer[this.#take(1)]!
    return first < 0x80 ? first : this.#longUvarint(first & 0x7f)
  }

  #longUvarint(value: number): number {
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.buffer[this.#take(1)]!
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new MalformedInput('a varint is longer than 32 bits')
  }

  /** Zigzag, at most 32 bits. */
  readVarint(): number {
    const value = this.readUvarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** Zigzag, at most 64 bits. Three words of 28 bits keep the arithmetic exact as far as a number can be. */
  readVarlong(): number {
    let low = 0
    let middle = 0
    let high = 0
    for (let index = 0; index < 10; index++) {
      const byte = this.buffer[this.#take(1)]!
      if (index < 4) low |= (byte & 0x7f) << (7 * index)
      else if (index < 8) middle |= (byte & 0x7f) << (7 * (index - 4))
      else high |= (byte & 0x7f) << (7 * (index - 8))
      if (index === 9 && byte > 1) break
      if (byte < 0x80) {
        const magnitude = (low >>> 1) + middle * 2 ** 27 + high * 2 ** 55
        return low & 1 ? -magnitude - 1 : magnitude
      }
    }
    throw new MalformedInput('a varlong is longer than 64 bits')
  }

  /** A view of the next `bytes` bytes. */
  readSlice(bytes: number): Buffer {
    const at = this.#take(bytes)
    return this.buffer.subarray(at, at + bytes)
  }

  /** Text of `bytes` bytes. Java would replace what is not UTF-8; such a name could never be looked up again, so it is refused here. */
  readUtf8(bytes: number): string {
    const at = this.#take(bytes)
    const stop = at + bytes
    const { buffer } = this
    if (bytes <= shortString) {
      let index = at
      while (index < stop && buffer[index]! < 0x80) index++
      if (index === stop) return bytes === 0 ? '' : buffer.toString('latin1', at, stop)
    }
    if (!isUtf8(buffer.subarray(at, stop))) throw new MalformedInput('a string is not valid UTF-8')
    return buffer.toString('utf8', at, stop)
  }

  readString(): string {
    const length = this.readInt16()
    if (length < 0) throw notNull('string', length)
    return this.readUtf8(length)
  }

  readNullableString(): string | null {
    const length = this.readInt16()
    if (length >= 0) return this.readUtf8(length)
    if (length !== -1) throw badLength('string', length)
    return null
  }

  readCompactString(): string {
    const length = this.readUvarint() - 1
    if (length < 0) throw notNull('string', length)
    if (length > 0x7fff) throw badLength('string', length)
    return this.readUtf8(length)
  }

  readCompactNullableString(): string | null {
    const length = this.readUvarint() - 1
    if (length > 0x7fff) throw badLength('string', length)
    return length < 0 ? null : this.readUtf8(length)
  }

  readBytes(): Buffer {
    const length = this.readInt32()
    if (length < 0) throw notNull('bytes', length)
    return this.readSlice(length)
  }

  readNullableBytes(): Buffer | null {
    const length = this.readInt32()
    if (length >= 0) return this.readSlice(length)
    if (length !== -1) throw badLength('bytes', length)
    return null
  }

  readCompactBytes(): Buffer {
    const length = this.readUvarint() - 1
    if (length < 0) throw notNull('bytes', length)
    return this.readSlice(length)
  }

  readCompactNullableBytes(): Buffer | null {
    const length = this.readUvarint() - 1
    return length < 0 ? null : this.readSlice(length)
  }

  /**
   * Number of elements that follow, each of at least `elementBytes` bytes; −1 for null. A count that cannot fit into what remains
   * is refused before anybody allocates by it.
   */
  readCount(elementBytes: number): number {
    return this.#checkCount(this.readInt32(), elementBytes)
  }

  readCompactCount(elementBytes: number): number {
    return this.#checkCount(this.readUvarint() - 1, elementBytes)
  }

  #checkCount(count: number, elementBytes: number): number {
    if (count < -1) throw badLength('collection', count)
    if (count * elementBytes > this.end - this.offset) throw underflow(count * elementBytes, this.end - this.offset)
    return count
  }

  /** The next tag of a list of tagged fields; each must be larger than the one before. */
  readTag(last: number): number {
    const tag = this.readUvarint()
    if (tag <= last) throw new MalformedInput(`tag ${tag} follows tag ${last}`)
    return tag
  }

  /** The size of a tagged field; returns where its bytes end. */
  readTagEnd(): number {
    const bytes = this.readUvarint()
    if (bytes > this.end - this.offset) throw underflow(bytes, this.end - this.offset)
    return this.offset + bytes
  }

  /** Passes over a list of tagged fields of which none is known. */
  skipTags(): void {
    let last = -1
    for (let count = this.readUvarint(); count > 0; count--) {
      last = this.readTag(last)
      this.offset = this.readTagEnd()
    }
  }

  /** 16 bytes as Kafka prints them: base64url without padding. */
  readUuid(): string {
    const at = this.#take(16)
    const { buffer } = this
    for (let index = at; index < at + 16; index++) if (buffer[index] !== 0) return buffer.toString('base64url', at, at + 16)
    return zeroUuid
  }
}

function underflow(wanted: number, remaining: number): MalformedInput {
  return new MalformedInput(`${wanted} bytes expected, ${remaining} remain`)
}

function badLength(what: string, length: number): MalformedInput {
  return new MalformedInput(`a ${what} has the invalid length ${length}`)
}

function notNull(what: string, length: number): MalformedInput {
  return length === -1 ? new MalformedInput(`a ${what} that may not be null is null`) : badLength(what, length)
}

/** Payloads from this size on are taken by reference; copying less is cheaper than one more entry in a writev. */
const spliceBytes = 4096

export class ByteWriter {
  #buffer: Buffer
  /** Where the part of `#buffer` begins that is not yet in `#done`. */
  #start = 0
  #offset = 0
  #done: Buffer[] = []
  #doneBytes = 0

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
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, 2 * (pending + bytes)))
    this.#buffer.copy(grown, 0, this.#start, at)
    this.#buffer = grown
    this.#start = 0
    this.#offset = pending + bytes
    return pending
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

  writeInt64(value: number): void {
    if (Number.isSafeInteger(value)) {
      const low = value >>> 0
      this.#put32((value - low) / two32)
      this.#put32(low)
    } else if (value === two63) {
      this.#put32(0x7fffffff)
      this.#put32(-1)
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

  writeVarlong(value: number): void {
    if (!Number.isSafeInteger(value)) throw unencodable('varlong', value)
    let low = (value < 0 ? -(value + 1) : value) % 2 ** 27
    const high = Math.floor((value < 0 ? -(value + 1) : value) / 2 ** 27)
    low = low * 2 + (value < 0 ? 1 : 0)
    for (let group = 0; group < 4; group++) {
      const at = this.#claim(1)
      if (high === 0 && low < 0x80) {
        this.#buffer[at] = low
        return
      }
      this.#buffer[at] = low | 0x80
      low >>>= 7
    }
    this.writeUvarint(high)
  }

  /** Raw bytes without a length; large ones by reference. */
  writeRaw(bytes: Buffer): void {
    if (bytes.length >= spliceBytes) {
      this.#flush()
      this.#done.push(bytes)
      this.#doneBytes += bytes.length
    } else {
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
    else if (this.#buffer.write(value, at, 16, 'base64url') !== 16) throw unencodable('uuid', value)
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
