/**
 * Protobuf files as the codec walks them. A library parses the text; its objects are turned into plain descriptions here, so that the codec, which
 * faces bytes that nobody has checked, is ours: no generated code, exact 64-bit integers, counted work.
 */
import { createRequire } from 'node:module'
import type protobuf from 'protobufjs'
import { exact } from '../budget.ts'
import { SerdeError } from '../types.ts'

export type Scalar =
  | 'double'
  | 'float'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'fixed32'
  | 'sfixed32'
  | 'int64'
  | 'uint64'
  | 'sint64'
  | 'fixed64'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes'
  | 'enum'
  | 'message'

export interface Field {
  readonly name: string
  readonly jsonName: string
  readonly id: number
  readonly kind: Scalar
  readonly repeated: boolean
  readonly packed: boolean
  readonly required: boolean
  /** A message between two tags instead of behind a length. */
  readonly delimited: boolean
  /** Fields with the same slot exclude each other: those of a oneof. */
  readonly slot: number
  /** Whether "not set" differs from the default. */
  readonly presence: boolean
  readonly inOneof: boolean
  readonly default: unknown
  /** Of a map: its value has id 2. */
  readonly map: { readonly key: Field; readonly value: Field } | null
  readonly enum: {
    readonly name: string
    readonly names: ReadonlyMap<number, string>
    readonly numbers: ReadonlyMap<string, number>
  } | null
  readonly message: Message | null
  /** To which it belongs, with its place among those of the message; those that `optional` makes do not count. */
  readonly oneof: { readonly name: string; readonly index: number } | null
  /** Whether it says so. */
  readonly optional: boolean
  /** Parameters of Confluent's `field_meta`. */
  readonly meta: Readonly<Record<string, string>>
}

export interface Message {
  /** With its package. */
  readonly name: string
  /** By id, in this order. */
  readonly fields: ReadonlyMap<number, Field>
  /** By both names of a field. */
  readonly byName: ReadonlyMap<string, Field>
  /** Of all JSON names together. */
  readonly characters: number
}

export interface ProtobufFile {
  /** Of the top level and within each other, as message indexes count them. */
  message(indexes: readonly number[]): Message
  /** The message of this name, with or without the package, and its indexes. */
  find(name: string): { message: Message; indexes: number[] }
  /** Any message that the file or its imports define. */
  lookup(name: string): Message | null
}

const require = createRequire(import.meta.url)
let loaded: typeof protobuf | null = null

/** Most processes never see Protobuf. */
function library(): typeof protobuf {
  loaded ??= require('protobufjs') as typeof protobuf
  return loaded
}

const mostText = 4 * 2 ** 20
const mainFile = 'main.proto'

/** What registries and compilers have without being told, besides what the library brings. */
const known: Readonly<Record<string, string>> = {
  'confluent/type/decimal.proto':
    'syntax = "proto3"; package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }',
  'google/type/date.proto': 'syntax = "proto3"; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }',
  'google/type/timeofday.proto':
    'syntax = "proto3"; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }',
  'google/type/latlng.proto': 'syntax = "proto3"; package google.type; message LatLng { double latitude = 1; double longitude = 2; }',
  'google/type/money.proto':
    'syntax = "proto3"; package google.type; message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }',
}

/** `references`: other files by the names under which they are imported, each after those that it imports. Throws SerdeError. */
export function parseProtobuf(text: string, references: ReadonlyMap<string, string>): ProtobufFile {
  const root = new (library().Root)()
  const length = [...references.values()].reduce((sum, each) => sum + each.length, text.length)
  if (length > mostText) throw new SerdeError(`the schema has ${length} characters; at most ${mostText} are read`)
  try {
    const added = new Set<string>(references.keys())
    for (const [name, file] of references) parseFile(root, name, file, added)
    parseFile(root, mainFile, text, added)
    root.resolveAll()
  } catch (error) {
    throw new SerdeError(`the Protobuf schema cannot be read: ${(error as Error).message}`, error)
  }
  return new File(root)
}

function parseFile(root: protobuf.Root, name: string, text: string, added: Set<string>): void {
  // The library reads the name from here, for what it makes and for its errors.
  const parse = library().parse as typeof protobuf.parse & { filename: string | null }
  parse.filename = name
  try {
    const { imports } = parse(text, root, { keepCase: true })
    for (const each of imports ?? []) addKnown(root, each, added)
  } finally {
    parse.filename = null
  }
}

/** An import that nobody knows is no error yet: perhaps only options come from it. */
function addKnown(root: protobuf.Root, name: string, added: Set<string>): void {
  if (added.has(name)) return
  added.add(name)
  const text = Object.hasOwn(known, name) ? known[name] : undefined
  const bundled = library().common.get(name)?.nested ?? (name === 'google/protobuf/descriptor.proto' ? descriptor() : undefined)
  if (text !== undefined) parseFile(root, name, text, added)
  else if (bundled !== undefined && bundled !== null) root.addJSON(bundled as protobuf.INamespace['nested'] & object)
}

function descriptor(): object {
  return require('protobufjs/google/protobuf/descriptor.json').nested
}

class File implements ProtobufFile {
  readonly #root: protobuf.Root
  readonly #messages = new Map<protobuf.Type, Message>()

  constructor(root: protobuf.Root) {
    this.#root = root
  }

  message(indexes: readonly number[]): Message {
    let inside = topLevel(this.#root)
    let found: protobuf.Type | undefined
    for (const index of indexes) {
      found = inside[index]
      if (found === undefined) throw new SerdeError(`the schema has no message at [${indexes.join(', ')}]`)
      inside = typesIn(found)
    }
    if (found === undefined) throw new SerdeError('the schema has no message')
    return this.#describe(found)
  }

  find(name: string): { message: Message; indexes: number[] } {
    const search = (types: protobuf.Type[], before: number[]): { type: protobuf.Type; indexes: number[] } | null => {
      for (const [index, type] of types.entries()) {
        const indexes = [...before, index]
        const full = fullName(type)
        const found = full === name || full.endsWith(`.${name}`) ? { type, indexes } : search(typesIn(type), indexes)
        if (found !== null) return found
      }
      return null
    }
    const found = search(topLevel(this.#root), [])
    if (found === null) throw new SerdeError(`the schema has no message ${name}`)
    return { message: this.#describe(found.type), indexes: found.indexes }
  }

  lookup(name: string): Message | null {
    const found = this.#root.lookup(name)
    return found instanceof library().Type ? this.#describe(found) : null
  }

  /** Messages that contain each other are described once. */
  #describe(type: protobuf.Type): Message {
    const before = this.#messages.get(type)
    if (before !== undefined) return before
    const fields = new Map<number, Field>()
    const byName = new Map<string, Field>()
    const message = { name: fullName(type), fields, byName, characters: 0 }
    this.#messages.set(type, message)
    for (const each of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
      const field = this.#field(each, type)
      fields.set(field.id, field)
      byName.set(field.name, field)
      byName.set(field.jsonName, field)
      message.characters += field.jsonName.length
    }
    return message
  }

  #field(field: protobuf.Field, parent: protobuf.Type): Field {
    const { resolvedType, partOf } = field
    const oneof = partOf === null ? -1 : parent.oneofsArray.indexOf(partOf)
    const synthetic = field.options?.proto3_optional === true
    const described = describeScalar(field.type, resolvedType)
    const rest = {
      name: field.name,
      jsonName: (field as protobuf.Field & { jsonName?: string }).jsonName ?? field.name,
      id: field.id,
      required: field.required,
      delimited: (field as protobuf.Field & { delimited?: boolean }).delimited === true,
      slot: oneof >= 0 && !synthetic ? -1 - oneof : field.id,
      presence: (field as protobuf.Field & { hasPresence?: boolean }).hasPresence === true,
      inOneof: partOf !== null,
      oneof: oneof < 0 || synthetic ? null : { name: partOf!.name, index: oneof },
      optional: synthetic || saysOptional(field),
      meta: metaOf(field),
      packed: field.packed && field.repeated,
      repeated: field.repeated,
      default: defaultOf(field, described),
    }
    const message = resolvedType instanceof library().Type ? resolvedType : null
    // A getter, because messages contain each other.
    const describe = () => (message === null ? null : this.#describe(message))
    const base = { ...rest, ...described, map: null }
    const value: Field = Object.defineProperty(base as unknown as Field, 'message', { get: describe })
    if (!(field instanceof library().MapField)) return value
    const keyKind = describeScalar(field.keyType, null)
    const key = {
      ...rest,
      ...keyKind,
      name: 'key',
      jsonName: 'key',
      id: 1,
      slot: 1,
      map: null,
      message: null,
      default: zeroOf(keyKind.kind),
    }
    const inner: Field = Object.defineProperty(
      { ...base, name: 'value', jsonName: 'value', id: 2, slot: 2, default: zeroOf(described.kind, described.enum) } as unknown as Field,
      'message',
      { get: describe },
    )
    return { ...rest, kind: 'message', repeated: true, packed: false, enum: null, message: null, map: { key, value: inner } }
  }
}

type Described = Pick<Field, 'kind' | 'enum'>

function describeScalar(type: string, resolved: protobuf.ReflectionObject | null): Described {
  if (resolved instanceof library().Type) return { kind: 'message', enum: null }
  if (!(resolved instanceof library().Enum)) return { kind: type as Scalar, enum: null }
  const numbers = new Map(Object.entries(resolved.values))
  const names = new Map<number, string>()
  // Of aliases, the first one is printed.
  for (const [name, number] of numbers) if (!names.has(number)) names.set(number, name)
  return { kind: 'enum', enum: { name: resolved.name, names, numbers } }
}

/** With proto2, whose fields are optional, required or repeated. */
function saysOptional(field: protobuf.Field): boolean {
  const { required, repeated, partOf, resolvedType } = field
  const presence = (field as protobuf.Field & { hasPresence?: boolean }).hasPresence === true
  return presence && !required && !repeated && partOf === null && !(resolvedType instanceof library().Type)
}

/** `[(confluent.field_meta).params = { key: "scale", value: "2" }]`, alone or as a list. */
function metaOf(field: protobuf.Field): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (each: unknown, depth: number): void => {
    if (typeof each !== 'object' || each === null || depth > 5) return
    const { key, value } = each as Record<string, unknown>
    if (typeof key === 'string' && typeof value === 'string') found[key] = value
    else for (const inner of Object.values(each)) visit(inner, depth + 1)
  }
  for (const option of (field.parsedOptions as Record<string, unknown>[] | null) ?? [])
    for (const [name, each] of Object.entries(option)) if (name.startsWith('(confluent.field_meta)')) visit(each, 0)
  return found
}

function defaultOf(field: protobuf.Field, { kind, enum: symbols }: Described): unknown {
  const given = field.options?.default as unknown
  if (given === undefined || field.repeated) return zeroOf(kind, symbols)
  if (kind === 'bytes') return Buffer.from(String(given), 'latin1')
  if (kind.endsWith('64') && /^-?\d+$/.test(String(given))) return exact(BigInt(given as string))
  if (kind === 'enum') return symbols!.numbers.get(String(given)) ?? zeroOf(kind, symbols)
  return kind === 'string' || kind === 'bool' ? given : Number(given)
}

function zeroOf(kind: Scalar, symbols: Field['enum'] = null): unknown {
  if (kind === 'string') return ''
  if (kind === 'bytes') return Buffer.alloc(0)
  if (kind === 'bool') return false
  return kind === 'enum' ? (symbols!.numbers.values().next().value ?? 0) : 0
}

/** Of the main file only; namespaces are its package. */
function topLevel(namespace: protobuf.NamespaceBase): protobuf.Type[] {
  return namespace.nestedArray.flatMap(each => {
    if (each instanceof library().Type) return each.filename === mainFile ? [each] : []
    return each instanceof library().Namespace && !(each instanceof library().Service) ? topLevel(each) : []
  })
}

function typesIn(type: protobuf.Type): protobuf.Type[] {
  return type.nestedArray.filter(each => each instanceof library().Type)
}

function fullName(type: protobuf.Type): string {
  return type.fullName.replace(/^\./, '')
}
