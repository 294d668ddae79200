/** A buffer that grows and can be cut back: encoders that try the branches of a union undo what did not fit. */

const smallest = 256

export class Output {
  #buffer = Buffer.allocUnsafe(smallest)
  length = 0

  #room(bytes: number): number {
    const at = this.length
    if (at + bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    this.length = at + bytes
    return at
  }

  byte(value: number): void {
    const at = this.#room(1)
    this.#buffer[at] = value
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
  }

  int32(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeInt32BE(value, at)
  }

  /** Little-endian. */
  fixed32(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeUInt32LE(value >>> 0, at)
  }

  /** Little-endian; the lowest 64 bits. */
  fixed64(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), at)
  }

  /** Little-endian. */
  float(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeFloatLE(value, at)
  }

  /** Little-endian. */
  double(value: number): void {
    const at = this.#room(8)
    this.#buffer.writeDoubleLE(value, at)
  }

  /** The lowest 64 bits. */
  varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value)
    while (rest > 0x7fn) {
      this.byte(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.byte(Number(rest))
  }

  zigzag(value: bigint): void {
    this.varint(value >= 0n ? value << 1n : (-value << 1n) - 1n)
  }

  toBuffer(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }
}
