/**
 * Values of records, as Kafka Connect's data model has them. Which type an integer or text has, the schema says:
 *
 * | schema | value |
 * |---|---|
 * | boolean | boolean |
 * | int8, int16, int32, float32, float64 | number |
 * | int64 | bigint |
 * | string | string |
 * | bytes | Buffer |
 * | array | array |
 * | map | Map; a Struct where every key is a string and there is no schema |
 * | struct | Struct |
 * | `org.apache.kafka.connect.data.Decimal` | Decimal |
 * | `…Date`: days, `…Time`: ms, `…Timestamp`: ms, since 1970 | number, number, bigint: as the type below has it |
 *
 * Without a schema, whole numbers are numbers if they are safe integers and bigints beyond, and objects are Structs.
 */
export type ConnectValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | Decimal
  | ConnectValue[]
  | Map<ConnectValue, ConnectValue>
  | Struct

/** Inherits nothing, so that a field may be called `__proto__`; see {@link struct}. */
export interface Struct {
  [field: string]: ConnectValue
}

/** `unscaled` · 10^-`scale`, exactly. */
export class Decimal {
  readonly unscaled: bigint
  readonly scale: number

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled
    this.scale = scale
  }

  /** In plain digits, never with an exponent. */
  toString(): string {
    const digits = (this.unscaled < 0n ? -this.unscaled : this.unscaled).toString()
    const sign = this.unscaled < 0n ? '-' : ''
    if (this.scale <= 0) return sign + digits + (this.unscaled === 0n ? '' : '0'.repeat(-this.scale))
    const padded = digits.padStart(this.scale + 1, '0')
    return `${sign}${padded.slice(0, -this.scale)}.${padded.slice(-this.scale)}`
  }
}

/** Objects without a prototype are dictionaries for V8; those of a class whose prototype has none are as fast as others. */
const Fields = function Fields() {} as unknown as new () => Struct
Object.defineProperty(Fields, 'prototype', { value: Object.freeze(Object.create(null)) })

/** A Struct with these fields. */
export function struct(fields: Iterable<readonly [name: string, value: ConnectValue]> = []): Struct {
  const made = new Fields()
  for (const [name, value] of fields) made[name] = value
  return made
}

export function isStruct(value: ConnectValue | undefined): value is Struct {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Decimal) &&
    !Buffer.isBuffer(value)
  )
}
