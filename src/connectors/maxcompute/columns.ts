/** Values for the columns of a table, by their types. */
import { type ConnectValue, DataError, Decimal, type SinkRecord } from '../../connector.ts'
import { jsonText, textOf, typedKey, typedValue } from '../values/json.ts'
import { fieldsOf, select, type Typed } from '../values/select.ts'
import { floorDivide, microsOf } from '../values/temporal.ts'
import type { Cell } from './record-stream.ts'
import { type ColumnType, parseType } from './types.ts'

export interface Column {
  readonly name: string
  readonly type: string
  readonly nullable?: boolean
}

type Encode = (typed: Typed, column: string) => Cell

/** Finds the values of a record for all columns of a table. */
export class Columns {
  readonly #columns: readonly { readonly column: Column; readonly encode: Encode; readonly path: readonly string[] | null }[]

  /** `mapping`: the path into the value by the column's name; where it is empty, columns have the fields of their names. */
  constructor(columns: readonly Column[], mapping: ReadonlyMap<string, readonly string[]>) {
    for (const name of mapping.keys())
      if (!columns.some(column => column.name.toLowerCase() === name)) throw new Error(`column.mapping: the table has no column ${name}`)
    this.#columns = columns.map(column => {
      const type = parseType(column.type)
      const encode = type === null ? null : encoderOf(type)
      if (encode === null)
        throw new Error(`column ${column.name} has the type ${column.type}, which cannot be written; a string column takes objects as JSON`)
      return { column, encode, path: mapping.size === 0 ? null : (mapping.get(column.name.toLowerCase()) ?? missingPath) }
    })
  }

  /** Throws DataError. */
  cellsOf(record: SinkRecord): (Cell | null)[] {
    const fields = fieldsOf(typedValue(record))
    const byName = fields === null ? null : new Map(fields.map(([name, field]) => [name.toLowerCase(), field]))
    return this.#columns.map(({ column, encode, path }) => {
      const found =
        path === null
          ? (byName?.get(column.name.toLowerCase()) ?? metadataOf(record, column.name.toLowerCase()))
          : path === missingPath
            ? null
            : select(typedValue(record), path)
      if (found !== null && found.value !== null) return encode(found, column.name)
      if (column.nullable === false) throw new DataError(`column ${column.name} must not be null`)
      return null
    })
  }
}

const missingPath: readonly string[] = []

function metadataOf(record: SinkRecord, name: string): Typed | null {
  const { original } = record
  switch (name) {
    case 'topic':
      return { schema: null, value: original.topic }
    case 'partition':
      return { schema: null, value: original.partition }
    case 'offset':
      return { schema: null, value: original.offset }
    case 'timestamp':
      return { schema: null, value: record.timestampMs }
    case 'key':
      return typedKey(record)
    case 'value':
      return typedValue(record)
    default:
      return null
  }
}

const integerBits: Readonly<Record<string, number>> = { tinyint: 8, smallint: 16, int: 32, bigint: 64 }

/** null: no value can be made for this type. */
function encoderOf({ name, length, parts }: ColumnType): Encode | null {
  const bits = integerBits[name]
  if (bits !== undefined) return (typed, column) => ({ form: 'integer', value: integer(typed, bits, column) })
  switch (name) {
    case 'array':
    case 'map':
    case 'struct':
      return nested(name, parts)
    case 'double':
    case 'float':
      return ({ value }, column) => ({ form: name, value: double(value, column) })
    case 'boolean':
      return ({ value }, column) => ({ form: 'boolean', value: bool(value, column) })
    case 'string':
    case 'binary':
    case 'json':
      return typed => ({ form: 'bytes', value: bytes(typed) })
    case 'varchar':
    case 'char':
      return (typed, column) => ({ form: 'bytes', value: limited(bytes(typed), length ?? Number.POSITIVE_INFINITY, column) })
    case 'decimal':
      return (typed, column) => ({ form: 'bytes', value: Buffer.from(decimal(typed, column)) })
    case 'datetime':
      return (typed, column) => ({ form: 'integer', value: floorDivide(micros(typed, column), 1_000n) })
    case 'date':
      return (typed, column) => ({ form: 'integer', value: floorDivide(micros(typed, column), 86_400_000_000n) })
    case 'timestamp':
    case 'timestamp_ntz':
      return (typed, column) => {
        const all = micros(typed, column)
        const seconds = floorDivide(all, 1_000_000n)
        return { form: 'timestamp', seconds, nanos: Number(all - seconds * 1_000_000n) * 1_000 }
      }
    default:
      return null
  }
}

function nested(name: 'array' | 'map' | 'struct', parts: ColumnType['parts']): Encode | null {
  const encoders = parts.map(part => encoderOf(part.type))
  if (encoders.includes(null)) return null
  const [first, second] = encoders as Encode[]
  switch (name) {
    case 'array':
      return first === undefined ? null : (typed, column) => ({ form: 'array', items: itemsOf(typed, column).map(orNull(first, column)) })
    case 'map':
      if (first === undefined || second === undefined) return null
      return (typed, column) => {
        const entries = entriesOf(typed, column)
        return {
          form: 'map',
          keys: entries.map(([key]) => (key.value === null ? refuse(null, column, 'key of a map') : first(key, column))),
          values: entries.map(([, value]) => value).map(orNull(second, column)),
        }
      }
    case 'struct':
      return (typed, column) => {
        const fields = new Map(
          (fieldsOf(typed) ?? refuse(typed.value, column, 'struct')).map(([field, value]) => [field.toLowerCase(), value]),
        )
        const missing: Typed = { schema: null, value: null }
        const cells = parts.map((part, index) =>
          orNull((encoders as Encode[])[index]!, `${column}.${part.name}`)(fields.get(part.name.toLowerCase()) ?? missing),
        )
        return { form: 'struct', fields: cells }
      }
  }
}

function orNull(encode: Encode, column: string): (typed: Typed) => Cell | null {
  return typed => (typed.value === null ? null : encode(typed, column))
}

function itemsOf({ schema, value }: Typed, column: string): Typed[] {
  if (!Array.isArray(value)) return refuse(value, column, 'array')
  const items = schema?.items ?? null
  return value.map(each => ({ schema: items, value: each }))
}

function entriesOf(typed: Typed, column: string): [key: Typed, value: Typed][] {
  const { schema, value } = typed
  if (value instanceof Map)
    return Array.from(value, ([key, each]) => [
      { schema: schema?.keys ?? null, value: key },
      { schema: schema?.values ?? null, value: each },
    ])
  const fields = fieldsOf(typed) ?? refuse(value, column, 'map')
  return fields.map(([name, each]) => [{ schema: null, value: name }, each])
}

function refuse(value: ConnectValue, column: string, what: string): never {
  const text = Buffer.isBuffer(value)
    ? `${value.length} bytes`
    : typeof value === 'object'
      ? jsonText({ schema: null, value })
      : String(value)
  throw new DataError(`column ${column}: "${text.slice(0, 100)}" is no ${what}`)
}

function integer({ value }: Typed, bits: number, column: string): bigint {
  const text = typeof value === 'string' ? value.trim() : value instanceof Decimal ? value.toString().replace(/\.0+$/, '') : null
  const number =
    typeof value === 'bigint'
      ? value
      : typeof value === 'number' && Number.isInteger(value)
        ? BigInt(value)
        : typeof value === 'boolean'
          ? BigInt(value)
          : text !== null && /^[+-]?\d{1,20}$/.test(text)
            ? BigInt(text.replace('+', ''))
            : null
  if (number === null || BigInt.asIntN(bits, number) !== number) return refuse(value, column, `integer of ${bits} bits`)
  return number
}

function double(value: ConnectValue, column: string): number {
  const number =
    typeof value === 'number' || typeof value === 'bigint' || value instanceof Decimal || (typeof value === 'string' && value.trim() !== '')
      ? Number(value.toString())
      : Number.NaN
  if (Number.isNaN(number) && !Number.isNaN(value)) return refuse(value, column, 'number')
  return number
}

function bool(value: ConnectValue, column: string): boolean {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'false') return value === 'true'
  return refuse(value, column, 'boolean')
}

function bytes(typed: Typed): Buffer {
  return Buffer.isBuffer(typed.value) ? typed.value : Buffer.from(textOf(typed)!)
}

function limited(value: Buffer, most: number, column: string): Buffer {
  if (value.length > most && value.toString().length > most) throw new DataError(`column ${column} takes ${most} characters at most`)
  return value
}

function decimal({ value }: Typed, column: string): string {
  const text =
    typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string' || value instanceof Decimal
      ? value.toString().trim()
      : ''
  return /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(text) ? text : refuse(value, column, 'decimal number')
}

function micros(typed: Typed, column: string): bigint {
  return microsOf(typed) ?? refuse(typed.value, column, 'time')
}
