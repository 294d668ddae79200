/** JSON → Avro's types, with Avro's rules for names, unions and default values. */
import { isArray, isObject, type Json, JsonNumber, type JsonObject, parseJson, printJson } from '../json-tree.ts'
import { type Budget, InvalidSchema, type SchemaSource } from '../schema.ts'
import { isValidDefault } from './defaults.ts'
import { type AvroType, type Field, fullName, type Name, type NamedType, type Props, primitives, type RecordType } from './model.ts'

const reserved = new Set(['doc', 'fields', 'items', 'name', 'namespace', 'size', 'symbols', 'values', 'type', 'aliases'])
const reservedOfEnums = new Set([...reserved, 'default'])
const reservedOfFields = new Set(['default', 'doc', 'name', 'order', 'type', 'aliases'])
const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/
const orders = ['ascending', 'descending', 'ignore'] as const

export interface ParsedAvro {
  readonly type: AvroType
  /** Full names of the types that the references define. */
  readonly referenced: ReadonlySet<string>
}

/** Throws InvalidSchema. */
export function parseAvro({ text, resolved, strict, budget }: SchemaSource): ParsedAvro {
  const names = new Map<string, NamedType>()
  for (const reference of resolved) new Parser(names, null).type(readJson(reference.text), null)
  const referenced = new Set(names.keys())
  return { type: new Parser(names, strict ? budget : null).type(readJson(text), null), referenced }
}

function readJson(text: string): Json {
  try {
    return parseJson(text, { comments: true })
  } catch (error) {
    // A name alone, as in `string`.
    if (identifier.test(text.trim())) return text.trim()
    throw new InvalidSchema((error as SyntaxError).message)
  }
}

class Parser {
  readonly #names: Map<string, NamedType>
  /** Of checking default values; null: they are not checked. */
  readonly #budget: Budget | null

  constructor(names: Map<string, NamedType>, budget: Budget | null) {
    this.#names = names
    this.#budget = budget
  }

  /** `space`: the namespace that surrounds it. */
  type(json: Json, space: string | null): AvroType {
    if (typeof json === 'string') return this.#named(json, space) ?? fail(`Undefined name: ${printJson(json)}`)
    if (isArray(json)) return this.#union(json, space)
    if (!isObject(json)) fail(`Schema not yet supported: ${printJson(json)}`)
    const kind = json.get('type')
    if (typeof kind !== 'string') fail(`No type: ${printJson(json)}`)
    if (isPrimitive(kind)) return { kind, props: propsOf(json, reserved) }
    if (kind === 'record' || kind === 'error') return this.#record(json, kind === 'error', space)
    if (kind === 'enum') return this.#enum(json, space)
    if (kind === 'fixed') return this.#fixed(json, space)
    if (kind === 'array')
      return {
        kind,
        items: this.type(json.get('items') ?? fail(`Array has no items type: ${printJson(json)}`), space),
        props: propsOf(json, reserved),
      }
    if (kind === 'map')
      return {
        kind,
        values: this.type(json.get('values') ?? fail(`Map has no values type: ${printJson(json)}`), space),
        props: propsOf(json, reserved),
      }
    return this.#named(kind, space) ?? fail(`Type not supported: ${kind}`)
  }

  #named(name: string, space: string | null): AvroType | undefined {
    if (isPrimitive(name)) return { kind: name, props: new Map() }
    return this.#names.get(fullName(toName(name, space))) ?? this.#names.get(name)
  }

  #union(json: readonly Json[], space: string | null): AvroType {
    const branches = json.map(each => this.type(each, space))
    const seen = new Set<string>()
    for (const branch of branches) {
      if (branch.kind === 'union') fail(`Nested union: ${printJson(json)}`)
      const name = 'name' in branch ? fullName(branch.name) : branch.kind
      if (seen.has(name)) fail(`Duplicate in union:${name}`)
      seen.add(name)
    }
    return { kind: 'union', branches }
  }

  #head(json: JsonObject, outer: string | null, notProps: ReadonlySet<string>) {
    const given = json.get('name')
    if (typeof given !== 'string') fail(`No name in schema: ${printJson(json)}`)
    const namespace = json.get('namespace')
    const name = toName(given, typeof namespace === 'string' ? namespace || null : outer)
    for (const part of [...(name.space?.split('.') ?? []), name.name]) requireIdentifier(part)
    if (isPrimitive(fullName(name))) fail(`Schemas may not be named after primitives: ${fullName(name)}`)
    const aliases = stringsOf(json.get('aliases'), 'aliases').map(alias => toName(alias, name.space))
    return { name, doc: textOf(json.get('doc')), aliases, props: propsOf(json, notProps) }
  }

  #define<Type extends NamedType>(type: Type): Type {
    const name = fullName(type.name)
    if (this.#names.has(name)) fail(`Can't redefine: ${name}`)
    this.#names.set(name, type)
    return type
  }

  #record(json: JsonObject, isError: boolean, outer: string | null): RecordType {
    const record = this.#define<RecordType>({ kind: 'record', isError, ...this.#head(json, outer, reserved), fields: [] })
    const fields = json.get('fields')
    if (!isArray(fields)) fail(`Record has no fields: ${printJson(json)}`)
    const seen = new Set<string>()
    for (const each of fields) {
      if (!isObject(each)) fail(`Field is not an object: ${printJson(each)}`)
      const field = this.#field(each, record.name.space)
      if (seen.has(field.name)) fail(`Duplicate field ${field.name} in record ${fullName(record.name)}`)
      seen.add(field.name)
      record.fields.push(field)
    }
    if (this.#budget !== null) for (const field of record.fields) requireDefault(field, this.#budget)
    return record
  }

  #field(json: JsonObject, space: string | null): Field {
    const name = json.get('name')
    if (typeof name !== 'string') fail(`No field name: ${printJson(json)}`)
    requireIdentifier(name)
    const type = json.get('type')
    if (type === undefined) fail(`No field type: ${printJson(json)}`)
    const order = json.get('order') ?? 'ascending'
    const known = orders.find(each => typeof order === 'string' && each === order.toLowerCase())
    if (known === undefined) fail(`Unknown order of the field ${name}: ${printJson(order)}`)
    return {
      name,
      type: this.type(type, space),
      doc: textOf(json.get('doc')),
      fallback: json.get('default'),
      order: known,
      aliases: stringsOf(json.get('aliases'), 'aliases'),
      props: propsOf(json, reservedOfFields),
    }
  }

  #enum(json: JsonObject, outer: string | null): AvroType {
    const head = this.#head(json, outer, reservedOfEnums)
    const given = json.get('symbols')
    if (!isArray(given)) fail(`Enum has no symbols: ${printJson(json)}`)
    const symbols = stringsOf(given, 'symbols')
    const seen = new Set<string>()
    for (const symbol of symbols) {
      requireIdentifier(symbol)
      if (seen.has(symbol)) fail(`Duplicate enum symbol: ${symbol}`)
      seen.add(symbol)
    }
    const fallback = textOf(json.get('default'))
    if (fallback !== null && !seen.has(fallback))
      fail(`The Enum Default: ${fallback} is not in the enum symbol set: [${symbols.join(', ')}]`)
    return this.#define({ kind: 'enum', ...head, symbols, fallback })
  }

  #fixed(json: JsonObject, outer: string | null): AvroType {
    const head = this.#head(json, outer, reserved)
    const size = json.get('size')
    if (!(size instanceof JsonNumber) || !/^\d{1,10}$/.test(size.text) || Number(size.text) > 2_147_483_647)
      fail(`Invalid or no size: ${printJson(json)}`)
    return this.#define({ kind: 'fixed', ...head, size: Number(size.text) })
  }
}

function requireDefault({ name, type, fallback }: Field, budget: Budget): void {
  if (fallback !== undefined && !isValidDefault(type, fallback, budget))
    fail(`Invalid default for field ${name}: ${printJson(fallback)} not a ${'name' in type ? fullName(type.name) : type.kind}`)
}

function requireIdentifier(name: string): void {
  if (!identifier.test(name)) fail(`Illegal ${name === '' ? 'empty name' : `character in: ${name}`}`)
}

function toName(given: string, space: string | null): Name {
  const dot = given.lastIndexOf('.')
  if (dot === -1) return { name: given, space }
  return { name: given.slice(dot + 1), space: given.slice(0, dot) || null }
}

function isPrimitive(name: string): name is (typeof primitives)[number] {
  return (primitives as readonly string[]).includes(name)
}

function propsOf(json: JsonObject, notProps: ReadonlySet<string>): Props {
  return new Map(Array.from(json).filter(([name]) => !notProps.has(name)))
}

function textOf(json: Json | undefined): string | null {
  return typeof json === 'string' ? json : null
}

function stringsOf(json: Json | undefined, what: string): string[] {
  if (json === undefined || json === null) return []
  if (!isArray(json) || !json.every(each => typeof each === 'string')) fail(`${what} is not an array of strings: ${printJson(json)}`)
  return [...(json as readonly string[])]
}

function fail(message: string): never {
  throw new InvalidSchema(message)
}
