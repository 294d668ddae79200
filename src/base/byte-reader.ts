/**
 * Reads the primitive types of Kafka's wire format and trusts no input: every read is checked against the end of the buffer, every size
 * against the remaining bytes, and violations throw {@link MalformedInput}. Byte fields are returned as views, not copies.
 */
import { isUtf8 } from 'node:buffer'
import type { Int64 } from './int64.ts'
import { claimElements, type Paced, pauseDue, spend, unlimited } from './pace.ts'
import { seenText, seenUuid } from './seen-texts.ts'

/** The input is malformed. Its sender should be disconnected. */
export class MalformedInput extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MalformedInput'
  }
}

const two32 = 2 ** 32
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'
/** Each invalid byte becomes three. */
const longestReplaced = 10_000
/** Up to this length a loop over the bytes is faster than a native call that checks UTF-8. */
const shortString = 64
const mostTags = 1_000
const mostDropped = 1_000_000
/**
 * JavaScript's engine hashes longer texts by their length alone, so a Map with thousands of them, all of one length, compares each with all
 * others: three thousand names took the broker a minute.
 */
const longestHashed = 16_000
/** Of text, which take as long as to pass over a tagged field. */
const tagBytes = 32

export class ByteReader implements Paced {
  buffer: Buffer
  /** Of the next byte to be read. */
  offset: number
  /** Reading stops before this index. */
  end: number
  elementsLeft = unlimited
  elementsDone = 0
  textLeft = unlimited
  pauses = false
  /** Elements that were read, but not kept, by a decoder that pauses. */
  elementsDropped = 0
  /** So many texts may have more than {@link longestHashed} bytes: the business of whoever reads what may be meant to harm. */
  longTextsLeft = unlimited

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  /** Begins anew: who reads millions of short messages need not make a reader for each. */
  restart(buffer: Buffer, offset = 0, end = buffer.length): void {
    this.buffer = buffer
    this.offset = offset
    this.end = end
    this.elementsLeft = this.textLeft = this.longTextsLeft = unlimited
    this.elementsDone = this.elementsDropped = 0
    this.pauses = false
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

  readInt64(): Int64 {
    const at = this.#take(8)
    const { buffer } = this
    const high = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
    const low = (buffer[at + 4]! << 24) | (buffer[at + 5]! << 16) | (buffer[at + 6]! << 8) | buffer[at + 7]!
    const value = high * two32 + (low >>> 0)
    return Number.isSafeInteger(value) ? value : buffer.readBigInt64BE(at)
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

  /** A view of the next `bytes` bytes. */
  readSlice(bytes: number): Buffer {
    const at = this.#take(bytes)
    return this.buffer.subarray(at, at + bytes)
  }

  /**
   * Text of `bytes` bytes. Java replaces invalid UTF-8. Such a name could never be looked up again, so it is rejected here, unless it is
   * `lenient`: replaced as in Java, if it is short enough to be written as a string again.
   */
  readUtf8(bytes: number, lenient = false): string {
    const at = this.#take(bytes)
    const stop = at + bytes
    const { buffer } = this
    if (bytes <= shortString) {
      let index = at
      let hash = bytes
      for (let byte = 0; index < stop && (byte = buffer[index]!) < 0x80; index++) hash = (Math.imul(hash, 31) + byte) | 0
      if (index === stop) return bytes === 0 ? '' : seenText(buffer, at, stop, hash)
    }
    spend(this, bytes)
    if (bytes > longestHashed && --this.longTextsLeft < 0) {
      throw new MalformedInput(`too many strings of more than ${longestHashed} bytes`)
    }
    const replaces = lenient && bytes <= longestReplaced
    if (!replaces && !isUtf8(buffer.subarray(at, stop))) throw new MalformedInput('a string is not valid UTF-8')
    return buffer.toString('utf8', at, stop)
  }

  readString(): string {
    const length = this.readInt16()
    if (length < 0) throw notNull('string', length)
    return this.readUtf8(length)
  }

  readNullableString(lenient = false): string | null {
    const length = this.readInt16()
    if (length >= 0) return this.readUtf8(length, lenient)
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
   * is rejected before memory is allocated for it.
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

  /** Throws TooManyElements when `count` more would be too many. */
  claimElements(count: number): void {
    claimElements(this, count)
  }

  /** After each element, where there are pauses: whether it is time for one. */
  pauseDue(): boolean {
    return pauseDue(this)
  }

  /** How many tagged fields follow. Definitions have a few; passing over millions would take long. */
  readTagCount(): number {
    const count = this.readUvarint()
    if (count > mostTags) throw new MalformedInput(`${count} tagged fields in one structure`)
    if (count > 0) spend(this, count * tagBytes)
    return count
  }

  /** The next tag of a list of tagged fields; each must be larger than the one before. */
  readTag(last: number): number {
    const tag = this.readUvarint()
    if (tag <= last) throw new MalformedInput(`tag ${tag} follows tag ${last}`)
    return tag
  }

  /** Throws if `count` more elements are more than can reasonably be skipped. */
  admitElements(count: number): void {
    if (count > this.elementsLeft + mostDropped - this.elementsDropped) {
      throw new MalformedInput(`${count} elements, after ${this.elementsDone} others`)
    }
  }

  /** Counts one element; false: it is to be dropped. */
  keepElement(): boolean {
    if (this.elementsLeft === 0) {
      this.elementsDropped++
      return false
    }
    this.elementsLeft--
    return true
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
    for (let count = this.readTagCount(); count > 0; count--) {
      last = this.readTag(last)
      this.offset = this.readTagEnd()
    }
  }

  /** 16 bytes as Kafka prints them: base64url without padding. */
  readUuid(): string {
    const at = this.#take(16)
    return seenUuid(this.buffer, at)
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
