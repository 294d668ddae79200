/** Avro's schemas and values to Kafka Connect's, as Confluent's AvroData maps them. Values come in Avro's JSON encoding, with the branches of unions named. */
import { parseLossless } from '../../base.ts'
import { type ConnectValue, DataError, Decimal, decimal, type Field, logical, type Schema, struct } from '../../connector.ts'
import type { Display, RegisteredSchema } from '../../serde.ts'
import { integerOfBytes } from '../values/java.ts'
import { againOptional, optionalIf } from '../values/schemas.ts'
import * as avro from './avro-names.ts'
import { generalEnum, generalUnion } from './sum-types.ts'

type Json = Record<string, unknown>
type Read = (json: Display) => ConnectValue

/** A type of Avro and what becomes of it. */
export interface AvroReader {
  /** null: its values have no schema. */
  readonly schema: Schema | null
  /** Throws DataError. */
  readonly read: Read
}

/** With the version that the registry gives it; null: none. Throws DataError. */
export function avroReader({ schema, texts }: RegisteredSchema, version: number | null, rules: avro.AvroRules): AvroReader {
  const names = new Names()
  for (const text of texts.values()) names.collect(parseLossless(text), '')
  const root = parseLossless(schema)
  names.collect(root, '')
  const { node, space } = names.resolve(root, '')
  if (isJson(node) && nameOf(node, space) === avro.anything) return { schema: null, read: readAnything }
  const made = new Compiler(names, rules).type(node, space, {})
  if (version === null || made.schema.version !== undefined) return made
  return { schema: { ...made.schema, version }, read: made.read }
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(node: Json, space: string): string {
  const name = String(node.name)
  if (name.includes('.')) return name
  const own = typeof node.namespace === 'string' ? node.namespace : space
  return own === '' ? name : `${own}.${name}`
}

function spaceOf(full: string): string {
  return full.slice(0, Math.max(full.lastIndexOf('.'), 0))
}

const namedKinds = ['record', 'error', 'enum', 'fixed']

/** Named types by their full names. */
class Names {
  readonly #nodes = new Map<string, Json>()

  collect(node: unknown, space: string): void {
    if (Array.isArray(node)) for (const each of node) this.collect(each, space)
    if (!isJson(node)) return
    if (!namedKinds.includes(node.type as string)) {
      for (const each of [node.type, node.items, node.values]) if (typeof each === 'object') this.collect(each, space)
      return
    }
    const full = nameOf(node, space)
    this.#nodes.set(full, node)
    if (Array.isArray(node.fields)) for (const field of node.fields) this.collect((field as Json).type, spaceOf(full))
  }

  /** What a name stands for, and the namespace around it. */
  resolve(node: unknown, space: string): { node: unknown; space: string } {
    if (typeof node !== 'string') return { node, space }
    for (const full of [space === '' || node.includes('.') ? node : `${space}.${node}`, node]) {
      const found = this.#nodes.get(full)
      if (found !== undefined) return { node: found, space: spaceOf(full) }
    }
    return { node, space }
  }
}

interface Around {
  readonly optional?: boolean
  /** In Avro's JSON; undefined: none. */
  readonly default?: unknown
  readonly doc?: string | undefined
}

type Typed = { readonly schema: Schema; readonly read: Read }
type Draft = { -readonly [K in keyof Schema]: Schema[K] } & { parameters: Record<string, string> }

class Compiler {
  readonly #names: Names
  readonly #rules: avro.AvroRules
  /** Records that are being read, which may contain themselves. */
  readonly #open = new Map<Json, Typed>()
  #unions = 0

  constructor(names: Names, rules: avro.AvroRules) {
    this.#names = names
    this.#rules = rules
  }

  type(given: unknown, around: string, context: Around): Typed {
    const { node: found, space } = this.#names.resolve(given, around)
    if (Array.isArray(found)) return this.#union(found, space, context)
    const node: Json = typeof found === 'string' ? { type: found } : isJson(found) ? found : {}
    if (typeof node.type === 'object') return this.type(node.type, space, context)
    if (typeof node.type === 'string' && this.#names.resolve(node.type, space).node !== node.type)
      return this.type(node.type, space, context)
    const open = this.#open.get(node)
    if (open === undefined) return this.#plain(node, space, context)
    return { schema: context.optional === true ? againOptional(open.schema) : open.schema, read: json => open.read(json) }
  }

  #plain(node: Json, space: string, context: Around): Typed {
    const draft: Draft = { type: 'string', parameters: {} }
    const own: { schema: Schema; read: Read } = { schema: draft as Schema, read: () => null }
    if (node.type === 'record' || node.type === 'error')
      this.#open.set(node, {
        get schema() {
          return own.schema
        },
        read: json => own.read(json),
      })
    const read = this.#base(node, space, draft)
    own.read = read
    this.#metadata(node, space, draft, context)
    if (Object.keys(draft.parameters).length === 0) delete (draft as { parameters?: unknown }).parameters
    if (context.optional === true) draft.optional = true
    this.#open.delete(node)
    const fallback = this.#default(node, space, context, read)
    if (fallback !== null) draft.default = fallback
    return { schema: draft as Schema, read }
  }

  /** Fills the draft and returns what reads values. */
  #base(node: Json, space: string, draft: Draft): Read {
    switch (node.type) {
      case 'boolean':
        draft.type = 'boolean'
        return json => json as boolean
      case 'string':
        return json => json as string
      case 'int':
        return this.#int(node, draft)
      case 'long':
        draft.type = 'int64'
        if (is(node.logicalType, 'timestamp-millis')) Object.assign(draft, { name: logical.timestamp, version: 1 })
        return json => BigInt(json as number | bigint)
      case 'float':
      case 'double':
        draft.type = node.type === 'float' ? 'float32' : 'float64'
        return node.type === 'float' ? json => Math.fround(Number(json)) : Number
      case 'bytes':
      case 'fixed':
        return this.#bytes(node, draft)
      case 'enum':
        return this.#enum(node, space, draft)
      case 'array':
        return this.#array(node, space, draft)
      case 'map':
        return this.#map(node, space, draft)
      case 'record':
      case 'error':
        return this.#record(node, space, draft)
      case 'null':
        throw new DataError('Standalone null schemas are not supported by this converter')
      default:
        throw new DataError(`Couldn't translate unsupported schema type ${String(node.type)}.`)
    }
  }

  #int(node: Json, draft: Draft): Read {
    draft.type = 'int32'
    const connectType = node['connect.type']
    if (is(node.logicalType, 'date')) Object.assign(draft, { name: logical.date, version: 1 })
    else if (is(node.logicalType, 'time-millis')) Object.assign(draft, { name: logical.time, version: 1 })
    else if (node.logicalType === undefined && connectType !== undefined) {
      if (connectType !== 'int8' && connectType !== 'int16') throw new DataError('Connect type annotation for Avro int field is null')
      draft.type = connectType
    }
    return json => json as number
  }

  #bytes(node: Json, draft: Draft): Read {
    draft.type = 'bytes'
    if (!is(node.logicalType, 'decimal')) {
      if (node.type === 'fixed') draft.parameters[avro.fixedSize] = String(node.size)
      return json => Buffer.from(json as string, 'latin1')
    }
    const scale = typeof node.scale === 'number' ? node.scale : 0
    const { parameters, ...rest } = decimal(scale)
    Object.assign(draft, rest)
    Object.assign(draft.parameters, parameters)
    if (node.precision !== undefined && typeof node.precision !== 'number')
      throw new DataError('precision property must be a JSON Integer. https://avro.apache.org/docs/1.9.1/spec.html#Decimal')
    if (typeof node.precision === 'number' && node.precision !== avro.defaultPrecision)
      draft.parameters[avro.precision] = String(node.precision)
    if (node.type === 'fixed') draft.parameters[avro.fixedSize] = String(node.size)
    return json => new Decimal(integerOfBytes(Buffer.from(json as string, 'latin1')), scale)
  }

  #enum(node: Json, space: string, draft: Draft): Read {
    const { metadata, discardDocs, generalSums } = this.#rules
    const full = nameOf(node, space)
    const simple = full.slice(full.lastIndexOf('.') + 1)
    if (metadata && typeof node.doc === 'string') draft.parameters[discardDocs ? 'connect.enum.doc' : avro.enumDoc + simple] = node.doc
    if (metadata && !discardDocs && typeof node.default === 'string') draft.parameters[avro.enumDefault + simple] = node.default
    const parameter = generalSums ? generalEnum : avro.enumName
    draft.parameters[parameter] = full
    for (const [index, symbol] of ((node.symbols ?? []) as string[]).entries())
      draft.parameters[`${parameter}.${symbol}`] = generalSums ? String(index) : symbol
    return json => json as string
  }

  #array(node: Json, space: string, draft: Draft): Read {
    const { node: items, space: inside } = this.#names.resolve(node.items, space)
    if (isJson(items) && items.type === 'record') {
      const isEntry = nameOf(items, inside) === `${avro.namespace}.${avro.mapEntry}` || items['connect.internal.type'] === avro.mapEntry
      if (isEntry) return this.#pairs(items, inside, draft)
    }
    const { schema, read } = this.type(node.items, space, {})
    Object.assign(draft, { type: 'array', items: schema })
    return json => (json as Display[]).map(read)
  }

  /** A map whose keys are no text. */
  #pairs(entry: Json, space: string, draft: Draft): Read {
    const fields = (Array.isArray(entry.fields) ? entry.fields : []) as Json[]
    const [key, value] = ['key', 'value'].map(name => fields.find(field => field.name === name))
    if (fields.length !== 2 || key === undefined || value === undefined)
      throw new DataError('Found map encoded as array of key-value pairs, but array elements do not match the expected format.')
    const inside = spaceOf(nameOf(entry, space))
    const keys = this.type(key.type, inside, {})
    const values = this.type(value.type, inside, {})
    Object.assign(draft, { type: 'map', keys: keys.schema, values: values.schema })
    return json => new Map((json as { key: Display; value: Display }[]).map(each => [keys.read(each.key), values.read(each.value)]))
  }

  #map(node: Json, space: string, draft: Draft): Read {
    const { schema, read } = this.type(node.values, space, {})
    Object.assign(draft, { type: 'map', keys: { type: 'string' }, values: schema })
    return json => new Map(Object.entries(json as Record<string, Display>).map(([key, each]) => [key, read(each)]))
  }

  #record(node: Json, space: string, draft: Draft): Read {
    const { metadata, discardDocs } = this.#rules
    const inside = spaceOf(nameOf(node, space))
    const fields: Field[] = []
    const reads: Read[] = []
    Object.assign(draft, { type: 'struct', fields })
    const keepsDocs = metadata && !discardDocs
    if (keepsDocs && typeof node.doc === 'string') draft.parameters[avro.recordDoc] = node.doc
    for (const field of (node.fields ?? []) as Json[]) {
      const name = String(field.name)
      const doc = typeof field.doc === 'string' ? field.doc : undefined
      if (keepsDocs && doc !== undefined) draft.parameters[avro.fieldDoc + name] = doc
      const { schema, read } = this.type(field.type, inside, { default: field.default, doc })
      const extra = metadata && isJson(field['connect.parameters']) ? textsOf(field['connect.parameters']) : null
      fields.push({ name, schema: extra === null ? schema : { ...schema, parameters: { ...schema.parameters, ...extra } } })
      reads.push(read)
    }
    return json => {
      const made = struct()
      for (let index = 0; index < fields.length; index++) {
        const name = fields[index]!.name
        made[name] = reads[index]!((json as Record<string, Display>)[name]!)
      }
      return made
    }
  }

  #union(branches: unknown[], space: string, context: Around): Typed {
    const others = branches.filter(branch => this.#kind(branch, space) !== 'null')
    if (branches.length === 1 && this.#rules.flattenUnions) {
      const { schema, read } = this.type(branches[0], space, { doc: context.doc })
      return { schema, read: json => read(Object.values(json as Record<string, Display>)[0]!) }
    }
    if (branches.length === 2 && others.length === 1) {
      const { schema, read } = this.type(others[0], space, { optional: true, doc: context.doc })
      return { schema, read: json => (json === null ? null : read(Object.values(json as Record<string, Display>)[0]!)) }
    }
    return this.#sum(branches, space)
  }

  /** One field for each branch, of which one is not null. */
  #sum(branches: unknown[], space: string): Typed {
    const { generalSums } = this.#rules
    const name = generalSums ? `connect_union_${this.#unions++}` : avro.unionName
    const fields: Field[] = []
    const byBranch = new Map<string, { name: string; read: Read }>()
    for (const [index, branch] of branches.entries()) {
      if (this.#kind(branch, space) === 'null') continue
      const { schema, read } = this.type(branch, space, { optional: true })
      const fieldName = this.#memberName(branch, space, index)
      if (fields.some(field => field.name === fieldName)) throw new DataError('Multiple union schemas map to the Connect union field name')
      fields.push({ name: fieldName, schema })
      byBranch.set(this.#branchName(branch, space), { name: fieldName, read })
    }
    const optional = optionalIf(fields.length < branches.length)
    const schema: Schema = { type: 'struct', name, fields, ...optional, ...(generalSums ? { parameters: { [generalUnion]: name } } : {}) }
    const read: Read = json => {
      if (json === null) return null
      const [branch, value] = Object.entries(json as Record<string, Display>)[0]!
      const member = byBranch.get(branch)
      if (member === undefined) throw new DataError('Did not find matching union field for data')
      return struct(fields.map(field => [field.name, field.name === member.name ? member.read(value) : null] as const))
    }
    return { schema, read }
  }

  #kind(branch: unknown, space: string): string {
    const { node } = this.#names.resolve(branch, space)
    if (Array.isArray(node)) return 'union'
    return isJson(node) ? (typeof node.type === 'string' ? this.#kindOfName(node.type) : this.#kind(node.type, space)) : String(node)
  }

  #kindOfName(type: string): string {
    return type === 'error' ? 'record' : type
  }

  #branchName(branch: unknown, space: string): string {
    const { node, space: inside } = this.#names.resolve(branch, space)
    return isJson(node) && namedKinds.includes(node.type as string) ? nameOf(node, inside) : this.#kind(branch, space)
  }

  #memberName(branch: unknown, space: string, index: number): string {
    if (this.#rules.generalSums) return `connect_union_field_${index}`
    const full = this.#branchName(branch, space)
    return this.#rules.enhanced ? full : full.slice(full.lastIndexOf('.') + 1)
  }

  /** Name, version, documentation and parameters. */
  #metadata(node: Json, space: string, draft: Draft, { default: fallback, doc }: Around): void {
    const { metadata, discardDocs } = this.#rules
    const shown = discardDocs ? (doc ?? node.doc ?? node['connect.doc']) : metadata ? node['connect.doc'] : undefined
    if (typeof shown === 'string') draft.doc = shown
    if (discardDocs && metadata && typeof node.doc === 'string') draft.parameters['connect.record.doc'] = node.doc
    const version = node['connect.version']
    if (version !== undefined) {
      if (typeof version !== 'number') throw new DataError(`Invalid Connect version found: ${String(version)}`)
      draft.version = version
    }
    if (metadata && node['connect.parameters'] !== undefined) {
      if (!isJson(node['connect.parameters'])) throw new DataError('Expected JSON object for schema parameters but found another value')
      Object.assign(draft.parameters, textsOf(node['connect.parameters']))
    }
    for (const [name, value] of Object.entries(node)) if (name.startsWith('avro')) draft.parameters[name] = String(value)
    const isOwnDefault = fallback !== undefined && fallback !== null && node['connect.default'] === undefined
    if (isOwnDefault && metadata && !discardDocs) draft.parameters[avro.fieldDefault] = 'true'
    const name = this.#nameOf(node, space, draft)
    if (name !== undefined) draft.name = name
  }

  #nameOf(node: Json, space: string, draft: Draft): string | undefined {
    const given = node['connect.name']
    if (given !== undefined && typeof given !== 'string') throw new DataError(`Invalid schema name: ${String(given)}`)
    const isNamed = namedKinds.includes(node.type as string) && draft.name !== logical.decimal
    const name = given ?? (isNamed ? nameOf(node, space) : undefined)
    if (name === undefined || name.startsWith(`${avro.namespace}.${avro.defaultName}`)) return draft.name
    if (draft.name !== undefined && draft.name !== name)
      throw new DataError(
        `Mismatched names: name already added to SchemaBuilder (${draft.name}) differs from name in source schema (${name})`,
      )
    return name
  }

  /** Of the field, or of the type. One that does not fit is no default. */
  #default(node: Json, space: string, context: Around, read: Read): ConnectValue {
    const given = context.default ?? node['connect.default'] ?? null
    if (given === null || given === undefined) return null
    try {
      return read(this.#tagged(node, given, space))
    } catch (error) {
      if (error instanceof DataError || error instanceof TypeError || error instanceof SyntaxError) return null
      throw error
    }
  }

  /** A default as values come: with the branches of unions named, of which defaults have the first. */
  #tagged(given: unknown, json: unknown, around: string): Display {
    const { node, space } = this.#names.resolve(given, around)
    if (Array.isArray(node)) return json === null ? null : { [this.#branchName(node[0], space)]: this.#tagged(node[0], json, space) }
    if (!isJson(node)) return json as Display
    if (node.type === 'array') return (json as unknown[]).map(each => this.#tagged(node.items, each, space))
    if (node.type === 'map' && isJson(json))
      return Object.fromEntries(Object.entries(json).map(([key, each]) => [key, this.#tagged(node.values, each, space)]))
    if (node.type !== 'record' || !isJson(json)) return json as Display
    const inside = spaceOf(nameOf(node, space))
    const fields = (node.fields ?? []) as Json[]
    return Object.fromEntries(
      fields.map(field => {
        const name = String(field.name)
        const given = Object.hasOwn(json, name) ? json[name] : field.default
        return [name, this.#tagged(field.type, given ?? null, inside)]
      }),
    )
  }
}

function is(value: unknown, word: string): boolean {
  return typeof value === 'string' && value.toLowerCase() === word
}

function textsOf(parameters: Json): Record<string, string> {
  for (const value of Object.values(parameters))
    if (typeof value !== 'string') throw new DataError(`Expected schema parameter values to be strings but found: ${String(value)}`)
  return parameters as Record<string, string>
}

/** Confluent's record of all types. */
function readAnything(json: Display): ConnectValue {
  const fields = json as Record<string, Record<string, Display> | null>
  const found = Object.entries(fields).find(([, value]) => value !== null)
  if (found === undefined) return null
  const [kind, tagged] = found
  const value = Object.values(tagged!)[0]!
  if (kind === 'bytes') return Buffer.from(value as string, 'latin1')
  if (kind === 'array') return (value as Display[]).map(readAnything)
  if (kind === 'float' || kind === 'double') return Number(value)
  if (kind !== 'map') return value as boolean | number | bigint | string
  const entries = (value as { key: Display; value: Display }[]).map(each => [readAnything(each.key), readAnything(each.value)] as const)
  return entries.every(([key]) => typeof key === 'string') ? struct(entries as (readonly [string, ConnectValue])[]) : new Map(entries)
}
