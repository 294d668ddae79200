/** Bytes in Avro's binary encoding. */
export class AvroOutput {
  #bytes = Buffer.allocUnsafe(4_096)
  length = 0

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.length++] = value
  }

  int(value: number): void {
    let left = ((value << 1) ^ (value >> 31)) >>> 0
    this.#reserve(5)
    while (left > 0x7f) {
      this.#bytes[this.length++] = (left & 0x7f) | 0x80
      left >>>= 7
    }
    this.#bytes[this.length++] = left
  }

  long(value: bigint): void {
    if (value >= -0x40000000n && value < 0x40000000n) {
      this.int(Number(value))
      return
    }
    let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    this.#reserve(10)
    while (left > 0x7fn) {
      this.#bytes[this.length++] = Number(left & 0x7fn) | 0x80
      left >>= 7n
    }
    this.#bytes[this.length++] = Number(left)
  }

  float(value: number): void {
    this.#reserve(4)
    this.length = this.#bytes.writeFloatLE(value, this.length)
  }

  double(value: number): void {
    this.#reserve(8)
    this.length = this.#bytes.writeDoubleLE(value, this.length)
  }

  text(value: string): void {
    const size = Buffer.byteLength(value)
    this.int(size)
    this.#reserve(size)
    this.length += this.#bytes.write(value, this.length)
  }

  sized(value: Uint8Array): void {
    this.int(value.length)
    this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.length)
    this.length += value.length
  }

  /** Forgets what was written behind this. */
  cut(length: number): void {
    this.length = length
  }

  take(): Buffer {
    const all = Buffer.from(this.#bytes.subarray(0, this.length))
    this.length = 0
    return all
  }

  #reserve(size: number): void {
    if (this.length + size <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + size))
    larger.set(this.#bytes.subarray(0, this.length))
    this.#bytes = larger
  }
}
