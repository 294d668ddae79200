/** Values in Avro's binary encoding: a schema is turned into a function once, which writes each value of it. */
import { type ConnectValue, isStruct, type Schema } from '../../connector.ts'
import { twosComplement } from '../values/numbers.ts'
import type { AvroOutput } from './avro-output.ts'
import { below, floatOf, integerOf, isDecimal, longOf, presentOr, refuse, unscaledOf } from './checked.ts'

/** Throws DataError that names the field; what it has written until then is to be cut off. */
export type AvroWriter = (output: AvroOutput, value: ConnectValue | undefined, at: string) => void

export function avroWriterOf(schema: Schema): AvroWriter {
  const plain = plainWriterOf(schema)
  if (schema.optional !== true) return (output, value, at) => plain(output, presentOr(schema, value, at), at)
  return (output, value, at) => {
    const present = presentOr(schema, value, at)
    output.byte(present === null ? 0 : 2)
    if (present !== null) plain(output, present, at)
  }
}

type Plain = (output: AvroOutput, value: ConnectValue, at: string) => void

function plainWriterOf(schema: Schema): Plain {
  if (isDecimal(schema)) return (output, value, at) => output.sized(twosComplement(unscaledOf(schema, value, at)))
  switch (schema.type) {
    case 'int8':
    case 'int16':
    case 'int32':
      return (output, value, at) => output.int(integerOf(schema, value, at))
    case 'int64':
      return (output, value, at) => output.long(longOf(value, at))
    case 'float32':
      return (output, value, at) => output.float(floatOf(schema, value, at))
    case 'float64':
      return (output, value, at) => output.double(floatOf(schema, value, at))
    case 'boolean':
      return (output, value, at) => (typeof value === 'boolean' ? output.byte(value ? 1 : 0) : refuse(at, value, 'boolean'))
    case 'string':
      return (output, value, at) => (typeof value === 'string' ? output.text(value) : refuse(at, value, 'string'))
    case 'bytes':
      return (output, value, at) => (Buffer.isBuffer(value) ? output.sized(value) : refuse(at, value, 'bytes'))
    case 'array':
      return arrayWriterOf(schema)
    case 'map':
      return mapWriterOf(schema)
    case 'struct':
      return structWriterOf(schema)
  }
}

function arrayWriterOf(schema: Schema): Plain {
  const items = avroWriterOf(schema.items!)
  return (output, value, at) => {
    if (!Array.isArray(value)) refuse(at, value, 'array')
    const array = value as ConnectValue[]
    if (array.length > 0) output.int(array.length)
    for (const each of array) items(output, each, below(at, '[]'))
    output.int(0)
  }
}

function mapWriterOf(schema: Schema): Plain {
  const keys = avroWriterOf(schema.keys!)
  const values = avroWriterOf(schema.values!)
  return (output, value, at) => {
    if (!(value instanceof Map)) refuse(at, value, 'map')
    const map = value as Map<ConnectValue, ConnectValue>
    if (map.size > 0) output.int(map.size)
    for (const [key, each] of map) {
      keys(output, key, below(at, 'key'))
      values(output, each, below(at, 'value'))
    }
    output.int(0)
  }
}

function structWriterOf(schema: Schema): Plain {
  const fields = (schema.fields ?? []).map(field => ({ name: field.name, write: avroWriterOf(field.schema) }))
  return (output, value, at) => {
    if (!isStruct(value)) refuse(at, value, 'struct')
    for (const { name, write } of fields) write(output, (value as Record<string, ConnectValue>)[name], below(at, name))
  }
}
