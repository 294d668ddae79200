/** Messages of Protobuf to Kafka Connect's schemas and values, as Confluent's ProtobufData maps them. Values come in Protobuf's JSON mapping. */
import { stringifyLossless } from '../../base.ts'
import { type ConnectValue, DataError, Decimal, decimal, type Field, logical, type Schema, struct } from '../../connector.ts'
import type { Display, ProtobufField, ProtobufMessage } from '../../serde.ts'
import { integerOfBytes } from '../values/java.ts'
import {
  dateMessage,
  decimalMessage,
  enumParameter,
  type ProtobufRules,
  precisionParameter,
  tagParameter,
  timeMessage,
  timestampMessage,
  typeParameter,
  unionPrefix,
  wrapperParameter,
  wrapperTypes,
} from './protobuf-names.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

type Read = (json: Display) => ConnectValue

export interface ProtobufReader {
  readonly schema: Schema
  /** Throws DataError. */
  readonly read: Read
}

/** With the version that the registry gives it; null: none. Throws DataError. */
export function protobufReader(message: ProtobufMessage, version: number | null, rules: ProtobufRules): ProtobufReader {
  const raw = rules.wrapperForPrimitives ? wrapperTypes.get(message.name) : undefined
  if (raw !== undefined) return { schema: { type: raw }, read: json => scalarOf(raw, json) }
  const { schema, read } = new Compiler(rules).message(message)
  return { schema: version === null ? schema : { ...schema, version }, read }
}

interface Made {
  readonly schema: Schema
  read: Read
}

class Compiler {
  readonly #rules: ProtobufRules
  readonly #messages = new Map<ProtobufMessage, Made>()

  constructor(rules: ProtobufRules) {
    this.#rules = rules
  }

  /** A message that contains itself is a schema that contains itself. */
  message(message: ProtobufMessage): Made {
    const before = this.#messages.get(message)
    if (before !== undefined) return before
    const fields: Field[] = []
    const name = this.#rules.enhanced ? message.name : simple(message.name)
    const made: Made = { schema: { type: 'struct', name, fields }, read: () => null }
    this.#messages.set(message, made)
    const reads: ((json: Record<string, Display>) => ConnectValue)[] = []
    for (const members of oneofsOf(message)) {
      if (this.#rules.flattenUnions) for (const each of members) this.#add(each, this.#field(each, true), fields, reads)
      else this.#addUnion(members, fields, reads)
    }
    for (const each of message.fields.values()) if (each.oneof === null) this.#add(each, this.#field(each, false), fields, reads)
    made.read = json => {
      const value = struct()
      for (let index = 0; index < fields.length; index++) value[fields[index]!.name] = reads[index]!(json as Record<string, Display>)
      return value
    }
    return made
  }

  #add(field: ProtobufField, { schema, read }: Made, fields: Field[], reads: ((json: Record<string, Display>) => ConnectValue)[]): void {
    fields.push({ name: field.name, schema })
    reads.push(json => {
      const value = Object.hasOwn(json, field.jsonName) ? json[field.jsonName] : undefined
      return value === undefined || value === null ? null : read(value)
    })
  }

  #addUnion(members: ProtobufField[], fields: Field[], reads: ((json: Record<string, Display>) => ConnectValue)[]): void {
    const { name, index } = members[0]!.oneof!
    const inner: Field[] = []
    const innerReads: ((json: Record<string, Display>) => ConnectValue)[] = []
    for (const each of members) this.#add(each, this.#field(each, true), inner, innerReads)
    const schema: Schema = {
      type: 'struct',
      name: this.#rules.generalSums ? name : unionPrefix + name,
      optional: true,
      ...(this.#rules.generalSums ? { parameters: { [generalUnion]: name } } : {}),
      fields: inner,
    }
    fields.push({ name: this.#rules.indexForUnions ? `${name}_${index}` : name, schema })
    reads.push(json => {
      const values = innerReads.map(read => read(json))
      return values.every(value => value === null) ? null : struct(inner.map((field, at) => [field.name, values[at]!] as const))
    })
  }

  #field(field: ProtobufField, isMember: boolean): Made {
    const { schema, read } = field.map !== null ? this.#map(field, field.map) : this.#single(field)
    const tag = { [tagParameter]: String(field.id) }
    const list = field.repeated && field.map === null
    if (list) {
      const entry = pairsIn(field)
      if (entry !== null) {
        const { schema: pairs, read: readPairs } = this.#pairs(field, entry)
        return { schema: extended(pairs, true, tag), read: readPairs }
      }
      const items = extended(schema, true, {})
      return { schema: { type: 'array', optional: true, items, parameters: tag }, read: json => (json as Display[]).map(read) }
    }
    const { optionalForNullables, wrapperForNullables } = this.#rules
    const always = isMember || field.kind === 'message' || field.kind === 'enum'
    const optional = always || (optionalForNullables ? field.optional : !wrapperForNullables)
    const isWrapped = isMember && wrapperForNullables && field.kind === 'message' && wrapperTypes.has(field.message!.name)
    return { schema: extended(schema, optional, { ...tag, ...(isWrapped ? { [wrapperParameter]: 'true' } : {}) }), read }
  }

  #map(field: ProtobufField, { key, value }: NonNullable<ProtobufField['map']>): Made {
    const keys = this.#field({ ...key, repeated: false, oneof: null } as ProtobufField, false)
    const values = this.#single(value)
    const schema: Schema = {
      type: 'map',
      name: field.name,
      keys: keys.schema,
      values: extended(values.schema, !this.#rules.wrapperForNullables || value.kind === 'message', { [tagParameter]: '2' }),
    }
    return {
      schema,
      read: json =>
        new Map(Object.entries(json as Record<string, Display>).map(([name, each]) => [keys.read(keyOf(key, name)), values.read(each)])),
    }
  }

  /** A list of messages with a key and a value, as Confluent writes maps. */
  #pairs(field: ProtobufField, { key, value }: { key: ProtobufField; value: ProtobufField }): Made {
    const keys = this.#field(key, false)
    const values = this.#field(value, false)
    const name = simple(field.message!.name)
      .replace(/Entry$/, '')
      .replace(/(?<=.)[A-Z]/g, '_$&')
      .toLowerCase()
    return {
      schema: { type: 'map', name, keys: keys.schema, values: values.schema },
      read(json) {
        const map = new Map<ConnectValue, ConnectValue>()
        for (const entry of json as Record<string, Display>[]) {
          const [one, other] = [entry.key ?? null, entry.value ?? null]
          map.set(one === null ? null : keys.read(one), other === null ? null : values.read(other))
        }
        return map
      },
    }
  }

  #single(field: ProtobufField): Made {
    switch (field.kind) {
      case 'int32':
      case 'sint32':
      case 'sfixed32': {
        const connectType = field.meta['connect.type']
        if (connectType === 'int8' || connectType === 'int16') return { schema: { type: connectType }, read: json => json as number }
        return { schema: { type: 'int32', ...typed(field, 'int32') }, read: json => json as number }
      }
      case 'float':
        return { schema: { type: 'float32' }, read: json => Math.fround(Number(json)) }
      case 'double':
        return { schema: { type: 'float64' }, read: Number }
      case 'bool':
        return { schema: { type: 'boolean' }, read: json => json as boolean }
      case 'string':
        return { schema: { type: 'string' }, read: json => json as string }
      case 'bytes':
        return { schema: { type: 'bytes' }, read: json => Buffer.from(json as string, 'base64') }
      case 'enum':
        return this.#enum(field)
      case 'message':
        return this.#nested(field)
      default:
        return { schema: { type: 'int64', ...typed(field, 'int64') }, read: json => BigInt(json as string | number) }
    }
  }

  #enum({ enum: symbols }: ProtobufField): Made {
    const { name, numbers } = symbols!
    const parameter = this.#rules.generalSums ? generalEnum : enumParameter
    const parameters: Record<string, string> = { [parameter]: name }
    for (const [symbol, number] of numbers) parameters[`${parameter}.${symbol}`] = String(number)
    const isInt = this.#rules.intForEnums
    return {
      schema: { type: isInt ? 'int32' : 'string', name, parameters },
      read: json => (isInt ? (typeof json === 'number' ? json : numbers.get(String(json))!) : String(json)),
    }
  }

  #nested(field: ProtobufField): Made {
    const message = field.message!
    switch (message.name) {
      case decimalMessage:
        return decimalOf(field)
      case dateMessage:
        return { schema: { type: 'int32', name: logical.date, version: 1 }, read: readDate }
      case timeMessage:
        return { schema: { type: 'int32', name: logical.time, version: 1 }, read: readTime }
      case timestampMessage:
        return {
          schema: { type: 'int64', name: logical.timestamp, version: 1 },
          read: json => BigInt(Date.parse(String(json).replace(/(\.\d{3})\d+/, '$1'))),
        }
    }
    const wrapped = wrapperTypes.get(message.name)
    if (wrapped !== undefined) {
      if (this.#rules.wrapperForNullables) return { schema: { type: wrapped }, read: json => scalarOf(wrapped, json) }
      const { schema } = this.message(message)
      return { schema, read: json => struct([['value', scalarOf(wrapped, json)]]) }
    }
    // Durations, masks, free JSON and Any have a form of their own in JSON, which is kept as text.
    if (message.name.startsWith('google.protobuf.'))
      return { schema: { type: 'string' }, read: json => (typeof json === 'string' ? json : stringifyLossless(json)) }
    const made = this.message(message)
    return { schema: made.schema, read: json => made.read(json) }
  }
}

function simple(full: string): string {
  return full.slice(full.lastIndexOf('.') + 1)
}

/** By oneof, in their order. */
function oneofsOf(message: ProtobufMessage): ProtobufField[][] {
  const found: ProtobufField[][] = []
  for (const field of message.fields.values()) if (field.oneof !== null) (found[field.oneof.index] ??= []).push(field)
  return found.filter(each => each !== undefined)
}

function pairsIn(field: ProtobufField): { key: ProtobufField; value: ProtobufField } | null {
  const message = field.kind === 'message' ? field.message : null
  if (message === null || !message.name.endsWith('Entry') || message.fields.size !== 2) return null
  const [key, value] = [...message.fields.values()]
  return key!.name === 'key' && value!.name === 'value' && !key!.repeated && !value!.repeated ? { key: key!, value: value! } : null
}

function typed({ kind }: ProtobufField, usual: string): Pick<Schema, 'parameters'> | object {
  return kind === usual ? {} : { parameters: { [typeParameter]: kind } }
}

/** Optional and with more parameters; its fields are looked up, because a message that contains itself does not know them all yet. */
function extended(schema: Schema, optional: boolean, parameters: Readonly<Record<string, string>>): Schema {
  const all = { ...schema.parameters, ...parameters }
  const extra = { ...(optional ? { optional } : {}), ...(Object.keys(all).length === 0 ? {} : { parameters: all }) }
  // The list of fields is the same object, which is filled.
  return { ...schema, ...extra }
}

function keyOf(key: ProtobufField, name: string): Display {
  if (key.kind === 'string' || key.kind.endsWith('64')) return name
  return key.kind === 'bool' ? name === 'true' : Number(name)
}

function scalarOf(type: Schema['type'], json: Display): ConnectValue {
  if (type === 'int64') return BigInt(json as string | number)
  if (type === 'float32') return Math.fround(Number(json))
  if (type === 'float64') return Number(json)
  return type === 'bytes' ? Buffer.from(json as string, 'base64') : (json as string | number | boolean)
}

function decimalOf({ meta }: ProtobufField): Made {
  const scale = /^-?\d{1,4}$/.test(meta.scale ?? '') ? Number(meta.scale) : 0
  const plain = decimal(scale)
  const precision = /^\d{1,6}$/.test(meta.precision ?? '') ? { [precisionParameter]: meta.precision! } : {}
  return {
    schema: { ...plain, parameters: { ...plain.parameters, ...precision } },
    read(json) {
      const { value = '', scale: own = 0 } = json as { value?: string; scale?: number }
      return new Decimal(integerOfBytes(Buffer.from(value, 'base64')), own)
    },
  }
}

const msPerDay = 86_400_000

function readDate(json: Display): ConnectValue {
  const { year = 0, month = 0, day = 0 } = json as Record<string, number>
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw new DataError(`${year}-${month}-${day} is no date`)
  return date.getTime() / msPerDay
}

function readTime(json: Display): ConnectValue {
  const { hours = 0, minutes = 0, seconds = 0, nanos = 0 } = json as Record<string, number>
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + Math.floor(nanos / 1_000_000)
}
