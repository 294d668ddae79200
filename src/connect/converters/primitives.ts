/** Converters of text, bytes, numbers and booleans, as Kafka's serializers write them. */
import { string } from '../../base.ts'
import { type ConnectValue, DataError, type Schema, type SchemaType } from '../../connector.ts'
import { javaClass, javaText } from '../values/java.ts'
import { type ConverterDefinition, defineConverter } from './converter.ts'

const storage = 'org.apache.kafka.connect.storage.'
const numbers = 'org.apache.kafka.connect.converters.'

/** Java's names of the encodings that Node knows. */
const encodings: Readonly<Record<string, BufferEncoding>> = {
  UTF8: 'utf8',
  'UTF-8': 'utf8',
  'ISO-8859-1': 'latin1',
  ISO8859_1: 'latin1',
  LATIN1: 'latin1',
  'UTF-16LE': 'utf16le',
  'US-ASCII': 'latin1',
  ASCII: 'latin1',
}

const anyText: Schema = { type: 'string', optional: true }
const noText = { schema: anyText, value: null }
const anyBytes: Schema = { type: 'bytes', optional: true }

const text = defineConverter({
  name: 'string',
  classes: [`${storage}StringConverter`],
  summary: 'text: of everything that is no text, what Java prints; bytes in base64',
  forHeaders: true,
  keys: { 'converter.encoding': string({ default: 'UTF-8', doc: `The encoding: ${Object.keys(encodings).join(', ')}.` }) },
  open({ 'converter.encoding': name }, { refuse }) {
    const encoding = encodings[name.toUpperCase()]
    if (encoding === undefined) throw refuse('converter.encoding', name, 'it is not known')
    return {
      toConnect: (_topic, bytes) => (bytes === null ? noText : { schema: anyText, value: bytes.toString(encoding) }),
      fromConnect: (_topic, schema, value) => (value === null ? null : Buffer.from(javaText(value, schema), encoding)),
    }
  },
})

const byteArray = defineConverter({
  name: 'bytes',
  classes: [`${numbers}ByteArrayConverter`],
  summary: 'bytes as they are',
  forHeaders: true,
  keys: {},
  open: () => ({
    toConnect: (_topic, bytes) => ({ schema: anyBytes, value: bytes }),
    fromConnect(_topic, schema, value) {
      if (schema !== null && schema.type !== 'bytes')
        throw new DataError(`Invalid schema type for ByteArrayConverter: ${schema.type.toUpperCase()}`)
      if (value === null || Buffer.isBuffer(value)) return value
      throw new DataError(`ByteArrayConverter is not compatible with objects of type class ${javaClass(value, schema)}`)
    },
  }),
})

const boolean = defineConverter({
  name: 'boolean',
  classes: [`${numbers}BooleanConverter`],
  summary: 'one byte, 0 or 1',
  forHeaders: true,
  keys: {},
  open: () => ({
    toConnect(_topic, bytes) {
      const schema: Schema = { type: 'boolean', optional: true }
      if (bytes === null) return { schema, value: null }
      if (bytes.length !== 1) throw new DataError('Failed to deserialize boolean: Size of data received by BooleanDeserializer is not 1')
      if (bytes[0]! > 1)
        throw new DataError(`Failed to deserialize boolean: Unexpected byte received by BooleanDeserializer: ${bytes.readInt8(0)}`)
      return { schema, value: bytes[0] === 1 }
    },
    fromConnect(_topic, schema, value) {
      if (schema !== null && schema.type !== 'boolean')
        throw new DataError(`Invalid schema type for BooleanConverter: ${schema.type.toUpperCase()}`)
      if (value === null) return null
      if (typeof value !== 'boolean')
        throw new DataError(`BooleanConverter is not compatible with objects of type class ${javaClass(value, schema)}`)
      return Buffer.from([value ? 1 : 0])
    },
  }),
})

interface NumberForm {
  readonly java: string
  readonly type: SchemaType
  readonly bytes: number
  read(bytes: Buffer): number | bigint
  write(value: number | bigint, bytes: Buffer): void
}

const whole = (java: string, type: SchemaType, bytes: number): NumberForm => ({
  java,
  type,
  bytes,
  read: each => (bytes === 8 ? each.readBigInt64BE() : each.readIntBE(0, bytes)),
  write: (value, each) => (bytes === 8 ? each.writeBigInt64BE(BigInt(value)) : each.writeIntBE(Number(value), 0, bytes)),
})

const forms: readonly NumberForm[] = [
  whole('Short', 'int16', 2),
  whole('Integer', 'int32', 4),
  whole('Long', 'int64', 8),
  {
    java: 'Float',
    type: 'float32',
    bytes: 4,
    read: bytes => bytes.readFloatBE(),
    write: (value, bytes) => bytes.writeFloatBE(Number(value)),
  },
  {
    java: 'Double',
    type: 'float64',
    bytes: 8,
    read: bytes => bytes.readDoubleBE(),
    write: (value, bytes) => bytes.writeDoubleBE(Number(value)),
  },
]

function numberConverter(form: NumberForm): ConverterDefinition {
  const noun = form.java.toLowerCase()
  const schema: Schema = { type: form.type, optional: true }
  return defineConverter({
    name: noun,
    classes: [`${numbers}${form.java}Converter`],
    summary: `a number of ${form.bytes} bytes`,
    forHeaders: true,
    keys: {},
    open: () => ({
      toConnect(_topic, bytes) {
        if (bytes === null) return { schema, value: null }
        if (bytes.length !== form.bytes)
          throw new DataError(`Failed to deserialize ${noun}: Size of data received by ${form.java}Deserializer is not ${form.bytes}`)
        return { schema, value: form.read(bytes) }
      },
      fromConnect(_topic, given, value) {
        if (value === null) return null
        if (!fits(value, given, form)) throw new DataError(`Failed to serialize to ${noun} (was class ${javaClass(value, given)})`)
        const bytes = Buffer.alloc(form.bytes)
        form.write(value as number | bigint, bytes)
        return bytes
      },
    }),
  })
}

/** Java's classes must be equal; without a schema, a number has none yet. */
function fits(value: ConnectValue, schema: Schema | null, { type, bytes }: NumberForm): boolean {
  if (typeof value !== 'number' && typeof value !== 'bigint') return false
  if (schema !== null) return schema.type === type && javaClass(value, schema) !== 'java.util.Date'
  if (type === 'float32' || type === 'float64') return true
  return (typeof value === 'bigint' || Number.isInteger(value)) && BigInt.asIntN(bytes * 8, BigInt(value)) === BigInt(value)
}

export const primitiveConverters: readonly ConverterDefinition[] = [text, byteArray, boolean, ...forms.map(numberConverter)]
