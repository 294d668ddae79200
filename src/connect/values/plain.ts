/**
 * Keys and values for expressions and scripts, and back: objects, arrays, text, numbers (bigints beyond ±2^53), bytes as Uint8Array, decimals as text. What
 * comes back gets the schema that was there if it fits, field by field otherwise, and a schema by its looks where there was none.
 */
import { type ConnectValue, DataError, Decimal, type Field, logical, type Schema, struct } from '../../connector.ts'
import { bitsOf, exactNumber, parseDecimal, rescaled, scaleOf } from './java.ts'
import { basicsOf, optionalIf } from './schemas.ts'

export function toPlain(value: ConnectValue): unknown {
  if (typeof value === 'bigint') return exactNumber(value)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (value instanceof Decimal) return value.toString()
  if (Array.isArray(value)) return value.map(toPlain)
  const plain: Record<string, unknown> = Object.create(null)
  for (const [key, each] of value instanceof Map ? value : Object.entries(value)) plain[String(key)] = toPlain(each)
  return plain
}

/** With the schema of what it replaces; null: there was none, and there is none. Throws DataError. */
export function fromPlain(plain: unknown, schema: Schema | null): { schema: Schema | null; value: ConnectValue } {
  if (schema === null) return { schema: null, value: schemaless(plain) }
  const fitting = fit(plain, schema)
  if (fitting !== undefined) return { schema, value: fitting }
  if (plain === null || plain === undefined) return { schema: null, value: null }
  const made = looksLike(plain, schema)
  const value = made === null ? undefined : fit(plain, made)
  if (value === undefined) throw new DataError(`no schema can be found for the result: ${described(plain)}`)
  return { schema: made, value }
}

function schemaless(plain: unknown): ConnectValue {
  if (plain === null || plain === undefined) return null
  if (typeof plain === 'bigint') return exactNumber(plain)
  if (typeof plain === 'number' || typeof plain === 'boolean' || typeof plain === 'string') return plain
  if (plain instanceof Uint8Array) return Buffer.from(plain)
  if (Array.isArray(plain)) return plain.map(schemaless)
  if (typeof plain === 'object') return struct(Object.entries(plain).map(([name, each]) => [name, schemaless(each)] as const))
  throw new DataError(`a record cannot hold ${described(plain)}`)
}

/** undefined: it does not fit. */
function fit(plain: unknown, schema: Schema): ConnectValue | undefined {
  if (plain === null || plain === undefined) return schema.optional === true ? null : (schema.default ?? undefined)
  if (schema.name === logical.decimal) return fitDecimal(plain, schema)
  switch (schema.type) {
    case 'boolean':
      return typeof plain === 'boolean' ? plain : undefined
    case 'string':
      return typeof plain === 'string' ? plain : undefined
    case 'float32':
    case 'float64':
      return typeof plain === 'number' || typeof plain === 'bigint' ? Number(plain) : undefined
    case 'bytes':
      return plain instanceof Uint8Array ? Buffer.from(plain) : isBase64(plain) ? Buffer.from(plain, 'base64') : undefined
    case 'array':
      return Array.isArray(plain) ? allOf(plain.map(each => fit(each, schema.items!))) : undefined
    case 'map':
      return fitMap(plain, schema)
    case 'struct':
      return fitStruct(plain, schema)
    default:
      return fitInteger(plain, bitsOf[schema.type])
  }
}

function fitInteger(plain: unknown, bits: 8 | 16 | 32 | 64): number | bigint | undefined {
  if (typeof plain !== 'bigint' && !Number.isInteger(plain)) return undefined
  const whole = BigInt(plain as number)
  if (BigInt.asIntN(bits, whole) !== whole) return undefined
  return bits === 64 ? whole : Number(whole)
}

function fitDecimal(plain: unknown, schema: Schema): Decimal | undefined {
  const text = typeof plain === 'number' || typeof plain === 'bigint' ? String(plain) : plain
  const decimal = typeof text === 'string' ? parseDecimal(text) : null
  return decimal === null ? undefined : (rescaled(decimal, scaleOf(schema)) ?? undefined)
}

function fitMap(plain: unknown, schema: Schema): Map<ConnectValue, ConnectValue> | undefined {
  if (!isObject(plain) || schema.keys?.type !== 'string') return undefined
  const map = new Map<ConnectValue, ConnectValue>()
  for (const [name, each] of Object.entries(plain)) {
    const value = fit(each, schema.values!)
    if (value === undefined) return undefined
    map.set(name, value)
  }
  return map
}

function fitStruct(plain: unknown, schema: Schema): ConnectValue | undefined {
  const fields = schema.fields ?? []
  if (!isObject(plain) || Object.keys(plain).some(name => !fields.some(field => field.name === name))) return undefined
  const made = struct()
  for (const { name, schema: inner } of fields) {
    const value = fit(Object.hasOwn(plain, name) ? plain[name] : undefined, inner)
    if (value === undefined) return undefined
    made[name] = value
  }
  return made
}

/** The schema that a value looks like, with what `before` had of it; null: it can be anything. */
function looksLike(plain: unknown, before: Schema | undefined): Schema | null {
  if (before !== undefined && fit(plain, before) !== undefined) return before
  if (plain === null || plain === undefined) return null
  if (typeof plain === 'boolean' || typeof plain === 'string') return { type: typeof plain as 'boolean' | 'string', optional: true }
  if (typeof plain === 'bigint' || typeof plain === 'number') return { type: isWhole(plain) ? 'int64' : 'float64', optional: true }
  if (plain instanceof Uint8Array) return { type: 'bytes', optional: true }
  if (Array.isArray(plain)) return { type: 'array', optional: true, items: itemsLike(plain, before?.items) }
  if (!isObject(plain)) throw new DataError(`a record cannot hold ${described(plain)}`)
  const kept = before?.type === 'struct' ? before : undefined
  const fields: Field[] = []
  for (const [name, each] of Object.entries(plain)) {
    const schema = looksLike(each, kept?.fields?.find(field => field.name === name)?.schema)
    // What is null and was not there before may be anything.
    fields.push({ name, schema: schema ?? { type: 'string', optional: true } })
  }
  const { version: _, ...basics }: Partial<Schema> = kept === undefined ? {} : basicsOf(kept)
  return { ...basics, type: 'struct', ...optionalIf(kept === undefined || kept.optional), fields }
}

function itemsLike(list: readonly unknown[], before: Schema | undefined): Schema {
  let common: Schema | undefined
  for (const each of list) {
    const schema = looksLike(each, before ?? common)
    if (schema !== null) common = common === undefined ? schema : widened(common, schema)
  }
  return common ?? { type: 'string', optional: true }
}

/** The schema of both. */
function widened(one: Schema, other: Schema): Schema {
  if (one.type === 'int64' && other.type === 'float64') return other
  if (one.type === 'float64' && other.type === 'int64') return one
  if (one.type !== other.type) throw new DataError('the elements of a list are of different types')
  return one.type === 'struct' ? { ...one, fields: merged(one.fields ?? [], other.fields ?? []) } : one
}

function merged(one: readonly Field[], other: readonly Field[]): Field[] {
  const added = other.filter(({ name }) => !one.some(field => field.name === name))
  return [...one, ...added].map(({ name, schema }) => ({ name, schema: { ...schema, optional: true } }))
}

function allOf(values: (ConnectValue | undefined)[]): ConnectValue[] | undefined {
  return values.includes(undefined) ? undefined : (values as ConnectValue[])
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}

function isObject(plain: unknown): plain is Record<string, unknown> {
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain) && !(plain instanceof Uint8Array)
}

function isBase64(plain: unknown): plain is string {
  return typeof plain === 'string' && plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain)
}

function described(plain: unknown): string {
  return plain === null || plain === undefined ? 'null' : Array.isArray(plain) ? 'a list' : `a value of type ${typeof plain}`
}
