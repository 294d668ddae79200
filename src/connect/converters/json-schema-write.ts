/** Kafka Connect's schemas and values to JSON Schema and JSON, as Confluent's JsonSchemaData maps them. */
import { type ConnectValue, DataError, Decimal, isStruct, logical, type Schema } from '../../connector.ts'
import { bytesOfInteger, javaClass, mismatch, rescaled, scaleOf } from '../values/java.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

const jsonNamespace = 'io.confluent.connect.json'
export const jsonUnion = `${jsonNamespace}.OneOf`
export const jsonEnum = `${jsonNamespace}.Enum`
export const jsonId = `${jsonNamespace}.Id`
export const nullMarker = '<NULL>'

export interface JsonSchemaRules {
  readonly generalSums: boolean
  readonly ignoreDefaults: boolean
  readonly numericDecimals: boolean
  readonly additionalProperties: boolean
  readonly optionalIfNotRequired: boolean
  readonly flattenUnions: boolean
  /** Decimals that are numbers have all their digits, for which a validator has no type. */
  readonly exactDecimals: boolean
}

type Json = Record<string, unknown>

export function isJsonUnion(schema: Schema): boolean {
  return schema.name === jsonUnion || schema.parameters?.[generalUnion] !== undefined
}

function hasTextKeys({ keys }: Schema): boolean {
  return keys?.type === 'string' && keys.optional !== true
}

/** Throws DataError. */
export function jsonSchemaOf(schema: Schema, rules: JsonSchemaRules): Json {
  return new Builder(rules).build(schema, null, false)
}

const numberTypes: Readonly<Record<string, string>> = {
  int8: 'integer',
  int16: 'integer',
  int32: 'integer',
  int64: 'integer',
  float32: 'number',
  float64: 'number',
}

class Builder {
  readonly #rules: JsonSchemaRules
  /** Ids of schemas that are defined already. */
  readonly #ids = new Set<string>()

  constructor(rules: JsonSchemaRules) {
    this.#rules = rules
  }

  /** `index`: of the field, so that fields keep their order. `bare`: a member of a union, which is not made optional itself. */
  build(schema: Schema, index: number | null, bare: boolean): Json {
    const id = schema.parameters?.[jsonId]
    if (id !== undefined && this.#ids.has(id)) return { $ref: id }
    if (id !== undefined) this.#ids.add(id)
    const position = index === null ? {} : { 'connect.index': index }
    const identity = id === undefined ? {} : { $id: id }
    if (schema.type === 'struct' && isJsonUnion(schema)) {
      const members = (schema.fields ?? []).map((field, at) => this.build({ ...field.schema, optional: false }, at, true))
      return { ...identity, oneOf: schema.optional === true ? [{ type: 'null' }, ...members] : members, ...position }
    }
    if (schema.type === 'struct' && schema.optional === true)
      return { ...identity, oneOf: [{ type: 'null' }, this.build({ ...schema, optional: false }, null, false)], ...position }
    const plain = this.#plain(schema)
    if (bare || schema.optional !== true) return { ...identity, ...plain, ...position }
    return { ...identity, oneOf: [{ type: 'null' }, plain], ...position }
  }

  #plain(schema: Schema): Json {
    const { core, properties } = this.#core(schema)
    const parameters = Object.entries(schema.parameters ?? {}).filter(([name]) => !name.startsWith(jsonNamespace))
    const fallback = schema.default ?? null
    return {
      ...(schema.name === undefined ? {} : { title: schema.name }),
      ...(schema.doc === undefined ? {} : { description: schema.doc }),
      ...(fallback === null ? {} : { default: valueToJson(schema, fallback, this.#rules) }),
      ...core,
      ...properties,
      ...(schema.version === undefined ? {} : { 'connect.version': schema.version }),
      ...(parameters.length === 0 ? {} : { 'connect.parameters': Object.fromEntries(parameters) }),
    }
  }

  #core(schema: Schema): { core: Json; properties: Json } {
    const marked = { 'connect.type': schema.type }
    switch (schema.type) {
      case 'boolean':
        return { core: { type: 'boolean' }, properties: {} }
      case 'string':
        return { core: this.#string(schema), properties: {} }
      case 'bytes': {
        const isNumber = schema.name === logical.decimal && this.#rules.numericDecimals
        return { core: { type: isNumber ? 'number' : 'string' }, properties: marked }
      }
      case 'array':
        return { core: { type: 'array', items: this.build(schema.items!, null, false) }, properties: {} }
      case 'map':
        return { core: this.#map(schema), properties: marked }
      case 'struct':
        return { core: this.#object(schema), properties: {} }
      default:
        return { core: { type: numberTypes[schema.type] }, properties: marked }
    }
  }

  #string(schema: Schema): Json {
    const parameter = this.#rules.generalSums ? generalEnum : jsonEnum
    if (schema.parameters?.[parameter] === undefined) return { type: 'string' }
    const symbols = Object.keys(schema.parameters)
      .filter(name => name.startsWith(`${parameter}.`))
      .map(name => name.slice(parameter.length + 1))
    return { enum: symbols.map(symbol => (symbol === nullMarker ? null : symbol)) }
  }

  #map(schema: Schema): Json {
    if (hasTextKeys(schema)) return { type: 'object', additionalProperties: this.build(schema.values!, null, false) }
    const properties = { key: this.build(schema.keys!, 0, false), value: this.build(schema.values!, 1, false) }
    return { type: 'array', items: { type: 'object', properties } }
  }

  #object(schema: Schema): Json {
    const properties: Json = {}
    for (const [index, field] of (schema.fields ?? []).entries())
      Object.defineProperty(properties, field.name, {
        value: this.build(field.schema, index, false),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    return { type: 'object', properties, ...(this.#rules.additionalProperties ? {} : { additionalProperties: false }) }
  }
}

/** As JSON can hold it; undefined: nothing is written. Throws DataError. */
export function valueToJson(schema: Schema, value: ConnectValue, rules: JsonSchemaRules): unknown {
  if (value === null) {
    const fallback = schema.default ?? null
    if (fallback !== null && !rules.ignoreDefaults) return valueToJson(schema, fallback, rules)
    return schema.optional === true ? null : undefined
  }
  const refuse = () => new DataError(`Invalid type for ${schema.type.toUpperCase()}: class ${javaClass(value, schema)}`)
  if (schema.name === logical.decimal) return decimalToJson(schema, value, rules)
  switch (schema.type) {
    case 'boolean':
      if (typeof value !== 'boolean') throw refuse()
      return value
    case 'string':
      if (typeof value !== 'string') throw refuse()
      return value
    case 'float32':
    case 'float64':
      if (typeof value !== 'number') throw refuse()
      return value
    case 'bytes':
      if (!Buffer.isBuffer(value)) throw refuse()
      return value.toString('base64')
    case 'array':
      if (!Array.isArray(value)) throw refuse()
      return value.map(each => valueToJson(schema.items!, each, rules) ?? null)
    case 'map':
      return mapToJson(schema, value, rules)
    case 'struct':
      if (!isStruct(value)) throw refuse()
      return isJsonUnion(schema) ? unionToJson(schema, value, rules) : structToJson(schema, value, rules)
    default:
      if (typeof value !== 'bigint' && !Number.isInteger(value)) throw refuse()
      return value
  }
}

function decimalToJson(schema: Schema, value: ConnectValue, rules: JsonSchemaRules): unknown {
  if (!(value instanceof Decimal)) throw new DataError(`Invalid type for Decimal, expected BigDecimal but was class ${javaClass(value)}`)
  if (rules.numericDecimals) return rules.exactDecimals ? rawJSON(value.toString()) : Number(value.toString())
  const scaled = rescaled(value, scaleOf(schema))
  if (scaled === null) throw new DataError(mismatch(value, schema))
  return bytesOfInteger(scaled.unscaled).toString('base64')
}

/** Older than TypeScript's library for it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

function mapToJson(schema: Schema, value: ConnectValue, rules: JsonSchemaRules): unknown {
  const entries: [ConnectValue, ConnectValue][] = value instanceof Map ? [...value] : isStruct(value) ? Object.entries(value) : []
  if (!(value instanceof Map) && !isStruct(value)) throw new DataError(`Invalid type for MAP: class ${javaClass(value, schema)}`)
  const inner = (each: ConnectValue) => valueToJson(schema.values!, each, rules) ?? null
  if (hasTextKeys(schema)) {
    const made: Json = Object.create(null)
    for (const [key, each] of entries) made[String(key)] = inner(each)
    return made
  }
  return entries.map(([key, each]) => ({ key: valueToJson(schema.keys!, key, rules) ?? null, value: inner(each) }))
}

function unionToJson(schema: Schema, value: Readonly<Record<string, ConnectValue>>, rules: JsonSchemaRules): unknown {
  for (const field of schema.fields ?? []) {
    const each = value[field.name] ?? null
    if (each !== null) return valueToJson(field.schema, each, rules)
  }
  return schema.optional === true ? null : undefined
}

function structToJson(schema: Schema, value: Readonly<Record<string, ConnectValue>>, rules: JsonSchemaRules): unknown {
  const made: Json = Object.create(null)
  for (const field of schema.fields ?? []) {
    const each = valueToJson(field.schema, value[field.name] ?? null, rules)
    if (each !== undefined) made[field.name] = each
  }
  return made
}
