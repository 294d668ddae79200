/**
 * Schemas for records that have none.
 *
 * A file of Avro, Parquet or CSV has one schema. It is inferred from the records of its first block and holds all of them: every field may be missing,
 * whole numbers are int64, other numbers float64, and where records disagree the field becomes a string that holds JSON. A later record that does not
 * fit begins another file. The same records always give the same schema.
 */
import { type ConnectValue, Decimal, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { type JsonStyle, jsonText } from '../values/json.ts'
import { sameSchema } from './same-schema.ts'

const text: Schema = { type: 'string', optional: true }
/** Nothing is known but null: fits everything, and is written as a string. */
const unknown: Schema = { ...text, name: 'unknown' }
const style: JsonStyle = { decimals: 'string', times: 'numbers', maps: 'pairs' }

export function inferredFrom(value: ConnectValue | undefined): Schema {
  if (value === null || value === undefined) return unknown
  if (typeof value === 'boolean') return { type: 'boolean', optional: true }
  if (typeof value === 'number') return { type: Number.isSafeInteger(value) ? 'int64' : 'float64', optional: true }
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? { type: 'int64', optional: true } : text
  if (Buffer.isBuffer(value)) return { type: 'bytes', optional: true }
  if (Array.isArray(value)) return { type: 'array', optional: true, items: value.map(inferredFrom).reduce(widened, unknown) }
  if (isStruct(value)) return structOf(Object.keys(value).map(name => [name, inferredFrom(value[name])]))
  return text
}

/** What holds the values of both. */
export function widened(one: Schema, other: Schema): Schema {
  if (one === unknown || one === other) return other
  if (other === unknown) return one
  if (one.type === 'array' && other.type === 'array') return { ...one, items: widened(one.items!, other.items!) }
  if (one.type === 'struct' && other.type === 'struct') {
    const fields = new Map(one.fields!.map(field => [field.name, field.schema]))
    for (const { name, schema } of other.fields!) fields.set(name, widened(fields.get(name) ?? unknown, schema))
    return structOf([...fields])
  }
  if (one.type === other.type) return one
  return numbers.has(one.type) && numbers.has(other.type) ? { type: 'float64', optional: true } : text
}

const numbers: ReadonlySet<string> = new Set(['int64', 'float64'])

function structOf(fields: readonly (readonly [name: string, schema: Schema])[]): Schema {
  return { type: 'struct', optional: true, fields: fields.map(([name, schema]) => ({ name, schema })) }
}

/** As files have it: the value itself is always there, and what is not known is a string. A struct without fields holds nothing to write. */
export function settled(schema: Schema): Schema {
  return { ...named(schema), optional: false }
}

/** Without fields of which nothing is known: what becomes a column of a table stays one. */
export function knownOnly(schema: Schema): Schema {
  if (schema.fields === undefined) return schema
  const fields = schema.fields.map(field => ({ name: field.name, schema: knownOnly(field.schema) }))
  return { ...schema, fields: fields.filter(field => !isUnknown(field.schema)) }
}

function isUnknown(schema: Schema): boolean {
  return schema === unknown || schema.fields?.length === 0 || (schema.items !== undefined && isUnknown(schema.items))
}

function named(schema: Schema): Schema {
  if (schema === unknown) return text
  if (schema.items !== undefined) return { ...schema, items: named(schema.items) }
  if (schema.fields === undefined) return schema
  if (schema.fields.length === 0) return text
  return { ...schema, fields: schema.fields.map(field => ({ name: field.name, schema: named(field.schema) })) }
}

/** Whether a file of this settled schema can take the value. */
export function fits(file: Schema, value: ConnectValue): boolean {
  const inferred = inferredFrom(value)
  return sameSchema(settled(widened({ ...file, optional: true }, inferred)), file)
}

/** The value as a settled schema has it. */
export function conformed(value: ConnectValue | undefined, schema: Schema): ConnectValue {
  if (value === null || value === undefined) return null
  switch (schema.type) {
    case 'string':
      return typeof value === 'string' ? value : value instanceof Decimal ? String(value) : jsonText({ schema: null, value }, style)
    case 'int64':
      return BigInt(value as number | bigint)
    case 'float64':
      return Number(value)
    case 'array':
      return (value as ConnectValue[]).map(each => conformed(each, schema.items!))
    case 'struct':
      return struct(schema.fields!.map(field => [field.name, conformed((value as Struct)[field.name], field.schema)]))
    default:
      return value
  }
}
