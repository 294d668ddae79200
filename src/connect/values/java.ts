/** Java where it shows: names of classes in Kafka's error texts, numbers as text, narrowing of numbers. */
import { type ConnectValue, Decimal, isStruct, logical, type Schema } from '../../connector.ts'

const classes: Readonly<Partial<Record<string, string>>> = {
  int8: 'java.lang.Byte',
  int16: 'java.lang.Short',
  int32: 'java.lang.Integer',
  int64: 'java.lang.Long',
  float32: 'java.lang.Float',
  float64: 'java.lang.Double',
}

/** Of integers. */
export const bitsOf = { int8: 8, int16: 16, int32: 32, int64: 64 } as const

/** The class that a value has in Java, as users know it from Kafka's errors. */
export function javaClass(value: ConnectValue, schema: Schema | null = null): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'java.lang.String'
  if (typeof value === 'boolean') return 'java.lang.Boolean'
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (schema !== null && isDate(schema)) return 'java.util.Date'
    return classes[schema?.type ?? ''] ?? (typeof value === 'bigint' || Number.isInteger(value) ? 'java.lang.Long' : 'java.lang.Double')
  }
  if (Buffer.isBuffer(value)) return '[B'
  if (value instanceof Decimal) return 'java.math.BigDecimal'
  if (Array.isArray(value)) return 'java.util.ArrayList'
  return isStruct(value) && schema?.type === 'struct' ? 'org.apache.kafka.connect.data.Struct' : 'java.util.HashMap'
}

/** A java.util.Date in Java: a date, a time of day or a timestamp. */
export function isDate({ name }: Schema): boolean {
  return name === logical.date || name === logical.time || name === logical.timestamp
}

/** The shortest digits that identify a number of 32 bits. */
function floatDigits(value: number): number {
  for (let digits = 1; digits <= 8; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** As Double.toString and Float.toString print it: `3.0`, `1.0E10`. */
export function doubleText(value: number, isFloat = false): string {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const shown = isFloat ? floatDigits(value) : value
  const size = Math.abs(shown)
  if (size >= 1e-3 && size < 1e7) {
    const text = String(shown)
    return text.includes('.') ? text : `${text}.0`
  }
  const [digits, exponent] = shown.toExponential().split('e') as [string, string]
  return `${digits.includes('.') ? digits : `${digits}.0`}E${exponent.replace('+', '')}`
}

/** A whole number without a schema is an integer. */
export function numberText(value: number, schema: Schema | null): string {
  const isFloat = schema?.type === 'float32'
  return isFloat || schema?.type === 'float64' || !Number.isInteger(value) ? doubleText(value, isFloat) : String(value)
}

/** What Object.toString prints, except for bytes, which are shown in base64. */
export function javaText(value: ConnectValue, schema: Schema | null): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return value
  if (schema !== null && isDate(schema)) return dateText(schema, value)
  if (typeof value === 'number') return numberText(value, schema)
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (Array.isArray(value)) return `[${value.map(each => javaText(each, schema?.items ?? null)).join(', ')}]`
  if (value instanceof Map)
    return `{${Array.from(value, ([key, each]) => `${javaText(key, schema?.keys ?? null)}=${javaText(each, schema?.values ?? null)}`).join(', ')}}`
  if (!isStruct(value)) return String(value)
  if (schema?.type !== 'struct') {
    const entries = Object.entries(value).map(([name, each]) => `${name}=${javaText(each, schema?.values ?? null)}`)
    return `{${entries.join(', ')}}`
  }
  const fields = (schema.fields ?? []).filter(({ name }) => (value[name] ?? null) !== null)
  return `Struct{${fields.map(field => `${field.name}=${javaText(value[field.name]!, field.schema)}`).join(',')}}`
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As java.util.Date prints it in UTC. */
function dateText(schema: Schema, value: ConnectValue): string {
  const date = new Date(millisOf(schema, value))
  if (Number.isNaN(date.getTime())) return String(value)
  const time = date.toISOString().slice(11, 19)
  return `${days[date.getUTCDay()]} ${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2, '0')} ${time} UTC ${date.getUTCFullYear()}`
}

const msPerDay = 86_400_000

/** Of a date, a time of day or a timestamp: ms since 1970. */
export function millisOf(schema: Schema, value: ConnectValue): number {
  return schema.name === logical.date ? Number(value) * msPerDay : Number(value)
}

/** A number as Java narrows it: integers lose their upper bits; of a double the fraction is cut, and what is too large is the largest. */
export function narrowed(value: number | bigint, bits: 8 | 16 | 32 | 64, isDouble = false): bigint {
  if (typeof value === 'bigint') return BigInt.asIntN(bits, value)
  if (!isDouble && Number.isInteger(value)) return BigInt.asIntN(bits, BigInt(value))
  if (Number.isNaN(value)) return 0n
  const wide = bits === 64 ? 64n : 32n
  const most = 2n ** (wide - 1n)
  const cut = value >= Number(most) ? most - 1n : value <= -Number(most) ? -most : BigInt(Math.trunc(value))
  return BigInt.asIntN(bits, cut)
}

/** The whole part of a decimal. */
export function wholePart({ unscaled, scale }: Decimal): bigint {
  return scale <= 0 ? unscaled * 10n ** BigInt(-scale) : unscaled / 10n ** BigInt(scale)
}

/** As Long.parseLong and its like read it; null: no number, or out of range. */
export function parseInteger(text: string, bits: 8 | 16 | 32 | 64): bigint | null {
  if (!/^[+-]?\d{1,40}$/.test(text)) return null
  const value = BigInt(text.replace('+', ''))
  return BigInt.asIntN(bits, value) === value ? value : null
}

/** As Double.parseDouble reads it, but for hexadecimal; null: no number. */
export function parseDouble(text: string): number | null {
  const match = /^([+-]?)(?:(NaN|Infinity)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?)$/.exec(text.trim())
  if (match === null) return null
  const size = match[2] === undefined ? Number(match[3]) : Number(match[2])
  return match[1] === '-' ? -size : size
}

/** As BigDecimal reads it; null: no number, or one whose digits nobody would want. */
export function parseDecimal(text: string): Decimal | null {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/.exec(text)
  if (match === null) return null
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  if (digits === '' || digits.length > mostDigits) return null
  const scale = fraction.length - Number(exponent)
  if (Math.abs(scale) > mostDigits) return null
  const unscaled = BigInt(digits)
  return new Decimal(sign === '-' ? -unscaled : unscaled, scale)
}

const mostDigits = 10_000

/** null: digits would be lost. */
export function rescaled(value: Decimal, scale: number): Decimal | null {
  if (value.scale === scale) return value
  if (Math.abs(scale - value.scale) > mostDigits) return null
  if (scale > value.scale) return new Decimal(value.unscaled * 10n ** BigInt(scale - value.scale), scale)
  const factor = 10n ** BigInt(value.scale - scale)
  return value.unscaled % factor === 0n ? new Decimal(value.unscaled / factor, scale) : null
}

/** BigInteger.toByteArray: two's complement, big-endian, as short as can be. */
export function bytesOfInteger(value: bigint): Buffer {
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++
  const hex = BigInt.asUintN(bytes * 8, value).toString(16)
  return Buffer.from(hex.padStart(bytes * 2, '0'), 'hex')
}

export function integerOfBytes(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}

/** Of a decimal's schema; 0 if it does not say. */
export function scaleOf(schema: Schema): number {
  const scale = Number(schema.parameters?.scale ?? 0)
  return Number.isInteger(scale) ? scale : 0
}

/** As values without a schema have it: a number where it is safe. */
export function exactNumber(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

export function mismatch({ scale }: Decimal, schema: Schema): string {
  return `Decimal value has mismatching scale for given Decimal schema. Schema has scale ${scaleOf(schema)}, value has scale ${scale}.`
}
