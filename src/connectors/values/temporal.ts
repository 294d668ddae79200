/** Integers that are dates and times, by the names that Kafka Connect and Debezium give their schemas. */
import { type ConnectValue, logical, type Schema } from '../../connector.ts'
import type { Typed } from './select.ts'

export interface Temporal {
  readonly kind: 'date' | 'time' | 'timestamp'
  /** Since 1970, of a time since midnight. */
  readonly micros: bigint
}

/** By the name of the schema: how many µs one unit of the integer is, or how many units are one µs. */
const units: ReadonlyMap<string, readonly [kind: Temporal['kind'], microsOfOne: bigint, onesInMicro: bigint]> = new Map([
  [logical.date, ['date', 86_400_000_000n, 1n]],
  [logical.time, ['time', 1_000n, 1n]],
  [logical.timestamp, ['timestamp', 1_000n, 1n]],
  ['io.debezium.time.Date', ['date', 86_400_000_000n, 1n]],
  ['io.debezium.time.Time', ['time', 1_000n, 1n]],
  ['io.debezium.time.MicroTime', ['time', 1n, 1n]],
  ['io.debezium.time.NanoTime', ['time', 1n, 1_000n]],
  ['io.debezium.time.Timestamp', ['timestamp', 1_000n, 1n]],
  ['io.debezium.time.MicroTimestamp', ['timestamp', 1n, 1n]],
  ['io.debezium.time.NanoTimestamp', ['timestamp', 1n, 1_000n]],
])

/** What kind of time values of this schema are; null: none. */
export function temporalKind(schema: Schema | null): Temporal['kind'] | null {
  return schema?.name === undefined ? null : (units.get(schema.name)?.[0] ?? null)
}

/** null: it is no time. */
export function temporalOf(schema: Schema | null, value: ConnectValue): Temporal | null {
  if (schema?.name === undefined || !(typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)))) return null
  const unit = units.get(schema.name)
  if (unit === undefined) return null
  return { kind: unit[0], micros: floorDivide(BigInt(value) * unit[1], unit[2]) }
}

/** `2026-11-30`, `04:05:06.789`, `2026-11-30T04:05:06.789Z`; with six digits if the microseconds need them. */
export function temporalText({ kind, micros }: Temporal): string {
  const ms = floorDivide(micros, 1_000n)
  const rest = micros - ms * 1_000n
  // Beyond ±271821 years there is no Date.
  if (ms > 8_640_000_000_000_000n || ms < -8_640_000_000_000_000n) return String(ms)
  const text = new Date(Number(ms)).toISOString()
  const day = text.lastIndexOf('T')
  if (kind === 'date') return text.slice(0, day)
  const fine = rest === 0n ? text : `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  return kind === 'time' ? fine.slice(day + 1, -1) : fine
}

export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}

const dateTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/

/** Since 1970: of a value whose schema says that it is a time, of an integer (ms) or of a text in ISO 8601; null: it is no time. */
export function microsOf({ schema, value }: Typed): bigint | null {
  const time = temporalOf(schema, value)
  if (time !== null) return time.micros
  if (typeof value === 'bigint') return value * 1_000n
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.floor(value * 1_000)) : null
  if (typeof value !== 'string') return null
  const match = dateTime.exec(value)
  if (match === null) return null
  const [, day, minute = '00:00', second = ':00', fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${day}T${minute}${second}${/^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/(\d\d)(\d\d)$/, '$1:$2')}`)
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}
