/**
 * The Tunnel's stream of records: Protobuf fields by the number of the column, a CRC-32C of each record's values, and at the end the number of records and
 * a CRC-32C of those checksums (odps/tunnel/io/writer.py of the official SDK).
 *
 * A value's checksum is not of its bytes in the stream: integers and times are little-endian there.
 */
import { crc32c } from '../../base.ts'

const endOfRecord = 33_553_408
const countField = 33_554_430
const checksumField = 33_554_431

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

/** One value in the form that the type of its column has. */
export type Cell =
  | { readonly form: 'integer'; readonly value: bigint }
  | { readonly form: 'boolean'; readonly value: boolean }
  | { readonly form: 'double' | 'float'; readonly value: number }
  | { readonly form: 'bytes'; readonly value: Buffer }
  /** Seconds since 1970, and the rest in ns. */
  | { readonly form: 'timestamp'; readonly seconds: bigint; readonly nanos: number }
  | { readonly form: 'array'; readonly items: readonly (Cell | null)[] }
  | { readonly form: 'map'; readonly keys: readonly Cell[]; readonly values: readonly (Cell | null)[] }
  | { readonly form: 'struct'; readonly fields: readonly (Cell | null)[] }

/** Arrays, maps, structs and timestamps have the tag of bytes, but no length. */
const wireTypes: Readonly<Record<Cell['form'], number>> = {
  integer: varint,
  boolean: varint,
  double: fixed64,
  float: fixed32,
  bytes: lengthDelimited,
  timestamp: lengthDelimited,
  array: lengthDelimited,
  map: lengthDelimited,
  struct: lengthDelimited,
}

export class RecordStream {
  #bytes: Buffer = Buffer.allocUnsafe(4 * 1024)
  #size = 0
  /** What the checksum of this record is of. */
  #summed: Buffer = Buffer.allocUnsafe(1024)
  #summedSize = 0
  #checksums = 0
  #count = 0

  get size(): number {
    return this.#size
  }

  get count(): number {
    return this.#count
  }

  /** A cell for each column; null: none. */
  write(cells: readonly (Cell | null)[]): void {
    this.#summedSize = 0
    for (let index = 0; index < cells.length; index++) {
      const cell = cells[index]
      if (!cell) continue
      this.#sumUp(4, at => this.#summed.writeInt32LE(index + 1, at))
      this.#tag(index + 1, wireTypes[cell.form])
      this.#writeValue(cell)
    }
    const checksum = crc32c(this.#summed.subarray(0, this.#summedSize))
    this.#tag(endOfRecord, varint)
    this.#varint(checksum)
    const four = Buffer.allocUnsafe(4)
    four.writeUInt32LE(checksum)
    this.#checksums = crc32c(four, this.#checksums)
    this.#count++
  }

  /** The whole stream up to now; more may be written, and it is taken again. */
  snapshot(): Buffer {
    const size = this.#size
    this.#tag(countField, varint)
    this.#zigzag(BigInt(this.#count))
    this.#tag(checksumField, varint)
    this.#varint(this.#checksums)
    const whole = this.#bytes.subarray(0, this.#size)
    this.#size = size
    return whole
  }

  #writeValue(cell: Cell): void {
    switch (cell.form) {
      case 'integer':
        this.#long(cell.value)
        break
      case 'boolean':
        this.#sumUp(1, at => this.#summed.writeUInt8(cell.value ? 1 : 0, at))
        this.#varint(cell.value ? 1 : 0)
        break
      case 'double':
        this.#sumUp(8, at => this.#summed.writeDoubleLE(cell.value, at))
        this.#makeRoom(8)
        this.#size = this.#bytes.writeDoubleLE(cell.value, this.#size)
        break
      case 'float':
        this.#sumUp(4, at => this.#summed.writeFloatLE(cell.value, at))
        this.#makeRoom(4)
        this.#size = this.#bytes.writeFloatLE(cell.value, this.#size)
        break
      case 'bytes':
        this.#sumUp(cell.value.length, at => cell.value.copy(this.#summed, at))
        this.#varint(cell.value.length)
        this.#makeRoom(cell.value.length)
        this.#size += cell.value.copy(this.#bytes, this.#size)
        break
      case 'timestamp':
        this.#long(cell.seconds)
        this.#sumUp(4, at => this.#summed.writeInt32LE(cell.nanos, at))
        this.#zigzag(BigInt(cell.nanos))
        break
      case 'array':
        this.#writeAll(cell.items)
        break
      case 'map':
        this.#writeAll(cell.keys)
        this.#writeAll(cell.values)
        break
      case 'struct':
        this.#writeParts(cell.fields)
    }
  }

  #writeAll(items: readonly (Cell | null)[]): void {
    this.#varint(items.length)
    this.#writeParts(items)
  }

  /** How many there are, and which of them are null, is not in the checksum. */
  #writeParts(parts: readonly (Cell | null)[]): void {
    for (const part of parts) {
      this.#varint(part === null ? 1 : 0)
      if (part !== null) this.#writeValue(part)
    }
  }

  #long(value: bigint): void {
    this.#sumUp(8, at => this.#summed.writeBigInt64LE(value, at))
    this.#zigzag(value)
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type)
  }

  #varint(value: number): void {
    this.#makeRoom(5)
    let at = this.#size
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[at++] = (rest % 0x80) | 0x80
    this.#bytes[at++] = rest
    this.#size = at
  }

  #zigzag(value: bigint): void {
    this.#makeRoom(10)
    let at = this.#size
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes[at++] = Number(rest & 0x7fn) | 0x80
    this.#bytes[at++] = Number(rest)
    this.#size = at
  }

  #makeRoom(bytes: number): void {
    if (this.#size + bytes > this.#bytes.length) this.#bytes = grown(this.#bytes, this.#size, this.#size + bytes)
  }

  #sumUp(size: number, write: (at: number) => unknown): void {
    const end = this.#summedSize + size
    if (end > this.#summed.length) this.#summed = grown(this.#summed, this.#summedSize, end)
    write(this.#summedSize)
    this.#summedSize = end
  }
}

function grown(bytes: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, needed))
  bytes.copy(larger, 0, 0, used)
  return larger
}
