/** Conversions of CEL: `int("7")`, `string(7)`, `timestamp("2026-01-31T12:00:00Z")` … */
import { isUtf8 } from 'node:buffer'
import { moment } from './arithmetic.ts'
import type { Call, CelFunction } from './functions.ts'
import { parseSpan, parseTime, spanText, timeText } from './times.ts'
import { Duration, List, type Result, Timestamp, TypeName, typeOf, Uint, type Value } from './values.ts'

function one(work: (value: Value, call: Call) => Result | undefined): CelFunction {
  return (args, call) => {
    const [value] = args
    if (args.length !== 1 || value === undefined) return call.fail('a conversion takes one value')
    if (typeof value === 'string' || value instanceof Uint8Array) call.spend(Math.ceil(value.length / 64))
    return (
      work(value, call) ??
      call.fail(
        `${typeof value === 'string' ? JSON.stringify(value.slice(0, 50)) : `a value of type ${typeOf(value)}`} cannot be converted`,
      )
    )
  }
}

function whole(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return value.value
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.trunc(value)) : undefined
  if (value instanceof Timestamp) return value.nanos / 1_000_000_000n
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined
}

function text(value: Value): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Timestamp) return timeText(value)
  if (value instanceof Duration) return spanText(value)
  return value instanceof Uint8Array && isUtf8(value) ? Buffer.from(value).toString('utf8') : undefined
}

export const conversions: Readonly<Record<string, CelFunction>> = {
  int: one((value, call) => {
    const found = whole(value)
    return found !== undefined && BigInt.asIntN(64, found) !== found ? call.fail(`${found} has more than 64 bits`) : found
  }),
  uint: one((value, call) => {
    const found = whole(value)
    if (found !== undefined && BigInt.asUintN(64, found) !== found) return call.fail(`${found} is not an unsigned integer of 64 bits`)
    return found === undefined ? undefined : new Uint(found)
  }),
  double: one(value => {
    if (typeof value === 'number') return value
    if (typeof value === 'bigint') return Number(value)
    if (value instanceof Uint) return Number(value.value)
    return typeof value === 'string' && /^[+-]?(?:\d+\.?\d*|\.\d+|Infinity|NaN)(?:[eE][+-]?\d{1,4})?$/.test(value)
      ? Number(value)
      : undefined
  }),
  string: one(text),
  bytes: one(value => (typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : undefined)),
  bool: one(value => {
    if (typeof value === 'boolean') return value
    return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : undefined
  }),
  timestamp: one((value, call) => {
    if (value instanceof Timestamp) return value
    if (typeof value === 'bigint') return moment(value * 1_000_000_000n, call)
    const nanos = typeof value === 'string' ? parseTime(value) : null
    return nanos === null ? undefined : moment(nanos, call)
  }),
  duration: one(value => {
    if (value instanceof Duration) return value
    const nanos = typeof value === 'string' ? parseSpan(value) : null
    return nanos === null ? undefined : new Duration(nanos)
  }),
  dyn: one(value => value),
  type: one(value => (value instanceof List ? new TypeName('list') : new TypeName(typeOf(value)))),
}
