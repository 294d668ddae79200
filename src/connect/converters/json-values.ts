/**
 * Values as Kafka's JsonConverter writes and reads them. A value that its schema does not allow is refused, also where Kafka would make 0, null or something
 * smaller of it.
 */
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema, struct } from '../../connector.ts'
import {
  bitsOf,
  bytesOfInteger,
  doubleText,
  integerOfBytes,
  isDate,
  javaClass,
  mismatch,
  parseDecimal,
  rescaled,
  scaleOf,
} from '../values/java.ts'

export interface JsonRules {
  readonly numericDecimals: boolean
  readonly replaceNull: boolean
}

/** JSON text. Throws DataError. */
export function writeJson(schema: Schema | null, value: ConnectValue, rules: JsonRules): string {
  if (value === null) {
    if (schema === null) return 'null'
    if (schema.default !== undefined && schema.default !== null && rules.replaceNull) return writeJson(schema, schema.default, rules)
    if (schema.optional === true) return 'null'
    throw new DataError('Conversion error: null value for field that is required and has no default value')
  }
  return schema === null ? writeSchemaless(value, rules) : writeTyped(schema, value, rules)
}

function writeSchemaless(value: NonNullable<ConnectValue>, rules: JsonRules): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (Buffer.isBuffer(value)) return `"${value.toString('base64')}"`
  if (value instanceof Decimal) throw new DataError(`Java class class ${javaClass(value)} does not have corresponding schema type.`)
  if (Array.isArray(value)) return `[${value.map(each => writeJson(null, each, rules)).join(',')}]`
  if (value instanceof Map) return writeMap(value, null, rules)
  const parts: string[] = []
  for (const name of Object.keys(value)) parts.push(`${JSON.stringify(name)}:${writeJson(null, value[name] ?? null, rules)}`)
  return `{${parts.join(',')}}`
}

function writeTyped(schema: Schema, value: NonNullable<ConnectValue>, rules: JsonRules): string {
  if (schema.name === logical.decimal) return writeDecimal(schema, value, rules)
  switch (schema.type) {
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : refuse(schema, value)
    case 'string':
      return typeof value === 'string' ? JSON.stringify(value) : refuse(schema, value)
    case 'float32':
    case 'float64':
      return typeof value === 'number' ? fractionText(value, schema.type === 'float32') : refuse(schema, value)
    case 'bytes':
      return Buffer.isBuffer(value) ? `"${value.toString('base64')}"` : refuse(schema, value)
    case 'array':
      if (!Array.isArray(value)) return refuse(schema, value)
      return `[${value.map(each => writeJson(schema.items ?? null, each, rules)).join(',')}]`
    case 'map':
      return value instanceof Map
        ? writeMap(value, schema, rules)
        : isStruct(value)
          ? writeMap(new Map(Object.entries(value)), schema, rules)
          : refuse(schema, value)
    case 'struct': {
      if (!isStruct(value)) return refuse(schema, value)
      const parts = (schema.fields ?? []).map(
        field => `${JSON.stringify(field.name)}:${writeJson(field.schema, value[field.name] ?? null, rules)}`,
      )
      return `{${parts.join(',')}}`
    }
    default:
      return isWhole(value) ? String(value) : refuse(schema, value)
  }
}

function isWhole(value: ConnectValue): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value)
}

/** Kafka's words for logical types, and for others. */
function refuse(schema: Schema, value: ConnectValue): never {
  const found = javaClass(value)
  if (isDate(schema)) {
    const name = schema.name!.slice(schema.name!.lastIndexOf('.') + 1)
    throw new DataError(`Invalid type for ${name}, expected Date but was class ${found}`)
  }
  throw new DataError(`Invalid type for ${schema.type.toUpperCase()}: class ${found}`)
}

function writeDecimal(schema: Schema, value: NonNullable<ConnectValue>, { numericDecimals }: JsonRules): string {
  if (!(value instanceof Decimal)) throw new DataError(`Invalid type for Decimal, expected BigDecimal but was class ${javaClass(value)}`)
  if (numericDecimals) return value.toString()
  const scaled = rescaled(value, scaleOf(schema))
  if (scaled === null) throw new DataError(mismatch(value, schema))
  return `"${bytesOfInteger(scaled.unscaled).toString('base64')}"`
}

/** With keys of text an object, otherwise a list of pairs. */
function writeMap(map: ReadonlyMap<ConnectValue, ConnectValue>, schema: Schema | null, rules: JsonRules): string {
  const asObject = schema === null ? Array.from(map.keys()).every(key => typeof key === 'string') : schema.keys?.type === 'string'
  const parts: string[] = []
  for (const [key, each] of map) {
    const shown = writeJson(schema?.keys ?? null, key, rules)
    const value = writeJson(schema?.values ?? null, each, rules)
    // A key that is null becomes text, as in Kafka.
    if (asObject) parts.push(`${shown === 'null' ? '"null"' : shown}:${value}`)
    else parts.push(`[${shown},${value}]`)
  }
  return asObject ? `{${parts.join(',')}}` : `[${parts.join(',')}]`
}

function numberText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : fractionText(value, false)
}

/** As Java prints it, with a fraction, so that who reads it without a schema sees a fraction, too. */
function fractionText(value: number, isFloat: boolean): string {
  return Number.isFinite(value) ? doubleText(value, isFloat) : `"${value}"`
}

/** A fraction with more digits than a double holds is a Decimal here. Throws DataError. */
export function readJson(schema: Schema | null, json: unknown, rules: JsonRules): ConnectValue {
  if (schema === null) return readSchemaless(json)
  if (json === null || json === undefined) {
    if (schema.default !== undefined && schema.default !== null && rules.replaceNull) return schema.default
    if (schema.optional === true) return null
    throw new DataError(`Invalid null value for required ${schema.type.toUpperCase()} field`)
  }
  return readTyped(schema, json, rules)
}

function readSchemaless(json: unknown): ConnectValue {
  if (typeof json !== 'object') return (json ?? null) as ConnectValue
  if (json === null) return null
  if (json instanceof Decimal) return Number(json.toString())
  if (Array.isArray(json)) return json.map(readSchemaless)
  const made = struct()
  for (const name of Object.keys(json)) made[name] = readSchemaless((json as Record<string, unknown>)[name])
  return made
}

function readTyped(schema: Schema, json: unknown, rules: JsonRules): ConnectValue {
  if (schema.name === logical.decimal) return readDecimal(schema, json)
  switch (schema.type) {
    case 'boolean':
      return typeof json === 'boolean' ? json : misfit(schema, json)
    case 'string':
      return typeof json === 'string' ? json : misfit(schema, json)
    case 'float32':
      return Math.fround(readFraction(schema, json))
    case 'float64':
      return readFraction(schema, json)
    case 'bytes':
      if (typeof json !== 'string' || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(json)) throw new DataError('Invalid bytes field')
      return Buffer.from(json, 'base64')
    case 'array':
      return Array.isArray(json) ? json.map(each => readJson(schema.items ?? null, each, rules)) : misfit(schema, json)
    case 'map':
      return readMap(schema, json, rules)
    case 'struct': {
      if (!isObject(json)) throw new DataError(`Structs should be encoded as JSON objects, but found ${nodeType(json)}`)
      const made = struct()
      for (const { name, schema: inner } of schema.fields ?? [])
        made[name] = readJson(inner, Object.hasOwn(json, name) ? json[name] : undefined, rules)
      return made
    }
    default:
      return readWhole(schema, json, bitsOf[schema.type])
  }
}

function readWhole(schema: Schema, json: unknown, bits: 8 | 16 | 32 | 64): number | bigint {
  if (typeof json !== 'bigint' && !Number.isInteger(json)) misfit(schema, json)
  const whole = typeof json === 'number' && bits < 64 ? json : BigInt(json as number | bigint)
  if (typeof whole === 'bigint' ? BigInt.asIntN(bits, whole) !== whole : Math.abs(whole + 0.5) > 2 ** (bits - 1)) misfit(schema, json)
  return bits === 64 ? BigInt(whole) : Number(whole)
}

function readFraction(schema: Schema, json: unknown): number {
  if (typeof json === 'number' || typeof json === 'bigint') return Number(json)
  if (json instanceof Decimal) return Number(json.toString())
  if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json)
  return misfit(schema, json)
}

function readDecimal(schema: Schema, json: unknown): Decimal {
  const scale = scaleOf(schema)
  if (typeof json === 'string') {
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(json)) throw new DataError('Invalid bytes for Decimal field')
    return new Decimal(integerOfBytes(Buffer.from(json, 'base64')), scale)
  }
  const decimal = json instanceof Decimal ? json : typeof json === 'number' || typeof json === 'bigint' ? parseDecimal(String(json)) : null
  if (decimal === null)
    throw new DataError(`Invalid type for Decimal, underlying representation should be numeric or bytes but was ${nodeType(json)}`)
  return rescaled(decimal, scale) ?? decimal
}

function readMap(schema: Schema, json: unknown, rules: JsonRules): Map<ConnectValue, ConnectValue> {
  const map = new Map<ConnectValue, ConnectValue>()
  if (schema.keys?.type === 'string') {
    if (!isObject(json)) throw new DataError(`Maps with string fields should be encoded as JSON objects, but found ${nodeType(json)}`)
    for (const name of Object.keys(json)) map.set(name, readJson(schema.values ?? null, json[name], rules))
    return map
  }
  if (!Array.isArray(json))
    throw new DataError(`Maps with non-string fields should be encoded as JSON array of tuples, but found ${nodeType(json)}`)
  for (const entry of json as unknown[]) {
    if (!Array.isArray(entry)) throw new DataError(`Found invalid map entry instead of array tuple: ${nodeType(entry)}`)
    if (entry.length !== 2) throw new DataError(`Found invalid map entry, expected length 2 but found :${entry.length}`)
    map.set(readJson(schema.keys ?? null, entry[0], rules), readJson(schema.values ?? null, entry[1], rules))
  }
  return map
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof Decimal)
}

/** As Jackson calls it. */
function nodeType(json: unknown): string {
  if (json === null || json === undefined) return 'NULL'
  if (Array.isArray(json)) return 'ARRAY'
  if (json instanceof Decimal || typeof json === 'bigint') return 'NUMBER'
  return (typeof json).toUpperCase()
}

function misfit(schema: Schema, json: unknown): never {
  const text = typeof json === 'object' ? nodeType(json) : typeof json === 'string' ? JSON.stringify(json) : String(json)
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  if (isDate(schema)) {
    const name = schema.name!.slice(schema.name!.lastIndexOf('.') + 1)
    const kind = schema.name === logical.timestamp ? 'integral' : 'integer'
    throw new DataError(`Invalid type for ${name}, underlying representation should be ${kind} but was ${nodeType(json)}`)
  }
  throw new DataError(`Invalid value for ${schema.type.toUpperCase()}: ${shown}`)
}
