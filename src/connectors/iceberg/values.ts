/** Values of records as columns of Iceberg's tables have them. */
import { type ConnectValue, DataError, Decimal, isStruct } from '../../connector.ts'
import { below, longOf, refuse } from '../formats/checked.ts'
import type { ParquetColumns } from '../formats/parquet.ts'
import type { ParquetValue } from '../formats/parquet-values.ts'
import { type JsonStyle, jsonText } from '../values/json.ts'
import { rescaled } from '../values/numbers.ts'
import { decimalOf, elementsOf, type IcebergField, type IcebergType, type StructType } from './types.ts'

export type Convert = (value: ConnectValue | undefined) => ParquetValue

const json: JsonStyle = { decimals: 'string', times: 'iso', maps: 'pairs' }

export function columnsOf(struct: StructType): ParquetColumns {
  return { elements: elementsOf(struct), columns: struct.fields.map(field => ({ name: field.name, value: columnOf(field, '') })) }
}

/** Throws DataError that names the field. */
export function columnOf({ name, required, type }: Pick<IcebergField, 'name' | 'required' | 'type'>, at: string): Convert {
  const path = below(at, name)
  const plain = plainOf(type, path)
  return value => {
    if (value !== null && value !== undefined) return plain(value)
    if (required) throw new DataError(`field ${path} is null, and the table requires it`)
    return null
  }
}

function plainOf(type: IcebergType, at: string): (value: Exclude<ConnectValue, null>) => ParquetValue {
  if (typeof type === 'string') return scalarOf(type, at)
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map(field => ({ name: field.name, convert: columnOf(field, at) }))
      return value => {
        if (!isStruct(value)) return refuse(at, value, 'struct')
        const made: { [field: string]: ParquetValue } = Object.create(null)
        for (const { name, convert } of fields) made[name] = convert(value[name])
        return made
      }
    }
    case 'list': {
      const element = columnOf({ name: '[]', required: type['element-required'], type: type.element }, at)
      return value => (Array.isArray(value) ? value.map(each => element(each)) : refuse(at, value, 'list'))
    }
    case 'map': {
      const key = columnOf({ name: 'key', required: true, type: type.key }, at)
      const of = columnOf({ name: 'value', required: type['value-required'], type: type.value }, at)
      return value => {
        if (value instanceof Map) return Array.from(value, ([name, each]) => ({ key: key(name), value: of(each) }))
        if (isStruct(value)) return Object.keys(value).map(name => ({ key: key(name), value: of(value[name]) }))
        return refuse(at, value, 'map')
      }
    }
  }
}

function scalarOf(type: string, at: string): (value: Exclude<ConnectValue, null>) => ParquetValue {
  const decimal = decimalOf(type)
  if (decimal !== null) return value => unscaled(value, decimal.precision, decimal.scale, at)
  switch (type) {
    case 'boolean':
      return value => (typeof value === 'boolean' ? value : refuse(at, value, type))
    case 'int':
      return value => {
        const exact = longOf(value, at)
        return exact >= -(2n ** 31n) && exact < 2n ** 31n ? Number(exact) : refuse(at, value, type)
      }
    case 'long':
      return value => longOf(value, at)
    case 'float':
    case 'double':
      return value => (typeof value === 'number' || typeof value === 'bigint' ? Number(value) : refuse(at, value, type))
    case 'string':
      return value => (typeof value === 'string' ? value : jsonText({ schema: null, value }, json))
    case 'binary':
      return value => (Buffer.isBuffer(value) ? value : refuse(at, value, type))
    case 'date':
      return value => (typeof value === 'string' ? Math.floor(msOf(value, at) / 86_400_000) : Number(longOf(value, at)))
    case 'time':
      return value => longOf(value, at) * 1_000n
    case 'timestamp':
    case 'timestamptz':
      return value => (typeof value === 'string' ? BigInt(msOf(value, at)) : longOf(value, at)) * 1_000n
    default:
      throw new Error(`columns of the type ${type} cannot be written by this connector`)
  }
}

function unscaled(value: Exclude<ConnectValue, null>, precision: number, scale: number, at: string): bigint {
  const exact = value instanceof Decimal ? rescaled(value, scale) : longOf(value, at) * 10n ** BigInt(scale)
  if (exact === null) throw new DataError(`field ${at} has more than ${scale} decimals`)
  const bound = 10n ** BigInt(precision)
  if (exact >= bound || exact <= -bound) throw new DataError(`field ${at} has more than ${precision} digits`)
  return exact
}

function msOf(text: string, at: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new DataError(`field ${at} holds no time of ISO 8601`)
  return ms
}
