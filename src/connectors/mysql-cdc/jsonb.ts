/**
 * MySQL's binary form of JSON, as the binlog has it, as the text that the server shows (sql-common/json_binary.h of MySQL). `@vlasky/zongji` makes text of decimals
 * in it, and loses a key `__proto__`.
 */

/** Of values. Lengths and offsets of what is small have two bytes, of what is large four. */
const kinds = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  string: 12,
  opaque: 15,
} as const

/** Types of columns, of opaque values. */
const columns = { timestamp: 7, date: 10, time: 11, datetime: 12, decimal: 246 } as const
const literals: readonly string[] = ['null', 'true', 'false']
/** MySQL allows 100. */
const mostDepth = 128

/** Throws RangeError if it is none. Nothing at all is null, as MySQL reads it. */
export function jsonbText(bytes: Buffer): string {
  if (bytes.length === 0) return 'null'
  return new Reader(bytes).value(bytes.readUInt8(0), 1, 0)
}

class Reader {
  readonly #bytes: Buffer
  /** Values that were read: each takes some bytes, unless places are shared. */
  #values = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  value(kind: number, at: number, depth: number): string {
    const bytes = this.#bytes
    if (++this.#values > bytes.length || depth > mostDepth) throw new RangeError('the binary form of JSON refers to itself')
    switch (kind) {
      case kinds.smallObject:
      case kinds.largeObject:
        return this.#list(at, kind === kinds.smallObject ? 2 : 4, depth, true)
      case kinds.smallArray:
      case kinds.largeArray:
        return this.#list(at, kind === kinds.smallArray ? 2 : 4, depth, false)
      case kinds.literal:
        return literals[bytes.readUInt8(at)] ?? unknown(`literal ${bytes.readUInt8(at)}`)
      case kinds.int16:
        return String(bytes.readInt16LE(at))
      case kinds.uint16:
        return String(bytes.readUInt16LE(at))
      case kinds.int32:
        return String(bytes.readInt32LE(at))
      case kinds.uint32:
        return String(bytes.readUInt32LE(at))
      case kinds.int64:
        return String(bytes.readBigInt64LE(at))
      case kinds.uint64:
        return String(bytes.readBigUInt64LE(at))
      case kinds.double:
        return doubleText(bytes.readDoubleLE(at))
      case kinds.string:
        return JSON.stringify(this.#sized(at).toString())
      case kinds.opaque:
        return opaqueText(bytes.readUInt8(at), this.#sized(at + 1))
      default:
        return unknown(`type ${kind}`)
    }
  }

  /** An object or an array: how many, how long, entries of keys, entries of values; offsets count from its beginning. */
  #list(begin: number, size: 2 | 4, depth: number, hasKeys: boolean): string {
    const bytes = this.#bytes
    const count = bytes.readUIntLE(begin, size)
    const [keyEntry, valueEntry] = [hasKeys ? size + 2 : 0, size + 1]
    const values = begin + 2 * size + count * keyEntry
    if (values + count * valueEntry > bytes.length) throw new RangeError('the binary form of JSON has no end')
    const parts: string[] = []
    for (let index = 0; index < count; index++) {
      const entry = values + index * valueEntry
      const kind = bytes.readUInt8(entry)
      const text = this.value(kind, isInlined(kind, size) ? entry + 1 : begin + bytes.readUIntLE(entry + 1, size), depth + 1)
      parts.push(hasKeys ? `${this.#key(begin, begin + 2 * size + index * keyEntry, size)}: ${text}` : text)
    }
    return hasKeys ? `{${parts.join(', ')}}` : `[${parts.join(', ')}]`
  }

  #key(begin: number, entry: number, size: 2 | 4): string {
    const at = begin + this.#bytes.readUIntLE(entry, size)
    return JSON.stringify(this.#part(at, this.#bytes.readUInt16LE(entry + size)).toString())
  }

  /** Its length is before it, seven bits in each byte, the lowest first. */
  #sized(at: number): Buffer {
    let length = 0
    for (let index = 0; index < 5; index++) {
      const byte = this.#bytes.readUInt8(at + index)
      length += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) return this.#part(at + index + 1, length)
    }
    throw new RangeError('the binary form of JSON has a length that is too long')
  }

  #part(at: number, length: number): Buffer {
    if (at + length > this.#bytes.length) throw new RangeError('the binary form of JSON has no end')
    return this.#bytes.subarray(at, at + length)
  }
}

/** In the entry itself. */
function isInlined(kind: number, size: 2 | 4): boolean {
  if (kind === kinds.literal || kind === kinds.int16 || kind === kinds.uint16) return true
  return size === 4 && (kind === kinds.int32 || kind === kinds.uint32)
}

function unknown(what: string): never {
  throw new RangeError(`the binary form of JSON has an unknown ${what}`)
}

/** It can be told from a whole number. */
function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const text = String(value).replace('e+', 'e')
  return /[.e]/.test(text) ? text : `${text}.0`
}

function opaqueText(type: number, bytes: Buffer): string {
  switch (type) {
    case columns.decimal:
      return decimalText(bytes)
    case columns.date:
      return `"${dateText(bytes.readBigInt64LE(0))}"`
    case columns.datetime:
    case columns.timestamp:
      return `"${dateText(bytes.readBigInt64LE(0))} ${timeText(bytes.readBigInt64LE(0) & 0x1_ffff_ffff_ffn)}"`
    case columns.time: {
      const packed = bytes.readBigInt64LE(0)
      return `"${packed < 0n ? '-' : ''}${timeText(packed < 0n ? -packed : packed)}"`
    }
    default:
      return `"base64:type${type}:${bytes.toString('base64')}"`
  }
}

const two = (value: bigint) => String(value).padStart(2, '0')

/** Above the 41 bits of the time: 5 bits for the day, and the months since the year 0, which has 13 of them, as all others. */
function dateText(packed: bigint): string {
  const [months, day] = [packed >> 46n, (packed >> 41n) & 31n]
  return `${String(months / 13n).padStart(4, '0')}-${two(months % 13n)}-${two(day)}`
}

/** 24 bits for the microseconds, 6 each for seconds and minutes, and the hours. */
function timeText(packed: bigint): string {
  const micros = String(packed & 0xff_ffffn).padStart(6, '0')
  return `${two(packed >> 36n)}:${two((packed >> 30n) & 63n)}:${two((packed >> 24n) & 63n)}.${micros}`
}

/** Of so many decimal digits. */
const bytesOfDigits: readonly number[] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

/** Precision, scale, and the digits in groups of nine; the first bit is that of the sign, inverted, and negative numbers are inverted wholly. */
function decimalText(bytes: Buffer): string {
  const [precision, scale] = [bytes.readUInt8(0), bytes.readUInt8(1)]
  if (scale > precision) unknown(`decimal with ${scale} of ${precision} digits behind the point`)
  const digits = Buffer.from(bytes.subarray(2))
  const isNegative = digits.readUInt8(0) < 0x80
  digits[0]! ^= 0x80
  if (isNegative) for (let index = 0; index < digits.length; index++) digits[index]! ^= 0xff
  let at = 0
  const group = (count: number): string => {
    const size = bytesOfDigits[count]!
    const value = size === 0 ? 0 : digits.readUIntBE(at, size)
    at += size
    return count === 0 ? '' : String(value).padStart(count, '0')
  }
  const whole = precision - scale
  let left = group(whole % 9)
  for (let groups = Math.floor(whole / 9); groups > 0; groups--) left += group(9)
  let right = ''
  for (let groups = Math.floor(scale / 9); groups > 0; groups--) right += group(9)
  right += group(scale % 9)
  const text = left.replace(/^0+(?=\d)/, '') || '0'
  return `${isNegative ? '-' : ''}${text}${right === '' ? '' : `.${right}`}`
}
