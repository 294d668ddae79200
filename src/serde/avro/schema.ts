/**
 * Avro schemas as the codec walks them: names are resolved, and a type that contains itself is a cycle of objects.
 *
 * Written by hand although a library is at hand: that one generates code from the schema, follows counts that a payload declares, and loses
 * digits of longs. Schemas are checked as far as the codec relies on them; a registry has checked the rest.
 */
import { parseLossless } from '../../base.ts'
import { SerdeError } from '../types.ts'

export type AvroType =
  | { kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string' }
  | { kind: 'fixed'; name: string; size: number }
  | { kind: 'enum'; name: string; symbols: readonly string[] }
  | { kind: 'array'; items: AvroType }
  | { kind: 'map'; values: AvroType }
  | AvroRecord
  | AvroUnion

export interface AvroRecord {
  kind: 'record'
  name: string
  fields: { name: string; type: AvroType; default: unknown }[]
  /** Of all field names together. */
  characters: number
}

export interface AvroUnion {
  kind: 'union'
  branches: { name: string; type: AvroType }[]
}

const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
const mostDepth = 100
const longestName = 1_000
const mostFixed = 2 ** 24

type Json = Record<string, unknown>

/** `references`: the texts of schemas that define names used in `text`, in an order in which each can be read. Throws SerdeError. */
export function parseAvro(text: string, references: readonly string[] = []): AvroType {
  const parser = new Parser()
  try {
    for (const each of references) parser.parse(parseLossless(each), '', 0)
    return parser.parse(parseLossless(text), '', 0)
  } catch (error) {
    if (error instanceof SyntaxError) throw new SerdeError(`the Avro schema is not valid JSON: ${error.message}`, error)
    throw error
  }
}

/** In the JSON encoding of a union. */
function branchName(type: AvroType): string {
  return 'name' in type ? type.name : type.kind
}

class Parser {
  readonly #named = new Map<string, AvroType>()

  parse(schema: unknown, namespace: string, depth: number): AvroType {
    if (depth > mostDepth) throw new SerdeError(`the Avro schema is nested more than ${mostDepth} levels deep`)
    if (typeof schema === 'string') return this.#byName(schema, namespace)
    if (Array.isArray(schema)) return this.#union(schema, namespace, depth)
    if (typeof schema !== 'object' || schema === null) throw invalid(schema)
    const { type } = schema as Json
    if (type === 'array') return { kind: 'array', items: this.parse((schema as Json).items, namespace, depth + 1) }
    if (type === 'map') return { kind: 'map', values: this.parse((schema as Json).values, namespace, depth + 1) }
    if (type === 'record' || type === 'error') return this.#record(schema as Json, namespace, depth)
    if (type === 'enum') return this.#enum(schema as Json, namespace)
    if (type === 'fixed') return this.#fixed(schema as Json, namespace)
    return this.parse(type, namespace, depth + 1)
  }

  #byName(name: string, namespace: string): AvroType {
    const primitive = primitives.find(each => each === name)
    if (primitive !== undefined) return { kind: primitive }
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name)
    if (found === undefined) throw new SerdeError(`the Avro schema names an unknown type ${JSON.stringify(name)}`)
    return found
  }

  #union(schemas: unknown[], namespace: string, depth: number): AvroType {
    const branches = schemas.map(each => {
      const type = this.parse(each, namespace, depth + 1)
      return { name: branchName(type), type }
    })
    if (branches.length === 0) throw new SerdeError('the Avro schema has an empty union')
    return { kind: 'union', branches }
  }

  #record(schema: Json, namespace: string, depth: number): AvroType {
    const name = ownName(schema, namespace)
    const type: AvroRecord = { kind: 'record', name, fields: [], characters: 0 }
    this.#define(name, type)
    if (!Array.isArray(schema.fields)) throw new SerdeError(`the Avro record ${name} has no fields`)
    for (const field of schema.fields as Json[]) {
      const fieldName = checkedName(field?.name)
      type.fields.push({ name: fieldName, type: this.parse(field.type, spaceOf(name), depth + 1), default: field.default })
      type.characters += fieldName.length
    }
    return type
  }

  #enum(schema: Json, namespace: string): AvroType {
    const name = ownName(schema, namespace)
    if (!Array.isArray(schema.symbols)) throw new SerdeError(`the Avro enum ${name} has no symbols`)
    const type: AvroType = { kind: 'enum', name, symbols: schema.symbols.map(checkedName) }
    this.#define(name, type)
    return type
  }

  #fixed(schema: Json, namespace: string): AvroType {
    const name = ownName(schema, namespace)
    const { size } = schema
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > mostFixed) {
      throw new SerdeError(`the Avro type ${name} has an invalid size`)
    }
    const type: AvroType = { kind: 'fixed', name, size }
    this.#define(name, type)
    return type
  }

  #define(name: string, type: AvroType): void {
    if (this.#named.has(name)) throw new SerdeError(`the Avro schema defines ${name} twice`)
    this.#named.set(name, type)
  }
}

function ownName(schema: Json, namespace: string): string {
  const space = typeof schema.namespace === 'string' ? schema.namespace : namespace
  return fullName(checkedName(schema.name), space)
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function spaceOf(name: string): string {
  const at = name.lastIndexOf('.')
  return at < 0 ? '' : name.slice(0, at)
}

function checkedName(name: unknown): string {
  if (typeof name !== 'string' || name === '') throw new SerdeError('the Avro schema has a part without a name')
  if (name.length > longestName) throw new SerdeError(`the Avro schema has a name of more than ${longestName} characters`)
  return name
}

function invalid(schema: unknown): SerdeError {
  return new SerdeError(
    `the Avro schema has ${schema === undefined ? 'a part without a type' : `an invalid type ${JSON.stringify(schema)}`}`,
  )
}
