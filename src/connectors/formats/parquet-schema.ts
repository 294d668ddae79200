/** Schemas as Parquet has them: a flat list of elements in preorder. */
import type { SchemaElement } from 'hyparquet-writer'
import { DataError, logical, type Schema } from '../../connector.ts'
import { below, isDecimal, precisionOf, requireFinite, scaleOf } from './checked.ts'

export function parquetElementsOf(schema: Schema): SchemaElement[] {
  const elements: SchemaElement[] = [{ name: 'root', num_children: fieldsOf(schema, '').length }]
  for (const field of fieldsOf(schema, '')) append(elements, field.name, field.schema, field.name, [schema])
  return elements
}

function fieldsOf(schema: Schema, at: string): NonNullable<Schema['fields']> {
  const fields = schema.fields ?? []
  if (fields.length === 0) throw new DataError(`${at === '' ? 'the value' : `field ${at}`} has no fields, which Parquet cannot hold`)
  const names = new Set(fields.map(field => field.name))
  if (names.size !== fields.length) throw new DataError(`${at === '' ? 'the value' : `field ${at}`} has two fields of the same name`)
  return fields
}

function append(elements: SchemaElement[], name: string, schema: Schema, at: string, above: readonly Schema[]): void {
  requireFinite(schema, at, above)
  const within = [...above, schema]
  const repetition_type = schema.optional === true ? 'OPTIONAL' : 'REQUIRED'
  const of = (element: Omit<SchemaElement, 'name'>) => elements.push({ name, repetition_type, ...element })
  switch (schema.type) {
    case 'array':
      of({ converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 })
      elements.push({ name: 'list', repetition_type: 'REPEATED', num_children: 1 })
      append(elements, 'element', schema.items!, below(at, '[]'), within)
      break
    case 'map':
      of({ converted_type: 'MAP', logical_type: { type: 'MAP' }, num_children: 1 })
      elements.push({ name: 'key_value', repetition_type: 'REPEATED', num_children: 2 })
      append(elements, 'key', { ...schema.keys!, optional: false }, below(at, 'key'), within)
      append(elements, 'value', schema.values!, below(at, 'value'), within)
      break
    case 'struct':
      of({ num_children: fieldsOf(schema, at).length })
      for (const field of fieldsOf(schema, at)) append(elements, field.name, field.schema, below(at, field.name), within)
      break
    default:
      of(leafOf(schema))
  }
}

function leafOf(schema: Schema): Omit<SchemaElement, 'name'> {
  if (isDecimal(schema)) return parquetDecimal(precisionOf(schema), scaleOf(schema))
  if (schema.name === logical.date) return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } }
  if (schema.name === logical.time)
    return { type: 'INT32', converted_type: 'TIME_MILLIS', logical_type: { type: 'TIME', isAdjustedToUTC: true, unit: 'MILLIS' } }
  if (schema.name === logical.timestamp)
    return { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' } }
  switch (schema.type) {
    case 'int8':
      return { type: 'INT32', converted_type: 'INT_8', logical_type: { type: 'INTEGER', bitWidth: 8, isSigned: true } }
    case 'int16':
      return { type: 'INT32', converted_type: 'INT_16', logical_type: { type: 'INTEGER', bitWidth: 16, isSigned: true } }
    case 'int32':
      return { type: 'INT32' }
    case 'int64':
      return { type: 'INT64' }
    case 'float32':
      return { type: 'FLOAT' }
    case 'float64':
      return { type: 'DOUBLE' }
    case 'boolean':
      return { type: 'BOOLEAN' }
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } }
    default:
      return { type: 'BYTE_ARRAY' }
  }
}

export function parquetDecimal(precision: number, scale: number): Omit<SchemaElement, 'name'> {
  return {
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: decimalBytes(precision),
    converted_type: 'DECIMAL',
    logical_type: { type: 'DECIMAL', precision, scale },
    precision,
    scale,
  }
}

/** As few bytes as hold every number of so many digits. */
function decimalBytes(precision: number): number {
  let bytes = 1
  while (10n ** BigInt(precision) > 2n ** BigInt(8 * bytes - 1)) bytes++
  return bytes
}
