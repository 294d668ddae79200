/**
 * Avro's binary encoding to Kafka Connect's values: a schema is turned into functions once. Unions of null and one other type are optional; others are structs
 * with one optional field for each branch, as in Confluent's AvroData.
 */
import { parseLossless } from '../../base.ts'
import { type ConnectValue, DataError, Decimal, decimal, type Field, logical, type Schema, struct } from '../../connector.ts'
import { signedInteger } from '../values/numbers.ts'

export interface AvroValueReader {
  readonly schema: Schema
  /** Throws DataError. */
  readonly read: (cursor: Cursor) => ConnectValue
}

const mostDepth = 100
/** Of a schema, each counted as often as it is used. */
const mostTypes = 10_000
/** Of the values that take no bytes in a block: so many, and so many for each of its bytes. */
const mostOfNothing = 10_000
const mostOfNothingPerByte = 16

/** Throws DataError. */
export function compileAvro(text: string): AvroValueReader {
  let json: unknown
  try {
    json = parseLossless(text)
  } catch (error) {
    throw new DataError(`the schema of the Avro file is no JSON: ${(error as Error).message}`, error)
  }
  const compiler = new Compiler()
  const reader = compiler.type(json, '', 0)
  compiler.measure(reader.schema)
  return reader
}

export class Cursor {
  readonly #bytes: Buffer
  #at = 0
  #elements = 0
  #nothings = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  take(size: number): Buffer {
    if (!(size >= 0 && this.#at + size <= this.#bytes.length)) throw new DataError('a record of the Avro file goes beyond its block')
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  long(): bigint {
    let low = 0
    let value = 0n
    for (let shift = 0; ; shift += 7) {
      if (shift > 63) throw new DataError('a number in the Avro file is too long')
      const byte = this.take(1)[0]!
      if (shift < 28) low |= (byte & 0x7f) << shift
      else value |= BigInt(byte & 0x7f) << BigInt(shift)
      if (byte < 0x80) break
    }
    value |= BigInt(low)
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }

  int(): number {
    let bits = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > 28) throw new DataError('an int in the Avro file is too long')
      const byte = this.take(1)[0]!
      bits |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return (bits >>> 1) ^ -(bits & 1)
  }

  size(): number {
    const value = this.long()
    if (value < 0n || value > 2n ** 31n) throw new DataError(`a size in the Avro file is ${value}`)
    return Number(value)
  }

  /** Throws if a block cannot have so many. */
  records(count: number): void {
    const most = this.#bytes.length + mostOfNothing
    if (count > most)
      throw new DataError(
        `a block of the Avro file says that it has ${count} records in ${this.#bytes.length} bytes; at most ${most} are allowed`,
      )
  }

  /** A value that takes no bytes. */
  nothing(): void {
    const most = this.#bytes.length * mostOfNothingPerByte + mostOfNothing
    if (++this.#nothings > most)
      throw new DataError(
        `a block of the Avro file has more than ${most} values that take no bytes, which is what ${this.#bytes.length} bytes may have`,
      )
  }

  /** How many elements the next block of an array or a map has; 0: there is none. More than there are bytes cannot be, but for some that take none. */
  elements(): number {
    let count = this.long()
    if (count < 0n) {
      count = -count
      this.long()
    }
    this.#elements += Number(count)
    if (this.#elements > this.#bytes.length + mostOfNothing)
      throw new DataError('a block of the Avro file says that it has more elements than bytes')
    return Number(count)
  }

  finish(): void {
    if (this.#at !== this.#bytes.length) throw new DataError('a block of the Avro file has more bytes than records')
  }
}

type Json = Readonly<Record<string, unknown>>

const primitives: ReadonlyMap<string, AvroValueReader> = new Map<string, AvroValueReader>([
  ['boolean', { schema: { type: 'boolean' }, read: cursor => cursor.take(1)[0] === 1 }],
  ['int', { schema: { type: 'int32' }, read: cursor => cursor.int() }],
  ['long', { schema: { type: 'int64' }, read: cursor => cursor.long() }],
  ['float', { schema: { type: 'float32' }, read: cursor => cursor.take(4).readFloatLE() }],
  ['double', { schema: { type: 'float64' }, read: cursor => cursor.take(8).readDoubleLE() }],
  ['bytes', { schema: { type: 'bytes' }, read: cursor => Buffer.from(cursor.take(cursor.size())) }],
  ['string', { schema: { type: 'string' }, read: cursor => cursor.take(cursor.size()).toString() }],
])
/** Of null alone: there is no such type in Kafka Connect. */
const nothing: AvroValueReader = {
  schema: { type: 'string', optional: true },
  read: cursor => {
    cursor.nothing()
    return null
  },
}

const logicalOf: Readonly<Record<string, string>> = {
  'int date': logical.date,
  'int time-millis': logical.time,
  'long timestamp-millis': logical.timestamp,
  'long time-micros': 'io.debezium.time.MicroTime',
  'long timestamp-micros': 'io.debezium.time.MicroTimestamp',
}

class Compiler {
  readonly #named = new Map<string, AvroValueReader>()
  readonly #unfinished = new Set<string>()
  readonly #extents = new Map<Schema, { readonly types: number; readonly depth: number }>()

  type(json: unknown, space: string, depth: number): AvroValueReader {
    if (depth > mostDepth) throw new DataError(`the schema of the Avro file is nested more than ${mostDepth} times`)
    if (typeof json === 'string') return this.#name(json, space)
    if (Array.isArray(json)) return this.#union(json, space, depth)
    if (typeof json !== 'object' || json === null) throw new DataError('the schema of the Avro file is not a schema of Avro')
    const node = json as Json
    switch (node['type']) {
      case 'record':
      case 'error':
        return this.#record(node, space, depth)
      case 'enum':
        return this.#enum(node, space)
      case 'fixed':
        return this.#fixed(node, space)
      case 'array':
        return arrayOf(this.type(node['items'], space, depth + 1))
      case 'map':
        return mapOf(this.type(node['values'], space, depth + 1))
      default:
        return this.#annotated(node, space, depth)
    }
  }

  /** Throws if it is too large: a short text whose names are used again and again may mean a schema almost without end. */
  measure(schema: Schema): { readonly types: number; readonly depth: number } {
    const known = this.#extents.get(schema)
    if (known !== undefined) return known
    let types = 1
    let depth = 0
    for (const part of [...(schema.fields ?? []).map(field => field.schema), schema.items, schema.values]) {
      if (part === undefined) continue
      const inner = this.measure(part)
      types += inner.types
      depth = Math.max(depth, inner.depth + 1)
    }
    if (types > mostTypes)
      throw new DataError(
        `the schema of the Avro file has ${types} types or more, each counted as often as it is used; at most ${mostTypes} are allowed`,
      )
    if (depth > mostDepth) throw new DataError(`the schema of the Avro file is nested more than ${mostDepth} times`)
    this.#extents.set(schema, { types, depth })
    return { types, depth }
  }

  #name(name: string, space: string): AvroValueReader {
    if (name === 'null') return nothing
    const found = primitives.get(name) ?? this.#named.get(fullName(name, space)) ?? this.#named.get(name)
    if (this.#unfinished.has(fullName(name, space)))
      throw new DataError(`the type ${name.slice(0, 100)} of the Avro schema contains itself, which a schema of Kafka Connect cannot`)
    if (found === undefined) throw new DataError(`the schema of the Avro file has no type ${name.slice(0, 100)}`)
    return found
  }

  #annotated(node: Json, space: string, depth: number): AvroValueReader {
    const made = this.type(node['type'], space, depth + 1)
    const { logicalType, 'connect.type': narrow } = node as { logicalType?: unknown; 'connect.type'?: unknown }
    if (logicalType === 'decimal' && node['type'] === 'bytes') return decimalOf(node, made)
    if ((narrow === 'int8' || narrow === 'int16') && node['type'] === 'int') return { ...made, schema: { type: narrow } }
    const name = logicalOf[`${node['type']} ${logicalType}`]
    return name === undefined ? made : { ...made, schema: { ...made.schema, name, version: 1 } }
  }

  #record(node: Json, space: string, depth: number): AvroValueReader {
    const { name, inner } = this.#nameOf(node, space)
    const fields: (Field & { read: AvroValueReader['read'] })[] = []
    const schema: Schema = { type: 'struct', name, fields }
    const read = (cursor: Cursor) => {
      if (fields.length === 0) cursor.nothing()
      return struct(fields.map(field => [field.name, field.read(cursor)] as const))
    }
    this.#unfinished.add(name)
    const given = node['fields']
    if (!Array.isArray(given)) throw new DataError(`the record ${name} of the Avro schema has no fields`)
    for (const each of given as Json[]) {
      const made = this.type(each['type'], inner, depth + 1)
      fields.push({ name: String(each['name']), schema: made.schema, read: made.read })
    }
    this.#unfinished.delete(name)
    requireDistinct(
      fields.map(field => field.name),
      `the record ${name} of the Avro schema has two fields`,
    )
    return this.#define(name, { schema, read })
  }

  #enum(node: Json, space: string): AvroValueReader {
    const { name } = this.#nameOf(node, space)
    const symbols = Array.isArray(node['symbols']) ? node['symbols'].map(String) : []
    return this.#define(name, {
      schema: { type: 'string' },
      read: cursor => {
        const symbol = symbols[cursor.int()]
        if (symbol === undefined) throw new DataError(`the enum ${name} of the Avro file has no such symbol`)
        return symbol
      },
    })
  }

  #fixed(node: Json, space: string): AvroValueReader {
    const { name } = this.#nameOf(node, space)
    const size = Number(node['size'])
    if (!Number.isSafeInteger(size) || size < 0) throw new DataError(`the fixed type ${name} of the Avro schema has no size`)
    const read = (cursor: Cursor) => {
      if (size === 0) cursor.nothing()
      return Buffer.from(cursor.take(size))
    }
    const made: AvroValueReader = { schema: { type: 'bytes' }, read }
    return this.#define(name, node['logicalType'] === 'decimal' ? decimalOf(node, made) : made)
  }

  #union(branches: readonly unknown[], space: string, depth: number): AvroValueReader {
    const made = branches.map(each => (each === 'null' ? null : this.type(each, space, depth + 1)))
    const present = made.filter(each => each !== null)
    const [only] = present
    const names = branches.map(branchName)
    requireDistinct(
      names.filter((_, at) => made[at] !== null),
      'a union of the Avro schema has two branches',
    )
    const schema: Schema =
      present.length === 1
        ? { ...only!.schema, ...(made.length > 1 && { optional: true }) }
        : {
            type: 'struct',
            name: 'io.confluent.connect.avro.Union',
            ...(present.length < made.length && { optional: true }),
            fields: made.flatMap((each, at) => (each === null ? [] : [{ name: names[at]!, schema: { ...each.schema, optional: true } }])),
          }
    return {
      schema,
      read: cursor => {
        const index = cursor.int()
        const branch = made[index]
        if (branch === undefined) throw new DataError('a union of the Avro file has no such branch')
        if (branch === null) return null
        const value = branch.read(cursor)
        if (present.length === 1) return value
        return struct((schema.fields ?? []).map(({ name }) => [name, name === names[index] ? value : null] as const))
      },
    }
  }

  #nameOf(node: Json, space: string): { name: string; inner: string } {
    const own = typeof node['namespace'] === 'string' ? node['namespace'] : space
    const name = fullName(String(node['name']), own)
    return { name, inner: name.slice(0, Math.max(name.lastIndexOf('.'), 0)) }
  }

  #define(name: string, reader: AvroValueReader): AvroValueReader {
    this.measure(reader.schema)
    this.#named.set(name, reader)
    return reader
  }
}

/** Of two of the same name a struct has one, with the value of the one and the type of the other. */
function requireDistinct(names: readonly string[], what: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new DataError(`${what} with the name ${name.slice(0, 100)}`)
    seen.add(name)
  }
}

function fullName(name: string, space: string): string {
  return name.includes('.') || space === '' ? name : `${space}.${name}`
}

function branchName(branch: unknown): string {
  if (typeof branch === 'string') return branch.slice(branch.lastIndexOf('.') + 1)
  const { type, name } = branch as Json
  const own = String(name ?? type)
  return own.slice(own.lastIndexOf('.') + 1)
}

function arrayOf(items: AvroValueReader): AvroValueReader {
  return {
    schema: { type: 'array', items: items.schema },
    read: cursor => {
      const list: ConnectValue[] = []
      for (let count = cursor.elements(); count > 0; count = cursor.elements())
        for (let left = count; left > 0; left--) list.push(items.read(cursor))
      return list
    },
  }
}

function mapOf(values: AvroValueReader): AvroValueReader {
  return {
    schema: { type: 'map', keys: { type: 'string' }, values: values.schema },
    read: cursor => {
      const map = new Map<ConnectValue, ConnectValue>()
      for (let count = cursor.elements(); count > 0; count = cursor.elements())
        for (let left = count; left > 0; left--) map.set(cursor.take(cursor.size()).toString(), values.read(cursor))
      return map
    },
  }
}

function decimalOf(node: Json, made: AvroValueReader): AvroValueReader {
  const scale = Number(node['scale'] ?? 0)
  if (!Number.isSafeInteger(scale) || scale < 0 || scale > 10_000) throw new DataError('a decimal of the Avro schema has no valid scale')
  return { schema: decimal(scale), read: cursor => new Decimal(signedInteger(made.read(cursor) as Buffer), scale) }
}
