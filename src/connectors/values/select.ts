/** A part of a value by its path, with its schema: fields of structs, entries of maps, elements of arrays by number. */
import { type ConnectValue, fieldOf, isStruct, type Schema } from '../../connector.ts'

export interface Typed {
  /** null: without schema. */
  readonly schema: Schema | null
  readonly value: ConnectValue
}

/** null: there is no such part. A part that is there may be null; where its schema has a default it is that. */
export function select(whole: Typed, path: readonly string[]): Typed | null {
  let { schema, value } = whole
  for (const name of path) {
    let part: ConnectValue | undefined
    if (value instanceof Map) part = value.get(name)
    else if (Array.isArray(value)) part = /^\d{1,9}$/.test(name) ? value[Number(name)] : undefined
    else if (isStruct(value)) part = Object.hasOwn(value, name) ? value[name] : undefined
    if (part === undefined) return null
    schema = schema === null ? null : partOf(schema, name)
    value = part ?? schema?.default ?? null
  }
  return { schema, value }
}

function partOf(schema: Schema, name: string): Schema | null {
  if (schema.type === 'struct') return fieldOf(schema, name)?.schema ?? null
  return (schema.type === 'map' ? schema.values : schema.items) ?? null
}

/** The fields of a struct or of a map with texts as keys, each with its schema; null: it is neither. */
export function fieldsOf({ schema, value }: Typed): [name: string, field: Typed][] | null {
  if (value instanceof Map) {
    const fields: [string, Typed][] = []
    for (const [name, each] of value) fields.push([String(name), { schema: schema?.values ?? null, value: each }])
    return fields
  }
  if (!isStruct(value)) return null
  if (schema?.type === 'struct')
    return (schema.fields ?? []).map(field => [
      field.name,
      { schema: field.schema, value: value[field.name] ?? field.schema.default ?? null },
    ])
  return Object.keys(value).map(name => [name, { schema: schema?.values ?? null, value: value[name] ?? null }])
}
