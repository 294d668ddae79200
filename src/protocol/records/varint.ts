/**
 * Zigzag varints of the record format, over a cursor whose every read is bounded. `walk.ts` repeats the one- and
 * two-byte cases inline, because it is hot, and comes here for the rest.
 */
import { type Int64, toInt64 } from '../../base.ts'
import { invalid } from './invalid.ts'

/** A bounded reading position; throws INVALID_RECORD instead of passing `end`. */
export class Cursor {
  readonly buffer: Buffer
  position: number
  readonly end: number
  /** A number had too many bits. Java drops them; some readers do not. */
  excess = false

  constructor(buffer: Buffer, position: number, end: number) {
    this.buffer = buffer
    this.position = position
    this.end = end
  }

  /** int32, at most five bytes. */
  varint(): number {
    let raw = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      raw |= (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if (shift === 28 && byte > 0x0f) this.excess = true
      return (raw >>> 1) ^ -(raw & 1)
    }
    throw invalid('Found invalid record structure: a varint of more than 5 bytes')
  }

  /** int64, at most ten bytes. */
  varlong(): Int64 {
    let low = 0
    let shift = 0
    for (; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    let high = 0
    let scale = 1
    for (; shift < 70; shift += 7) {
      const byte = this.#byte()
      high += (byte & 0x7f) * scale
      scale *= 128
      if (byte >= 0x80) continue
      if (shift === 63 && byte > 1) this.excess = true
      return zigzag(low, high)
    }
    throw invalid('Found invalid record structure: a varlong of more than 10 bytes')
  }

  /** Moves over `length` bytes and returns where they begin. */
  skip(length: number): number {
    const start = this.position
    if (length > this.end - start) throw invalid(`Found invalid record structure: ${length} bytes declared, ${this.end - start} left`)
    this.position = start + length
    return start
  }

  #byte(): number {
    if (this.position >= this.end) throw invalid('Found invalid record structure: a number is cut off')
    return this.buffer[this.position++]!
  }
}

/** `high` counts 2^28 each. */
function zigzag(low: number, high: number): Int64 {
  // `high` has up to 42 bits, of which Java drops those beyond 64 in all.
  if (high >= 2 ** 25) {
    const raw = BigInt.asUintN(64, (BigInt(high) << 28n) | BigInt(low >>> 0))
    return toInt64((raw >> 1n) ^ -(raw & 1n))
  }
  const magnitude = high * 2 ** 27 + (low >>> 1)
  return (low & 1) === 0 ? magnitude : -magnitude - 1
}

export function sizeOfVarint(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0
  return raw < 0x80 ? 1 : raw < 0x4000 ? 2 : raw < 0x200000 ? 3 : raw < 0x10000000 ? 4 : 5
}

export function sizeOfVarlong(value: Int64): number {
  if (typeof value === 'bigint') return value < -(2n ** 62n) || value >= 2n ** 62n ? 10 : value < -(2n ** 55n) || value >= 2n ** 55n ? 9 : 8
  if ((value | 0) === value) return sizeOfVarint(value)
  let rest = value < 0 ? -(value + 1) : value
  let size = 1
  // Zigzag adds one bit to the first byte's seven.
  for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) size++
  return size
}

/** Returns the position after it. */
export function writeVarint(buffer: Buffer, position: number, value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0
  while (raw >= 0x80) {
    buffer[position++] = raw | 0x80
    raw >>>= 7
  }
  buffer[position++] = raw
  return position
}

/** Returns the position after it. */
export function writeVarlong(buffer: Buffer, position: number, value: Int64): number {
  if (typeof value === 'bigint') {
    let raw = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; raw >= 0x80n; raw >>= 7n) buffer[position++] = Number(raw & 0x7fn) | 0x80
    buffer[position++] = Number(raw)
    return position
  }
  if ((value | 0) === value) return writeVarint(buffer, position, value)
  const negative = value < 0
  let rest = negative ? -(value + 1) : value
  let byte = (rest % 64) * 2 + (negative ? 1 : 0)
  for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) {
    buffer[position++] = byte | 0x80
    byte = rest % 128
  }
  buffer[position++] = byte
  return position
}
