/** Types of Iceberg's tables (format version 2): from schemas of records, evolved by them, and as Parquet has them. */
import type { SchemaElement } from 'hyparquet-writer'
import { DataError, logical, type Schema } from '../../connector.ts'
import { isDecimal, precisionOf, requireFinite, scaleOf } from '../formats/checked.ts'
import { parquetDecimal } from '../formats/parquet-schema.ts'

/** As the catalogue has it: a name such as `long` or `decimal(9,2)`, or one of the nested ones. */
export type IcebergType = string | StructType | ListType | MapType

export interface StructType {
  readonly type: 'struct'
  readonly fields: readonly IcebergField[]
}

export interface IcebergField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: IcebergType
  readonly doc?: string
}

export interface ListType {
  readonly type: 'list'
  readonly 'element-id': number
  readonly element: IcebergType
  readonly 'element-required': boolean
}

export interface MapType {
  readonly type: 'map'
  readonly 'key-id': number
  readonly key: IcebergType
  readonly 'value-id': number
  readonly value: IcebergType
  readonly 'value-required': boolean
}

export interface TableSchema extends StructType {
  readonly 'schema-id': number
  readonly 'identifier-field-ids'?: readonly number[]
}

const simple: Readonly<Record<string, string>> = {
  int8: 'int',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  string: 'string',
  bytes: 'binary',
}
const times: Readonly<Record<string, string>> = { [logical.date]: 'date', [logical.time]: 'time', [logical.timestamp]: 'timestamptz' }

/** Gives out ids of fields. */
export class Ids {
  last: number

  constructor(last: number) {
    this.last = last
  }

  next(): number {
    return ++this.last
  }
}

export function structFrom(schema: Schema, ids: Ids, above: readonly Schema[] = []): StructType {
  requireFinite(schema, schema.name ?? 'struct', above)
  const within = [...above, schema]
  // Ids of the fields of a level are given before those within them, as Iceberg's own writers do.
  const numbered = (schema.fields ?? []).map(field => ({ field, id: ids.next() }))
  return {
    type: 'struct',
    fields: numbered.map(({ field, id }) => ({
      id,
      name: field.name,
      required: field.schema.optional !== true,
      type: typeFrom(field.schema, ids, within),
    })),
  }
}

function typeFrom(schema: Schema, ids: Ids, above: readonly Schema[]): IcebergType {
  if (isDecimal(schema)) return `decimal(${precisionOf(schema)},${scaleOf(schema)})`
  const time = schema.name === undefined ? undefined : times[schema.name]
  if (time !== undefined) return time
  switch (schema.type) {
    case 'struct':
      if ((schema.fields ?? []).length === 0) throw new DataError('a struct without fields has no type in Iceberg')
      return structFrom(schema, ids, above)
    case 'array': {
      const id = ids.next()
      return {
        type: 'list',
        'element-id': id,
        element: typeFrom(schema.items!, ids, above),
        'element-required': schema.items!.optional !== true,
      }
    }
    case 'map': {
      const key = ids.next()
      const value = ids.next()
      return {
        type: 'map',
        'key-id': key,
        key: typeFrom(schema.keys!, ids, above),
        'value-id': value,
        value: typeFrom(schema.values!, ids, above),
        'value-required': schema.values!.optional !== true,
      }
    }
    default:
      return simple[schema.type]!
  }
}

/** The struct with what records of this schema have besides: new fields, always optional, and wider numbers. The same object if that is nothing. */
export function evolved(struct: StructType, schema: Schema, ids: Ids): StructType {
  let hasChanged = false
  const fields = struct.fields.map(field => {
    const of = schema.fields?.find(each => each.name === field.name)?.schema
    const type = of === undefined ? field.type : evolvedType(field.type, of, ids)
    // A field that records may lack may be missing from now on.
    const required = field.required && of !== undefined && of.optional !== true
    if (type === field.type && required === field.required) return field
    hasChanged = true
    return { ...field, type, required }
  })
  for (const { name, schema: of } of schema.fields ?? []) {
    if (struct.fields.some(each => each.name === name)) continue
    if (of.type === 'struct' && (of.fields ?? []).length === 0) continue
    hasChanged = true
    const id = ids.next()
    fields.push({ id, name, required: false, type: typeFrom(of, ids, [schema]) })
  }
  return hasChanged ? { ...struct, fields } : struct
}

function evolvedType(type: IcebergType, schema: Schema, ids: Ids): IcebergType {
  if (typeof type === 'string') {
    if (type === 'int' && schema.type === 'int64' && schema.name === undefined) return 'long'
    if (type === 'float' && schema.type === 'float64') return 'double'
    return type
  }
  if (type.type === 'struct') return schema.type === 'struct' ? evolved(type, schema, ids) : type
  if (type.type === 'list' && schema.type === 'array') {
    const element = evolvedType(type.element, schema.items!, ids)
    return element === type.element ? type : { ...type, element }
  }
  if (type.type === 'map' && schema.type === 'map') {
    const value = evolvedType(type.value, schema.values!, ids)
    return value === type.value ? type : { ...type, value }
  }
  return type
}

/** Preorder, with the ids by which readers find columns. */
export function elementsOf(struct: StructType): SchemaElement[] {
  const elements: SchemaElement[] = [{ name: 'table', num_children: struct.fields.length }]
  for (const { id, name, required, type } of struct.fields) append(elements, id, name, required, type)
  return elements
}

function append(elements: SchemaElement[], field_id: number, name: string, required: boolean, type: IcebergType): void {
  const base = { name, field_id, repetition_type: required ? 'REQUIRED' : 'OPTIONAL' } as const
  if (typeof type === 'string') {
    elements.push({ ...base, ...leafOf(type) })
    return
  }
  switch (type.type) {
    case 'struct':
      elements.push({ ...base, num_children: type.fields.length })
      for (const field of type.fields) append(elements, field.id, field.name, field.required, field.type)
      break
    case 'list':
      elements.push({ ...base, converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 })
      elements.push({ name: 'list', repetition_type: 'REPEATED', num_children: 1 })
      append(elements, type['element-id'], 'element', type['element-required'], type.element)
      break
    case 'map':
      elements.push({ ...base, converted_type: 'MAP', logical_type: { type: 'MAP' }, num_children: 1 })
      elements.push({ name: 'key_value', repetition_type: 'REPEATED', num_children: 2 })
      append(elements, type['key-id'], 'key', true, type.key)
      append(elements, type['value-id'], 'value', type['value-required'], type.value)
      break
  }
}

function leafOf(type: string): Omit<SchemaElement, 'name'> {
  const decimal = decimalOf(type)
  if (decimal !== null) return parquetDecimal(decimal.precision, decimal.scale)
  switch (type) {
    case 'boolean':
      return { type: 'BOOLEAN' }
    case 'int':
      return { type: 'INT32' }
    case 'long':
      return { type: 'INT64' }
    case 'float':
      return { type: 'FLOAT' }
    case 'double':
      return { type: 'DOUBLE' }
    case 'date':
      return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } }
    case 'time':
      return { type: 'INT64', converted_type: 'TIME_MICROS', logical_type: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' } }
    case 'timestamp':
    case 'timestamptz': {
      const logical_type = { type: 'TIMESTAMP' as const, isAdjustedToUTC: type === 'timestamptz', unit: 'MICROS' as const }
      return type === 'timestamptz' ? { type: 'INT64', converted_type: 'TIMESTAMP_MICROS', logical_type } : { type: 'INT64', logical_type }
    }
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } }
    case 'binary':
      return { type: 'BYTE_ARRAY' }
    default:
      throw new Error(`columns of the type ${type} cannot be written by this connector`)
  }
}

/** null: no decimal. */
export function decimalOf(type: string): { precision: number; scale: number } | null {
  const match = /^decimal\((\d+),\s*(\d+)\)$/.exec(type)
  return match === null ? null : { precision: Number(match[1]), scale: Number(match[2]) }
}
