/** Schemas as Kafka's JsonConverter writes them beside the payload. */
import { type ConnectValue, DataError, type Field, type Schema, type SchemaType } from '../../connector.ts'

const nameOf: Readonly<Partial<Record<SchemaType, string>>> = { float32: 'float', float64: 'double' }
const typeOf: Readonly<Record<string, SchemaType>> = {
  boolean: 'boolean',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  float: 'float32',
  double: 'float64',
  bytes: 'bytes',
  string: 'string',
  array: 'array',
  map: 'map',
  struct: 'struct',
}

/** As JSON text; `payload` writes a default. */
export function schemaToJson(schema: Schema, payload: (schema: Schema, value: ConnectValue) => string, fieldName?: string): string {
  const parts = [`"type":"${nameOf[schema.type] ?? schema.type}"`]
  const inner = (each: Schema) => schemaToJson(each, payload)
  if (schema.type === 'array') parts.push(`"items":${inner(schema.items!)}`)
  if (schema.type === 'map') parts.push(`"keys":${inner(schema.keys!)}`, `"values":${inner(schema.values!)}`)
  if (schema.type === 'struct')
    parts.push(`"fields":[${(schema.fields ?? []).map(field => schemaToJson(field.schema, payload, field.name)).join(',')}]`)
  parts.push(`"optional":${schema.optional === true}`)
  if (schema.name !== undefined) parts.push(`"name":${JSON.stringify(schema.name)}`)
  if (schema.version !== undefined) parts.push(`"version":${schema.version}`)
  if (schema.doc !== undefined) parts.push(`"doc":${JSON.stringify(schema.doc)}`)
  if (schema.parameters !== undefined) parts.push(`"parameters":${JSON.stringify(schema.parameters)}`)
  if (schema.default !== undefined && schema.default !== null) parts.push(`"default":${payload(schema, schema.default)}`)
  if (fieldName !== undefined) parts.push(`"field":${JSON.stringify(fieldName)}`)
  return `{${parts.join(',')}}`
}

type Json = Record<string, unknown>

/** `payload` reads a default. Throws DataError. */
export function schemaFromJson(json: unknown, payload: (schema: Schema, json: unknown) => ConnectValue): Schema | null {
  if (json === null) return null
  const node = (typeof json === 'object' && !Array.isArray(json) ? json : {}) as Json
  if (typeof node.type !== 'string') throw new DataError("Schema must contain 'type' field")
  const type = Object.hasOwn(typeOf, node.type) ? typeOf[node.type]! : undefined
  if (type === undefined) throw new DataError(`Unknown schema type: ${node.type}`)
  const schema: Schema = { type, ...partsOf(type, node, payload), ...metadataOf(node) }
  return node.default === undefined || node.default === null ? schema : { ...schema, default: payload(schema, node.default) }
}

function partsOf(type: SchemaType, node: Json, payload: (schema: Schema, json: unknown) => ConnectValue): Partial<Schema> {
  const inner = (json: unknown, what: string): Schema => {
    const schema = json === undefined ? null : schemaFromJson(json, payload)
    if (schema === null) throw new DataError(`${what} type`)
    return schema
  }
  if (type === 'array') return { items: inner(node.items, 'Array schema did not specify the element') }
  if (type === 'map')
    return {
      keys: inner(node.keys, 'Map schema did not specify the key'),
      values: inner(node.values, 'Map schema did not specify the value'),
    }
  if (type !== 'struct') return {}
  if (!Array.isArray(node.fields)) throw new DataError('Struct schema\'s "fields" argument is not an array.')
  const fields = node.fields.map((each: unknown): Field => {
    const name = ((each ?? {}) as Json).field
    if (typeof name !== 'string') throw new DataError("Struct schema's field name not specified properly")
    return { name, schema: inner(each, "Struct schema's field name did not specify the") }
  })
  if (new Set(fields.map(({ name }) => name)).size < fields.length)
    throw new DataError('Cannot create field because of field name duplication')
  return { fields }
}

function metadataOf(node: Json): Partial<Schema> {
  const { optional, name, version, doc, parameters } = node
  const isMap = typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)
  if (isMap && Object.values(parameters).some(value => typeof value !== 'string'))
    throw new DataError('Schema parameters must have string values.')
  return {
    ...(optional === true ? { optional } : {}),
    ...(typeof name === 'string' ? { name } : {}),
    ...(Number.isInteger(version) ? { version: version as number } : {}),
    ...(typeof doc === 'string' ? { doc } : {}),
    ...(isMap ? { parameters: parameters as Readonly<Record<string, string>> } : {}),
  }
}
