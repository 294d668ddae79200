/** What converters and transforms ask of schemas: the type of a value without one, defaults, and copies of what stands around the fields. */
import { type ConnectValue, Decimal, type Field, isStruct, type Schema, type SchemaType, type Struct, struct } from '../../connector.ts'

/** Of a value without a schema; a Struct is then what Java calls a Map. null: null, or a decimal, which Kafka Connect knows only with a schema. */
export function typeOf(value: ConnectValue): SchemaType | null {
  if (value === null || value instanceof Decimal) return null
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'boolean' || typeof value === 'string') return typeof value as 'boolean' | 'string'
  if (Buffer.isBuffer(value)) return 'bytes'
  return Array.isArray(value) ? 'array' : 'map'
}

/** `withDefault`: where it is null, the default of its schema. */
export function fieldValue(from: Struct, { name, schema }: Field, withDefault: boolean): ConnectValue {
  const value = from[name] ?? null
  return value === null && withDefault ? (schema.default ?? null) : value
}

/** The fields that the schema has, of a struct that may have more. */
export function fieldsOf({ fields = [] }: Schema, from: Struct, withDefault: boolean): Struct {
  return struct(fields.map(field => [field.name, fieldValue(from, field, withDefault)] as const))
}

/** Name, version, documentation and parameters, but neither optional nor default. */
export function basicsOf({ name, version, doc, parameters }: Schema): Pick<Schema, 'name' | 'version' | 'doc' | 'parameters'> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    ...(doc === undefined ? {} : { doc }),
    ...(parameters === undefined ? {} : { parameters }),
  }
}

/** `{ optional: true }` or nothing, so that equal schemas look equal. */
export function optionalIf(optional: boolean | undefined): { optional?: true } {
  return optional === true ? { optional } : {}
}

export function defaultIf(value: ConnectValue | undefined): { default?: ConnectValue } {
  return value === undefined || value === null ? {} : { default: value }
}

/** Entries of what has no schema, be it a Struct or a Map. null: neither. */
export function entriesOf(value: ConnectValue): [string, ConnectValue][] | null {
  if (value instanceof Map) return Array.from(value, ([key, each]) => [String(key), each])
  return isStruct(value) ? Object.entries(value) : null
}

/** Of one schema another one, made once for as long as the first is there. */
export function cachedBySchema<T>(make: (schema: Schema) => T): (schema: Schema) => T {
  const made = new WeakMap<Schema, { readonly value: T }>()
  return schema => {
    let known = made.get(schema)
    if (known === undefined) {
      known = { value: make(schema) }
      made.set(schema, known)
    }
    return known.value
  }
}

/** A struct within itself, optional: the same schema, which is not complete yet. */
export function againOptional(schema: Schema): Schema {
  const again = Object.create(null) as Record<string, unknown>
  for (const name of ['type', 'name', 'version', 'doc', 'parameters', 'fields'] as const)
    Object.defineProperty(again, name, { enumerable: true, get: () => schema[name] })
  again.optional = true
  return again as unknown as Schema
}
