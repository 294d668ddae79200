/** Kafka Connect's schemas and values to Protobuf, as Confluent's ProtobufData maps them. Values become Protobuf's JSON mapping, which the codec writes. */
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema } from '../../connector.ts'
import { bytesOfInteger, javaClass } from '../values/java.ts'
import { scrubbed as scrubbedForAvro } from './avro-names.ts'
import {
  enumParameter,
  isProtobufUnion,
  logicalMessages,
  type ProtobufRules,
  precisionParameter,
  tagParameter,
  typeParameter,
  unionPrefix,
  wrapperParameter,
} from './protobuf-names.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

const imports: Readonly<Record<string, string>> = {
  'confluent.type.Decimal': 'confluent/type/decimal.proto',
  'google.type.Date': 'google/type/date.proto',
  'google.type.TimeOfDay': 'google/type/timeofday.proto',
  'google.protobuf.Timestamp': 'google/protobuf/timestamp.proto',
}
const metaImport = 'confluent/meta.proto'
const wrapperImport = 'google/protobuf/wrappers.proto'

/** Of a root that is a scalar, the wrapper. */
const rootWrappers: Readonly<Partial<Record<Schema['type'], string>>> = {
  int8: 'Int32Value',
  int16: 'Int32Value',
  int32: 'Int32Value',
  int64: 'Int64Value',
  float32: 'FloatValue',
  float64: 'DoubleValue',
  boolean: 'BoolValue',
  string: 'StringValue',
  bytes: 'BytesValue',
}

const scalarTypes: Readonly<Partial<Record<Schema['type'], string>>> = {
  int8: 'int32',
  int16: 'int32',
  int32: 'int32',
  int64: 'int64',
  float32: 'float',
  float64: 'double',
  boolean: 'bool',
  string: 'string',
  bytes: 'bytes',
}

/** The file of a registry with all wrappers, of which a value is one. */
const wrappersFile = `syntax = "proto3";
package google.protobuf;

${[
  'double Double',
  'float Float',
  'int64 Int64',
  'uint64 UInt64',
  'int32 Int32',
  'uint32 UInt32',
  'bool Bool',
  'string String',
  'bytes Bytes',
]
  .map(each => each.split(' '))
  .map(([type, name]) => `message ${name}Value {\n  ${type} value = 1;\n}\n`)
  .join('')}`

export interface ProtobufText {
  readonly text: string
  /** The message of values, with its package. */
  readonly message: string
}

function scrubbed(name: string, rules: ProtobufRules): string {
  if (!rules.scrub) return name
  const clean = scrubbedForAvro(name)
  return clean.startsWith('_') ? `x${clean}` : clean
}

/** Throws DataError. */
export function protobufTextOf(schema: Schema, rules: ProtobufRules): ProtobufText {
  const wrapper = rootWrappers[schema.type]
  if (wrapper !== undefined) return { text: wrappersFile, message: `google.protobuf.${wrapper}` }
  if (schema.type !== 'struct') throw new DataError(`Unsupported root schema of type ${schema.type.toUpperCase()}`)
  return new Builder(rules).file(schema)
}

interface Body {
  readonly lines: string[]
  readonly inner: Map<string, string[]>
}

class Builder {
  readonly #rules: ProtobufRules
  readonly #imports = new Set<string>()
  /** Messages around, which may be named but not defined again. */
  readonly #open: Schema[] = []
  #unnamed = 0

  constructor(rules: ProtobufRules) {
    this.#rules = rules
  }

  file(schema: Schema): ProtobufText {
    const parts = this.#name(schema)
      .split('.')
      .map(part => scrubbed(part, this.#rules))
    const name = parts.pop()!
    const space = parts.join('.')
    const lines = this.#message(schema, name, '')
    const head = ['syntax = "proto3";', ...(space === '' ? [] : [`package ${space};`]), '']
    const imported = [...this.#imports].sort().map(path => `import "${path}";`)
    const text = [...head, ...imported, ...(imported.length > 0 ? [''] : []), ...lines, ''].join('\n')
    return { text, message: space === '' ? name : `${space}.${name}` }
  }

  #name({ name }: Schema): string {
    return name === undefined || name === '' ? `ConnectDefault${++this.#unnamed}` : name
  }

  #simpleName(schema: Schema): string {
    const name = this.#name(schema)
    return scrubbed(name.slice(name.lastIndexOf('.') + 1), this.#rules)
  }

  #message(schema: Schema, name: string, indent: string): string[] {
    if (this.#open.length > 100) throw new DataError('the schema is nested more than 100 levels deep')
    this.#open.push(schema)
    const body: Body = { lines: [], inner: new Map() }
    let next = 1
    for (const field of schema.fields ?? []) {
      const given = field.schema.parameters?.[tagParameter]
      const tag = given === undefined && !isProtobufUnion(field.schema) ? next++ : Number(given)
      this.#field(field.schema, scrubbed(field.name, this.#rules), tag, body, false)
    }
    this.#open.pop()
    const lines = [...body.lines, ...[...body.inner.values()].flat()].map(line => `  ${line}`)
    return [`message ${name} {`, ...lines, '}'].map(line => indent + line)
  }

  #field(given: Schema, name: string, tag: number, body: Body, isMember: boolean): void {
    if (given.type === 'struct' && isProtobufUnion(given)) {
      this.#oneof(given, name, body)
      return
    }
    const schema = given.type === 'array' ? given.items! : given
    if (schema.type === 'array') throw new DataError('Array cannot be nested')
    const repeated = given.type === 'array' || given.type === 'map'
    const isOptional = this.#rules.optionalForNullables && given.optional === true && !isMember
    const label = repeated ? 'repeated ' : isOptional ? 'optional ' : ''
    const type = this.#type(schema, name, body, isMember)
    body.lines.push(`${label}${type} ${name} = ${tag}${this.#meta(schema)};`)
  }

  #oneof(schema: Schema, name: string, body: Body): void {
    const full = schema.parameters?.[generalUnion] ?? schema.name?.slice(unionPrefix.length) ?? name
    const inner: Body = { lines: [], inner: body.inner }
    for (const [index, field] of (schema.fields ?? []).entries()) {
      const given = field.schema.parameters?.[tagParameter]
      this.#field(field.schema, scrubbed(field.name, this.#rules), given === undefined ? index + 1 : Number(given), inner, true)
    }
    body.lines.push(`oneof ${scrubbed(full.slice(full.lastIndexOf('.') + 1), this.#rules)} {`, ...inner.lines.map(line => `  ${line}`), '}')
  }

  #meta(schema: Schema): string {
    const isDecimal = schema.name === logical.decimal
    const parameters: [string, string | undefined][] = isDecimal
      ? [
          ['precision', schema.parameters?.[precisionParameter]],
          ['scale', schema.parameters?.scale],
        ]
      : [['connect.type', schema.type === 'int8' || schema.type === 'int16' ? schema.type : undefined]]
    const given = parameters.filter(([, value]) => value !== undefined)
    if (given.length === 0) return ''
    this.#imports.add(metaImport)
    const shown = given.map(([key, value]) => `{ key: ${JSON.stringify(key)}, value: ${JSON.stringify(value)} }`)
    return ` [(confluent.field_meta) = { params: [${shown.join(', ')}] }]`
  }

  #type(schema: Schema, fieldName: string, body: Body, isMember: boolean): string {
    const message = logicalMessages.get(schema.name ?? '')
    if (message !== undefined) {
      this.#imports.add(imports[message]!)
      return message
    }
    if (schema.type === 'struct') return this.#nested(schema, fieldName, body)
    if (schema.type === 'map') return this.#map(schema, body)
    const parameter = schema.parameters?.[generalEnum] === undefined ? enumParameter : generalEnum
    if (schema.parameters?.[parameter] !== undefined) return this.#enum(schema, parameter, body)
    const type = schema.parameters?.[typeParameter] ?? scalarTypes[schema.type]!
    const wraps =
      this.#rules.wrapperForNullables && schema.optional === true && (!isMember || schema.parameters?.[wrapperParameter] === 'true')
    if (!wraps) return type
    this.#imports.add(wrapperImport)
    const unsigned =
      type === 'uint64' || type === 'fixed64' ? 'UInt64Value' : type === 'uint32' || type === 'fixed32' ? 'UInt32Value' : null
    return `google.protobuf.${unsigned ?? rootWrappers[schema.type]}`
  }

  #nested(schema: Schema, fieldName: string, body: Body): string {
    const around = this.#open.find(each => each.fields === schema.fields && each.name === schema.name)
    if (around !== undefined && around.name !== undefined) return this.#simpleName(around)
    const simple = this.#simpleName(schema)
    const name = simple === fieldName ? `${simple}Message` : simple
    if (!body.inner.has(name)) {
      body.inner.set(name, [])
      body.inner.set(name, this.#message(schema, name, ''))
    }
    return name
  }

  /** As a list of messages with a key and a value. */
  #map(schema: Schema, body: Body): string {
    const simple = this.#simpleName(schema)
    const name = `${simple.includes('_') ? simple.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : simple}Entry`
    const entry: Body = { lines: [], inner: new Map() }
    this.#field(schema.keys!, 'key', 1, entry, false)
    this.#field(schema.values!, 'value', 2, entry, false)
    body.inner.set(name, [`message ${name} {`, ...[...entry.lines, ...[...entry.inner.values()].flat()].map(line => `  ${line}`), '}'])
    return name
  }

  #enum(schema: Schema, parameter: string, body: Body): string {
    const name = schema.name === undefined ? schema.parameters![parameter]! : this.#simpleName(schema)
    const symbols = Object.entries(schema.parameters!)
      .filter(([key]) => key.startsWith(`${parameter}.`))
      .map(([key, number]) => [key.slice(parameter.length + 1), Number(number)] as const)
      // The first one must be 0.
      .sort(([, one], [, other]) => Number(one !== 0) - Number(other !== 0))
    body.inner.set(name, [`enum ${name} {`, ...symbols.map(([symbol, number]) => `  ${symbol} = ${number};`), '}'])
    return name
  }
}

/** In Protobuf's JSON mapping; undefined: not set. Throws DataError. */
export function valueToProtobuf(schema: Schema, value: ConnectValue, rules: ProtobufRules): unknown {
  if (value === null) return undefined
  const special = Object.hasOwn(specialValues, schema.name ?? '') ? specialValues[schema.name!] : undefined
  if (special !== undefined) return special(value, schema)
  const refuse = () => new DataError(`Invalid type for ${schema.type.toUpperCase()}: class ${javaClass(value, schema)}`)
  switch (schema.type) {
    case 'boolean':
      if (typeof value !== 'boolean') throw refuse()
      return value
    case 'string':
      if (typeof value !== 'string') throw refuse()
      return value
    case 'bytes':
      if (!Buffer.isBuffer(value)) throw refuse()
      return value.toString('base64')
    case 'array':
      if (!Array.isArray(value)) throw refuse()
      return value.map(each => valueToProtobuf(schema.items!, each, rules) ?? emptyOf(schema.items!))
    case 'map': {
      if (!(value instanceof Map) && !isStruct(value)) throw refuse()
      const entries: Iterable<readonly [ConnectValue, ConnectValue]> = value instanceof Map ? value : Object.entries(value)
      return Array.from(entries, ([key, each]) => ({
        key: valueToProtobuf(schema.keys!, key, rules) ?? null,
        value: valueToProtobuf(schema.values!, each, rules) ?? null,
      }))
    }
    case 'struct':
      if (!isStruct(value)) throw refuse()
      return structToProtobuf(schema, value, rules)
    default:
      if (typeof value !== 'number' && typeof value !== 'bigint') throw refuse()
      return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  }
}

function structToProtobuf(schema: Schema, value: Readonly<Record<string, ConnectValue>>, rules: ProtobufRules): Record<string, unknown> {
  const made: Record<string, unknown> = Object.create(null)
  for (const field of schema.fields ?? []) {
    const own = value[field.name] ?? null
    const each = own === null && !rules.ignoreDefaults ? (field.schema.default ?? null) : own
    if (each === null) continue
    // Members of a oneof are fields of the message itself.
    if (field.schema.type === 'struct' && isProtobufUnion(field.schema) && isStruct(each))
      Object.assign(made, structToProtobuf(field.schema, each, rules))
    else made[scrubbed(field.name, rules)] = valueToProtobuf(field.schema, each, rules)
  }
  return made
}

function emptyOf(schema: Schema): unknown {
  if (schema.type === 'struct' || schema.type === 'map') return {}
  if (schema.type === 'boolean') return false
  return schema.type === 'string' || schema.type === 'bytes' ? '' : 0
}

const msPerDay = 86_400_000

function requireWhole(value: ConnectValue, name: string): number {
  if (typeof value !== 'bigint' && !Number.isInteger(value))
    throw new DataError(`Invalid type for ${name}, expected Date but was class ${javaClass(value)}`)
  return Number(value)
}

const specialValues: Readonly<Record<string, (value: NonNullable<ConnectValue>, schema: Schema) => unknown>> = {
  [logical.decimal](value, schema) {
    if (!(value instanceof Decimal))
      throw new DataError(`Invalid type for Decimal, expected BigDecimal but was class ${javaClass(value, schema)}`)
    const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString().length
    return { value: bytesOfInteger(value.unscaled).toString('base64'), precision: digits, scale: value.scale }
  },
  [logical.date](value) {
    const date = new Date(requireWhole(value, 'Date') * msPerDay)
    return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
  },
  [logical.time](value) {
    const ms = requireWhole(value, 'Time')
    if (ms < 0 || ms >= msPerDay) throw new DataError('Time values must use number of millis greater than 0 and less than 86400000')
    const seconds = Math.floor(ms / 1000)
    return {
      hours: Math.floor(seconds / 3600),
      minutes: Math.floor(seconds / 60) % 60,
      seconds: seconds % 60,
      nanos: (ms % 1000) * 1_000_000,
    }
  },
  [logical.timestamp](value) {
    const date = new Date(requireWhole(value, 'Timestamp'))
    if (Number.isNaN(date.getTime())) throw new DataError(`the time ${String(value)} is out of range`)
    return date.toISOString()
  },
}
