/** Debezium's ways to write decimals, times and bytes. */
import { type ConnectValue, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'

export type DecimalMode = 'precise' | 'double' | 'string'
export type TimeMode = 'adaptive' | 'adaptive_time_microseconds' | 'connect' | 'isostring' | 'microseconds' | 'nanoseconds'
export type BinaryMode = 'bytes' | 'base64' | 'base64-url-safe' | 'hex'

/** How values of one column are written. */
export interface ColumnType<R = string> {
  /** Not optional. */
  readonly schema: Schema
  /** Of text as the database writes it, or what its driver makes of that. Throws DataError or RangeError if it cannot be written so. */
  read(raw: R): ConnectValue
  /** Debezium's stand-in where a column that is NOT NULL has no value, as in the deleted row of a table whose replica identity is its key. */
  readonly absent: ConnectValue
  /** Stands for a value that the database did not send. null: there is no such. */
  readonly unavailable: ConnectValue
}

function named(type: Schema['type'], name: string): Schema {
  return { type, name, version: 1 }
}

// Days and times.

const dayMicros = 86_400_000_000n
const isoDate = named('string', 'io.debezium.time.IsoDate')

export interface TemporalType {
  readonly schema: Schema
  readonly of: (micros: bigint) => ConnectValue
  readonly absent: ConnectValue
}

/** Throws RangeError. `hint`: what takes larger ones. */
export function int64(value: bigint, hint = ''): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} does not fit into int64${hint}`)
  return value
}

/** `of` takes days since 1970. */
export function dateType(mode: TimeMode): {
  readonly schema: Schema
  readonly of: (days: number) => ConnectValue
  readonly absent: ConnectValue
} {
  if (mode === 'isostring') return { schema: isoDate, of: days => `${dayText(days)}Z`, absent: '1970-01-01Z' }
  const name = mode === 'connect' ? logical.date : 'io.debezium.time.Date'
  return { schema: named('int32', name), of: days => days, absent: 0 }
}

/** `of` takes µs since midnight. `digits`: of the fraction of a second. */
export function timeType(mode: TimeMode, digits: number): TemporalType {
  if (mode === 'isostring')
    return { schema: named('string', 'io.debezium.time.IsoTime'), of: micros => `${timeText(micros)}Z`, absent: '00:00:00Z' }
  if (mode === 'nanoseconds') return { schema: named('int64', 'io.debezium.time.NanoTime'), of: micros => micros * 1_000n, absent: 0n }
  if (mode === 'connect') return { schema: named('int32', logical.time), of: micros => Number(micros / 1_000n), absent: 0 }
  if (mode === 'adaptive' && digits <= 3)
    return { schema: named('int32', 'io.debezium.time.Time'), of: micros => Number(micros / 1_000n), absent: 0 }
  return { schema: named('int64', 'io.debezium.time.MicroTime'), of: micros => micros, absent: 0n }
}

/** `of` takes µs since 1970. */
export function timestampType(mode: TimeMode, digits: number): TemporalType {
  if (mode === 'isostring')
    return {
      schema: named('string', 'io.debezium.time.IsoTimestamp'),
      of: micros => `${timestampText(micros)}Z`,
      absent: '1970-01-01T00:00:00Z',
    }
  if (mode === 'nanoseconds')
    return { schema: named('int64', 'io.debezium.time.NanoTimestamp'), of: micros => int64(micros * 1_000n), absent: 0n }
  if (mode === 'connect') return { schema: named('int64', logical.timestamp), of: micros => floored(micros, 1_000n), absent: 0n }
  if (mode !== 'microseconds' && digits <= 3)
    return { schema: named('int64', 'io.debezium.time.Timestamp'), of: micros => floored(micros, 1_000n), absent: 0n }
  return { schema: named('int64', 'io.debezium.time.MicroTimestamp'), of: micros => int64(micros), absent: 0n }
}

export const zonedTimestamp = named('string', 'io.debezium.time.ZonedTimestamp')
export const zonedTime = named('string', 'io.debezium.time.ZonedTime')

function floored(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}

/** Since 1970, in the Gregorian calendar, also before 1583, as PostgreSQL and ISO 8601 count. `year`: 0 is 1 BC. */
export function daysFrom(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

/** As Java prints a LocalDate: `2026-11-30`, `-0043-03-15`, `+12026-01-01`. */
function dayText(days: number): string {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  return dateText(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}

export function dateText(year: number, month: number, day: number): string {
  const sign = year < 0 ? '-' : year > 9_999 ? '+' : ''
  return `${sign}${String(Math.abs(year)).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}

/** `04:05:06.789`, with as many digits as it needs, or exactly `digits`. */
export function timeText(micros: bigint, digits: number | null = null): string {
  const seconds = Number(micros / 1_000_000n)
  const two = (value: number) => String(value).padStart(2, '0')
  const whole = `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  const six = String(micros % 1_000_000n).padStart(6, '0')
  const fraction = digits === null || digits === 0 ? six.replace(/0+$/, '') : six.slice(0, digits)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

export function timestampText(micros: bigint, digits: number | null = null): string {
  const days = floored(micros, dayMicros)
  return `${dayText(Number(days))}T${timeText(micros - days * dayMicros, digits)}`
}

// Decimals.

const variableScale: Schema = {
  type: 'struct',
  name: 'io.debezium.data.VariableScaleDecimal',
  version: 1,
  doc: 'Variable scaled decimal',
  fields: [
    { name: 'scale', schema: { type: 'int32' } },
    { name: 'value', schema: { type: 'bytes' } },
  ],
}

/** `scale` null: each value has its own. */
export function decimalType(mode: DecimalMode, precision: number, scale: number | null): Omit<ColumnType, 'unavailable'> {
  if (mode === 'string') return { schema: { type: 'string' }, read: specialName, absent: '0' }
  if (mode === 'double') return { schema: { type: 'float64' }, read: Number, absent: 0 }
  if (scale === null) return { schema: variableScale, read: variable, absent: variable('0') }
  const plain = decimal(scale)
  const schema = { ...plain, parameters: { ...plain.parameters, 'connect.decimal.precision': String(precision) } }
  return { schema, read: text => rescaled(parseDecimal(text), scale), absent: new Decimal(0n, scale) }
}

function specialName(text: string): string {
  return { NaN: 'NAN', Infinity: 'POSITIVE_INFINITY', '-Infinity': 'NEGATIVE_INFINITY' }[text] ?? text
}

/** Throws RangeError. */
export function parseDecimal(text: string): Decimal {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text)
  if (match === null || (match[2] === '' && (match[3] ?? '') === ''))
    throw new RangeError(`${text} is no decimal number; decimal.handling.mode=string takes it`)
  const [, sign, whole, fraction = ''] = match
  const unscaled = BigInt(`${whole}${fraction}`)
  return new Decimal(sign === '-' ? -unscaled : unscaled, fraction.length)
}

/** Of another scale; digits that it does not have are refused. */
export function rescaled({ unscaled, scale }: Decimal, wanted: number): Decimal {
  if (scale <= wanted) return new Decimal(unscaled * 10n ** BigInt(wanted - scale), wanted)
  const factor = 10n ** BigInt(scale - wanted)
  if (unscaled % factor !== 0n) throw new RangeError(`a value has ${scale} digits behind the point, its column ${wanted}`)
  return new Decimal(unscaled / factor, wanted)
}

/** Without zeros at the end. */
function variable(text: string): ConnectValue {
  let { unscaled, scale } = parseDecimal(text)
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n
    scale--
  }
  return struct([
    ['scale', scale],
    ['value', bytesOfInteger(unscaled)],
  ])
}

/** BigInteger.toByteArray: two's complement, big-endian, as short as can be. */
function bytesOfInteger(value: bigint): Buffer {
  let bits = 8
  while (BigInt.asIntN(bits, value) !== value) bits += 8
  return Buffer.from(
    BigInt.asUintN(bits, value)
      .toString(16)
      .padStart(bits / 4, '0'),
    'hex',
  )
}

// Bytes.

export interface BinaryType {
  readonly schema: Schema
  readonly of: (bytes: Buffer) => ConnectValue
}

export function binaryType(mode: BinaryMode): BinaryType {
  if (mode === 'bytes') return { schema: { type: 'bytes' }, of: bytes => bytes }
  const encoding = mode === 'base64-url-safe' ? 'base64url' : mode
  return { schema: { type: 'string' }, of: bytes => bytes.toString(encoding) }
}
