/** JSON Schema and JSON to Kafka Connect's schemas and values, as Confluent's JsonSchemaData maps them. */
import { parseLossless } from '../../base.ts'
import { type ConnectValue, DataError, type Field, isStruct, type Schema, struct } from '../../connector.ts'
import type { RegisteredSchema } from '../../serde.ts'
import { againOptional, optionalIf } from '../values/schemas.ts'
import { isJsonUnion, type JsonSchemaRules, jsonEnum, jsonId, jsonUnion, nullMarker } from './json-schema-write.ts'
import { type JsonRules, readJson } from './json-values.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

type Json = Record<string, unknown>

/** With the version that the registry gives it; null: none. Throws DataError. */
export function schemaOfJsonSchema({ schema, texts }: RegisteredSchema, version: number | null, rules: JsonSchemaRules): Schema {
  const references = new Map(Array.from(texts, ([name, text]) => [name, parseLossless(text)]))
  const root = parseLossless(schema)
  const made = new Compiler(root, references, rules).build(root, false)
  return version === null || made.version !== undefined ? made : { ...made, version }
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const connectTypes = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'bytes'] as const
const mostReferences = 100

class Compiler {
  readonly #rules: JsonSchemaRules
  readonly #references: ReadonlyMap<string, unknown>
  /** Documents, so that references within one are found there. */
  #document: unknown
  /** Objects that are being read, which may contain themselves. */
  readonly #open = new Map<unknown, { schema: Schema; parameters: Record<string, string> }>()
  #ids = 0
  #unions = 0

  constructor(root: unknown, references: ReadonlyMap<string, unknown>, rules: JsonSchemaRules) {
    this.#document = root
    this.#references = references
    this.#rules = rules
  }

  build(given: unknown, optional: boolean): Schema {
    if (isJson(given) && typeof given.$ref === 'string') return this.#referred(given.$ref, optional)
    if (!isJson(given)) throw new DataError(`Unsupported schema type ${JSON.stringify(given)}`)
    for (const word of ['oneOf', 'anyOf'] as const) if (Array.isArray(given[word])) return this.#combined(given[word], given, optional)
    if (Array.isArray(given.type))
      return this.#combined(
        given.type.map(type => ({ ...given, type })),
        given,
        optional,
      )
    if (Array.isArray(given.allOf)) return this.#all(given.allOf, given, optional)
    const parameters: Record<string, string> = {}
    const base = this.#base(given, parameters)
    return this.#finish(given, base, parameters, optional)
  }

  #finish(node: Json, base: Schema, parameters: Record<string, string>, optional: boolean): Schema {
    const { title, description } = node
    const version = node['connect.version']
    const own = node['connect.parameters']
    if (isJson(own)) for (const [name, value] of Object.entries(own)) parameters[name] = String(value)
    // What contains itself may have been handed out already.
    const schema = base as Schema & Record<string, unknown>
    if (typeof title === 'string' && schema.name === undefined) Object.assign(schema, { name: title })
    if (typeof version === 'number') Object.assign(schema, { version })
    if (typeof description === 'string') Object.assign(schema, { doc: description })
    if (Object.keys(parameters).length > 0) Object.assign(schema, { parameters })
    if (node.default !== undefined && node.default !== null) {
      const value = readValue(schema, node.default, this.#rules)
      if (value !== null) Object.assign(schema, { default: value })
    }
    return optional ? Object.assign(schema, { optional }) : schema
  }

  #base(node: Json, parameters: Record<string, string>): Schema {
    const connectType = node['connect.type']
    if ('const' in node || 'enum' in node) {
      const { type } = node
      if (type === undefined || (type === 'string' && 'enum' in node))
        return this.#enum('enum' in node ? node.enum : [node.const], parameters)
      return this.#base({ type, 'connect.type': connectType }, parameters)
    }
    switch (node.type ?? (isJson(node.properties) ? 'object' : node.items === undefined ? undefined : 'array')) {
      case 'boolean':
        return { type: 'boolean' }
      case 'integer':
      case 'number': {
        const type = connectTypes.find(each => each === connectType)
        if (connectType !== undefined && type === undefined) throw new DataError(`Unsupported type ${String(connectType)}`)
        return { type: type ?? (node.type === 'integer' ? 'int64' : 'float64') }
      }
      case 'string':
        return { type: connectType === 'bytes' ? 'bytes' : 'string' }
      case 'array':
        return this.#array(node)
      case 'object':
        return this.#object(node, parameters)
      default:
        throw new DataError(`Unsupported schema type ${JSON.stringify(node).slice(0, 100)}`)
    }
  }

  #enum(symbols: unknown, parameters: Record<string, string>): Schema {
    const parameter = this.#rules.generalSums ? generalEnum : jsonEnum
    parameters[parameter] = ''
    for (const [index, symbol] of (Array.isArray(symbols) ? symbols : []).entries()) {
      const name = symbol === null ? nullMarker : String(symbol)
      parameters[`${parameter}.${name}`] = this.#rules.generalSums ? String(index) : name
    }
    return { type: 'string' }
  }

  #array(node: Json): Schema {
    if (node.items === undefined) throw new DataError('Array schema did not specify the items type')
    const { items } = node
    if (node['connect.type'] === 'map' && isJson(items) && isJson(items.properties)) {
      const { key, value } = items.properties
      return { type: 'map', keys: this.build(key, false), values: this.build(value, false) }
    }
    return { type: 'array', items: this.build(items, false) }
  }

  #object(node: Json, parameters: Record<string, string>): Schema {
    if (node['connect.type'] === 'map')
      return { type: 'map', keys: { type: 'string' }, values: this.build(node.additionalProperties, false) }
    const fields: Field[] = []
    const schema: Schema = { type: 'struct', fields }
    this.#open.set(node, { schema, parameters })
    this.#addFields(node, fields)
    this.#open.delete(node)
    return schema
  }

  #addFields(node: Json, fields: Field[]): void {
    const required = Array.isArray(node.required) ? node.required : []
    const properties = Object.entries(isJson(node.properties) ? node.properties : {}).map(([name, each], position) => {
      const index = isJson(each) ? each['connect.index'] : undefined
      return { name, each, index: typeof index === 'number' ? index : position }
    })
    for (const { name, each } of properties.sort((one, other) => one.index - other.index)) {
      const optional = this.#rules.optionalIfNotRequired && !required.includes(name)
      const before = fields.findIndex(field => field.name === name)
      const field = { name, schema: this.build(each, optional) }
      if (before < 0) fields.push(field)
      else fields[before] = field
    }
  }

  #combined(members: unknown[], node: Json, optional: boolean): Schema {
    if (members.length === 1 && this.#rules.flattenUnions) return this.build(members[0], false)
    const others = members.filter(each => !isNull(each))
    if (members.length === 2 && others.length === 1) return this.build(others[0], true)
    const { generalSums } = this.#rules
    const name = generalSums ? `connect_union_${this.#unions++}` : jsonUnion
    const fields = others.map((member, index) => ({
      name: generalSums ? `connect_union_field_${index}` : `${name}.field.${index}`,
      schema: this.build(member, true),
    }))
    const parameters: Record<string, string> = generalSums ? { [generalUnion]: name } : {}
    const schema: Schema = { type: 'struct', name, fields, ...optionalIf(others.length < members.length) }
    // The members of a list of types have title and default, too.
    return this.#finish(Array.isArray(node.type) ? {} : node, schema, parameters, optional)
  }

  /** Objects are merged; otherwise one says the type, and the others restrict it. */
  #all(members: unknown[], node: Json, optional: boolean): Schema {
    const fields: Field[] = []
    const visit = (each: unknown, depth: number): void => {
      if (depth > mostReferences || !isJson(each)) return
      if (typeof each.$ref === 'string') this.#within(each.$ref, found => visit(found, depth + 1))
      else if (Array.isArray(each.allOf)) for (const inner of each.allOf) visit(inner, depth + 1)
      if (isJson(each.properties)) this.#addFields(each, fields)
    }
    const all = isJson(node.properties) ? [...members, { properties: node.properties, required: node.required }] : members
    for (const each of all) visit(each, 0)
    if (fields.length > 0) return this.#finish({ ...node, default: undefined }, { type: 'struct', fields }, {}, optional)
    const combined = members.find(each => isJson(each) && ('oneOf' in each || 'anyOf' in each))
    const typed =
      members.find(each => isJson(each) && ('type' in each || '$ref' in each)) ?? members.find(each => isJson(each) && 'enum' in each)
    const decides = combined ?? (node.type === undefined ? typed : { ...node, allOf: undefined })
    if (decides === undefined) throw new DataError(`Unsupported criterion allOf for ${JSON.stringify(node).slice(0, 100)}`)
    return this.build(decides, optional)
  }

  #referred(reference: string, optional: boolean): Schema {
    return this.#within(reference, found => {
      const open = this.#open.get(found)
      if (open === undefined) return this.build(found, optional)
      open.parameters[jsonId] ??= `#id${++this.#ids}`
      Object.assign(open.schema, { parameters: open.parameters })
      return optional ? againOptional(open.schema) : open.schema
    })
  }

  /** Resolves a reference; what `use` does with it, it does in the document where it stands. */
  #within<T>(reference: string, use: (found: unknown) => T): T {
    const [name, pointer = ''] = reference.split('#') as [string, string?]
    const before = this.#document
    const document = name === '' ? before : this.#references.get(name)
    if (document === undefined) throw new DataError(`the schema refers to ${name}, which the registry does not have`)
    try {
      this.#document = document
      return use(resolve(document, pointer, reference))
    } finally {
      this.#document = before
    }
  }
}

function isNull(node: unknown): boolean {
  return isJson(node) && node.type === 'null'
}

function resolve(document: unknown, pointer: string, reference: string): unknown {
  let found = document
  if (pointer !== '' && !pointer.startsWith('/')) return anchored(document, pointer, reference)
  for (const step of pointer.split('/').slice(1)) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    found = typeof found === 'object' && found !== null && Object.hasOwn(found, name) ? (found as Json)[name] : undefined
  }
  if (found === undefined) throw new DataError(`the schema refers to ${reference}, which is not there`)
  return found
}

/** `#id1`: the part with this `$id`. */
function anchored(document: unknown, anchor: string, reference: string): unknown {
  const waiting = [document]
  for (let seen = 0; waiting.length > 0 && seen < 100_000; seen++) {
    const node = waiting.pop()
    if (isJson(node) && (node.$id === `#${anchor}` || node.$anchor === anchor || node.id === `#${anchor}`)) return node
    if (typeof node === 'object' && node !== null) waiting.push(...Object.values(node))
  }
  throw new DataError(`the schema refers to ${reference}, which is not there`)
}

const scalars: JsonRules = { numericDecimals: false, replaceNull: true }

/** undefined: the property is not there. Throws DataError. */
export function readValue(schema: Schema, json: unknown, rules: JsonSchemaRules): ConnectValue {
  if (json === undefined) return schema.default ?? null
  if (json === null) {
    if (schema.default !== undefined || schema.optional === true) return schema.default ?? null
    throw new DataError(`Invalid null value for required ${schema.type.toUpperCase()} field`)
  }
  if (schema.type === 'array') {
    if (!Array.isArray(json)) throw new DataError(`Arrays should be encoded as JSON arrays, but found ${typeof json}`)
    return json.map(each => readValue(schema.items!, each, rules))
  }
  if (schema.type === 'map') return readMap(schema, json, rules)
  if (schema.type !== 'struct') return readJson(schema, json, scalars)
  if (isJsonUnion(schema)) return readUnion(schema, json, rules)
  if (!isJson(json))
    throw new DataError(
      `Structs should be encoded as JSON objects, but found ${Array.isArray(json) ? 'ARRAY' : (typeof json).toUpperCase()}`,
    )
  const made = struct()
  for (const field of schema.fields ?? [])
    made[field.name] = readValue(field.schema, Object.hasOwn(json, field.name) ? json[field.name] : undefined, rules)
  return made
}

function readMap(schema: Schema, json: unknown, rules: JsonSchemaRules): ConnectValue {
  if (schema.keys?.type === 'string' && schema.keys.optional !== true) {
    if (!isJson(json)) throw new DataError('Maps with string fields should be encoded as JSON objects')
    return new Map(Object.entries(json).map(([key, each]) => [key, readValue(schema.values!, each, rules)]))
  }
  if (!Array.isArray(json)) throw new DataError('Maps with non-string fields should be encoded as JSON array of objects')
  return new Map(
    json.map((entry: unknown) => {
      if (!isJson(entry)) throw new DataError('Found invalid map entry instead of object')
      return [readValue(schema.keys!, entry.key, rules), readValue(schema.values!, entry.value, rules)]
    }),
  )
}

/** The first member whose type fits, or the object that has the most properties in common. */
function readUnion(schema: Schema, json: unknown, rules: JsonSchemaRules): ConnectValue {
  let best: Field | null = null
  let most = 0
  for (const field of schema.fields ?? []) {
    if (fitsScalar(field.schema, json)) return only(schema, field, readValue(field.schema, json, rules))
    const common = inCommon(field.schema, json)
    if (common > most) {
      most = common
      best = field
    }
  }
  if (best === null) throw new DataError('Did not find matching oneof field for data')
  return only(schema, best, readValue(best.schema, json, rules))
}

function only(schema: Schema, member: Field, value: ConnectValue): ConnectValue {
  return struct((schema.fields ?? []).map(field => [field.name, field === member ? value : null] as const))
}

function fitsScalar(schema: Schema, json: unknown): boolean {
  const isInteger = typeof json === 'bigint' || Number.isInteger(json)
  const isNumber = isInteger || typeof json === 'number' || isDecimal(json)
  switch (schema.type) {
    case 'boolean':
      return typeof json === 'boolean'
    case 'string':
      return typeof json === 'string'
    case 'float32':
    case 'float64':
      return isNumber
    case 'bytes':
      return isDecimal(json)
    case 'array':
      return Array.isArray(json)
    case 'map':
      return isJson(json) || Array.isArray(json)
    case 'struct':
      return false
    default:
      return isInteger
  }
}

/** What the parser makes of a fraction with more digits than a double holds. */
function isDecimal(json: unknown): boolean {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !isStruct(json as ConnectValue)
}

function inCommon(schema: Schema, json: unknown): number {
  if (schema.type !== 'struct' || !isJson(json)) return 0
  const shared = (schema.fields ?? []).filter(field => Object.hasOwn(json, field.name))
  return shared.reduce((sum, field) => sum + 1 + inCommon(field.schema, json[field.name]), 0)
}
