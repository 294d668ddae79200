/** Whether values are what their schemas say: what a format is about to write is checked before it is written, and the error names the field. */
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema } from '../../connector.ts'
import { rescaled } from '../values/numbers.ts'

const ranges: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
}
const least = -(2n ** 63n)
const most = 2n ** 63n - 1n

export function refuse(at: string, value: ConnectValue | undefined, expected: string): never {
  const kind =
    value === null || value === undefined ? 'null' : Array.isArray(value) ? 'an array' : isStruct(value) ? 'a struct' : describe(value)
  throw new DataError(`${at === '' ? 'the value' : `field ${at}`} is ${kind} where the schema has ${expected}`)
}

function describe(value: Exclude<ConnectValue, null>): string {
  if (value instanceof Map) return 'a map'
  if (value instanceof Decimal) return 'a decimal'
  if (Buffer.isBuffer(value)) return 'bytes'
  return typeof value === 'string' ? 'a string' : `${typeof value} ${value}`
}

/** The value, or the default where it is missing; null only where the schema allows it. */
export function presentOr(schema: Schema, value: ConnectValue | undefined, at: string): ConnectValue {
  if (value !== null && value !== undefined) return value
  if (schema.default !== undefined && schema.default !== null) return schema.default
  if (schema.optional === true) return null
  return refuse(at, value, `${schema.name ?? schema.type} that is not optional`)
}

export function integerOf(schema: Schema, value: ConnectValue, at: string): number {
  const [low, high] = ranges[schema.type]!
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) refuse(at, value, schema.type)
  return value as number
}

export function longOf(value: ConnectValue, at: string): bigint {
  const exact = typeof value === 'bigint' ? value : typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : null
  if (exact === null || exact < least || exact > most) refuse(at, value, 'int64')
  return exact!
}

export function floatOf(schema: Schema, value: ConnectValue, at: string): number {
  if (typeof value !== 'number') refuse(at, value, schema.type)
  return value as number
}

/** At the schema's scale. */
export function unscaledOf(schema: Schema, value: ConnectValue, at: string): bigint {
  if (!(value instanceof Decimal)) refuse(at, value, 'a decimal')
  const exact = rescaled(value as Decimal, scaleOf(schema))
  if (exact === null)
    throw new DataError(`${at === '' ? 'the value' : `field ${at}`} has more decimals than the schema's scale of ${scaleOf(schema)}`)
  return exact
}

export function scaleOf(schema: Schema): number {
  return Number(schema.parameters?.['scale'] ?? 0)
}

/** What engines read: more than 38 digits is too much for Spark, Trino and DuckDB. A schema may ask for more. */
export function precisionOf(schema: Schema): number {
  const asked = Number(schema.parameters?.['connect.decimal.precision'] ?? 38)
  return Number.isInteger(asked) && asked > 0 ? Math.max(asked, scaleOf(schema)) : 38
}

export function isDecimal(schema: Schema): boolean {
  return schema.type === 'bytes' && schema.name === logical.decimal
}

export function below(at: string, field: string): string {
  return at === '' ? field : `${at}.${field}`
}

const mostDepth = 64

/** What is built from a schema walks all of it: one that contains itself would never end. */
export function requireFinite(schema: Schema, at: string, above: readonly Schema[]): void {
  if (above.includes(schema) && schema.type === 'struct')
    throw new DataError(`field ${at}: a schema that contains itself cannot be written`)
  if (above.length > mostDepth) throw new DataError(`field ${at}: schemas of more than ${mostDepth} levels cannot be written`)
}
