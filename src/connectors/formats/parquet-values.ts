/** Values as hyparquet-writer takes them: a schema is turned into a function once, which checks and converts each value of it. */
import { type ConnectValue, DataError, isStruct, logical, type Schema } from '../../connector.ts'
import { below, floatOf, integerOf, isDecimal, longOf, precisionOf, presentOr, refuse, unscaledOf } from './checked.ts'

export type ParquetValue = null | boolean | number | bigint | string | Uint8Array | ParquetValue[] | { [field: string]: ParquetValue }

type Convert = (value: ConnectValue | undefined) => ParquetValue

/** Throws DataError that names the field. */
export function parquetValueOf(schema: Schema, at: string): Convert {
  const plain = plainOf(schema, at)
  return value => {
    const present = presentOr(schema, value, at)
    return present === null ? null : plain(present)
  }
}

function plainOf(schema: Schema, at: string): (value: ConnectValue) => ParquetValue {
  if (isDecimal(schema)) return decimalOf(schema, at)
  if (schema.name === logical.timestamp) return value => longOf(value, at)
  switch (schema.type) {
    case 'int8':
    case 'int16':
    case 'int32':
      return value => integerOf(schema, value, at)
    case 'int64':
      return value => longOf(value, at)
    case 'float32':
    case 'float64':
      return value => floatOf(schema, value, at)
    case 'boolean':
      return value => (typeof value === 'boolean' ? value : refuse(at, value, 'boolean'))
    case 'string':
      return value => (typeof value === 'string' ? value : refuse(at, value, 'string'))
    case 'bytes':
      return value => (Buffer.isBuffer(value) ? value : refuse(at, value, 'bytes'))
    case 'array': {
      const item = parquetValueOf(schema.items!, below(at, '[]'))
      return value => (Array.isArray(value) ? value.map(item) : refuse(at, value, 'array'))
    }
    case 'map':
      return mapOf(schema, at)
    case 'struct':
      return structOf(schema, at)
  }
}

function decimalOf(schema: Schema, at: string): (value: ConnectValue) => ParquetValue {
  const bound = 10n ** BigInt(precisionOf(schema))
  return value => {
    const unscaled = unscaledOf(schema, value, at)
    if (unscaled >= bound || unscaled <= -bound) throw new DataError(`field ${at} has more than ${precisionOf(schema)} digits`)
    return unscaled
  }
}

function mapOf(schema: Schema, at: string): (value: ConnectValue) => ParquetValue {
  const key = parquetValueOf({ ...schema.keys!, optional: false }, below(at, 'key'))
  const each = parquetValueOf(schema.values!, below(at, 'value'))
  return value => {
    if (!(value instanceof Map)) return refuse(at, value, 'map')
    return Array.from(value, ([name, of]) => ({ key: key(name), value: each(of) }))
  }
}

function structOf(schema: Schema, at: string): (value: ConnectValue) => ParquetValue {
  const fields = (schema.fields ?? []).map(field => ({ name: field.name, convert: parquetValueOf(field.schema, below(at, field.name)) }))
  return value => {
    if (!isStruct(value)) return refuse(at, value, 'struct')
    const made: { [field: string]: ParquetValue } = Object.create(null)
    for (const { name, convert } of fields) made[name] = convert(value[name])
    return made
  }
}
