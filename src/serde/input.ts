/** Reads bytes that nobody has checked: every read is within the buffer, or throws SerdeError. */
import { isUtf8 } from 'node:buffer'
import { exact } from './budget.ts'
import { SerdeError } from './types.ts'

export class Input {
  readonly buffer: Buffer
  offset: number
  end: number

  constructor(buffer: Buffer, offset = 0) {
    this.buffer = buffer
    this.offset = offset
    this.end = buffer.length
  }

  get remaining(): number {
    return this.end - this.offset
  }

  /** Throws SerdeError if anything remains. */
  finish(): void {
    if (this.remaining > 0) throw new SerdeError(`${this.remaining} bytes follow the value`)
  }

  take(bytes: number): number {
    const at = this.offset
    if (bytes < 0 || bytes > this.end - at) throw new SerdeError(`${bytes} bytes expected at byte ${at}, ${this.end - at} remain`)
    this.offset = at + bytes
    return at
  }

  byte(): number {
    return this.buffer[this.take(1)]!
  }

  slice(bytes: number): Buffer {
    const at = this.take(bytes)
    return this.buffer.subarray(at, at + bytes)
  }

  text(bytes: number): string {
    const at = this.take(bytes)
    const slice = this.buffer.subarray(at, at + bytes)
    if (!isUtf8(slice)) throw new SerdeError(`the text at byte ${at} is not valid UTF-8`)
    return slice.toString('utf8')
  }

  /** Unsigned, at most 64 bits. */
  varint(): number | bigint {
    const start = this.offset
    let value = 0
    // Seven groups fit a double.
    for (let factor = 1; factor <= 2 ** 42; factor *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    let large = BigInt(value)
    for (let shift = 49n; shift <= 63n; shift += 7n) {
      const byte = this.byte()
      large |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return exact(BigInt.asUintN(64, large))
    }
    throw new SerdeError(`the integer at byte ${start} is longer than 64 bits`)
  }

  /** As Avro and Kafka write signed integers. */
  zigzag(): number | bigint {
    const raw = this.varint()
    if (typeof raw === 'number' && raw <= 0xffffffff) return (raw >>> 1) ^ -(raw & 1)
    const large = BigInt(raw)
    return exact((large >> 1n) ^ -(large & 1n))
  }

  /** A length that must fit into what remains. */
  size(value: number | bigint): number {
    if (value < 0 || value > this.end - this.offset) {
      throw new SerdeError(`a length of ${value} at byte ${this.offset}, but ${this.end - this.offset} bytes remain`)
    }
    return Number(value)
  }
}
