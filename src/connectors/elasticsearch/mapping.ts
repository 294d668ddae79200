/** Mappings from schemas, as Confluent's connector makes them, but for dates, which are written as ISO 8601. */
import { logical, type Schema } from '../../connector.ts'
import { isDecimal } from '../formats/checked.ts'

type Mapping = { readonly [property: string]: unknown }

const types: Readonly<Record<string, string>> = {
  int8: 'byte',
  int16: 'short',
  int32: 'integer',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  bytes: 'binary',
}
const mostDepth = 20

/** Of a whole document; null: the schema has no fields. */
export function mappingOf(schema: Schema, compactMaps: boolean): Mapping | null {
  return schema.type === 'struct' ? of(schema, compactMaps, 0) : null
}

function of(schema: Schema, compactMaps: boolean, depth: number): Mapping {
  // The target's own bound for nested fields.
  if (depth >= mostDepth) return { type: 'object' }
  if (isDecimal(schema)) return { type: 'double' }
  if (schema.name === logical.date || schema.name === logical.timestamp) return { type: 'date' }
  if (schema.name === logical.time) return { type: 'date', format: 'HH:mm:ss.SSS' }
  switch (schema.type) {
    case 'string':
      return { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } }
    case 'array':
      return of(schema.items!, compactMaps, depth)
    case 'map':
      if (compactMaps && schema.keys!.type === 'string') return { type: 'object' }
      return {
        type: 'nested',
        properties: { key: of(schema.keys!, compactMaps, depth + 1), value: of(schema.values!, compactMaps, depth + 1) },
      }
    case 'struct':
      return {
        properties: Object.fromEntries((schema.fields ?? []).map(({ name, schema: field }) => [name, of(field, compactMaps, depth + 1)])),
      }
    default:
      return { type: types[schema.type]! }
  }
}
