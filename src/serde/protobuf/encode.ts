/** Values, in Protobuf's JSON mapping, to its binary encoding. Fields are known by either of their names; an integer may be a string. */
import { Budget } from '../budget.ts'
import { Output } from '../output.ts'
import { SerdeError } from '../types.ts'
import { wireTypes } from './decode.ts'
import type { Field, Message, ProtobufFile } from './schema.ts'
import { wellKnown } from './well-known.ts'

/** Throws SerdeError that names the field. */
export function encodeProtobuf(file: ProtobufFile, message: Message, value: unknown): Buffer {
  return new Encoder(file).bytesOf(message, value)
}

/** Far more than a record can hold. */
const mostElements = 2 ** 24

export class Encoder {
  readonly file: ProtobufFile
  readonly #path: string[] = []
  readonly #budget = new Budget(mostElements)

  constructor(file: ProtobufFile) {
    this.file = file
  }

  bytesOf(message: Message, value: unknown): Buffer {
    const output = new Output()
    this.#message(message, value, output)
    return output.toBuffer()
  }

  #message(message: Message, value: unknown, output: Output): void {
    this.#budget.enter()
    const special = wellKnown.get(message.name)
    const object = special === undefined ? value : this.#placed(() => special.unfold(value, this, message))
    if (typeof object !== 'object' || object === null || Array.isArray(object)) this.#refuse(value, `an object (${message.name})`)
    const given = new Map<Field, unknown>()
    for (const [name, each] of Object.entries(object as object)) {
      const field = message.byName.get(name)
      if (field === undefined) throw new SerdeError(`${this.#at(name)} is not a field of ${message.name}`)
      // null is "not set", except where it is a value.
      if (each !== null || field.message?.name === 'google.protobuf.Value') given.set(field, each)
    }
    this.#checkComplete(message, given)
    for (const field of message.fields.values()) if (given.has(field)) this.#field(field, given.get(field), output)
    this.#budget.leave()
  }

  #checkComplete(message: Message, given: ReadonlyMap<Field, unknown>): void {
    const slots = new Set<number>()
    for (const field of given.keys()) {
      if (slots.has(field.slot))
        throw new SerdeError(`${this.#at(field.jsonName)} excludes another field that is given: they are of one oneof`)
      slots.add(field.slot)
    }
    for (const field of message.fields.values()) {
      if (field.required && !given.has(field)) throw new SerdeError(`${this.#at(field.jsonName)} is required`)
    }
  }

  #field(field: Field, value: unknown, output: Output): void {
    this.#path.push(field.jsonName)
    if (field.map !== null) this.#map(field, field.map, value, output)
    else if (field.repeated) this.#list(field, value, output)
    else this.#value(field, value, output, !field.presence && !field.required && !field.inOneof)
    this.#path.pop()
  }

  #map(field: Field, { key, value: inner }: NonNullable<Field['map']>, value: unknown, output: Output): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.#refuse(value, 'an object')
    for (const [name, each] of Object.entries(value as object)) {
      const entry = new Output()
      this.#path.push(name)
      this.#value(key, key.kind === 'bool' ? name === 'true' || (name === 'false' ? false : name) : name, entry, false)
      this.#value(inner, each, entry, false)
      this.#path.pop()
      tag(field.id, 2, output)
      sized(entry.toBuffer(), output)
    }
  }

  #list(field: Field, value: unknown, output: Output): void {
    if (!Array.isArray(value)) this.#refuse(value, 'an array')
    const list = value as unknown[]
    const packed = field.packed && wireTypes[field.kind] !== 2
    const target = packed ? new Output() : output
    for (const [index, each] of list.entries()) {
      this.#path.push(String(index))
      if (packed) {
        this.#budget.spend()
        this.#scalar(field, each, target)
      } else this.#value(field, each, target, false)
      this.#path.pop()
    }
    if (!packed || list.length === 0) return
    tag(field.id, 2, output)
    sized(target.toBuffer(), output)
  }

  /** With its tag; nothing if it is zero and zero means "not set". */
  #value(field: Field, value: unknown, output: Output, mayOmit: boolean): void {
    if (field.kind !== 'message') {
      const { length } = output
      tag(field.id, wireTypes[field.kind], output)
      const after = output.length
      this.#scalar(field, value, output)
      if (mayOmit && isZero(output.toBuffer().subarray(after))) output.length = length
    } else if (field.delimited) {
      tag(field.id, 3, output)
      this.#message(field.message!, value, output)
      tag(field.id, 4, output)
    } else {
      tag(field.id, 2, output)
      sized(this.bytesOf(field.message!, value), output)
    }
  }

  #scalar(field: Field, value: unknown, output: Output): void {
    const { kind } = field
    if (kind === 'string' || kind === 'bytes') sized(this.#bytes(kind, value), output)
    else if (kind === 'double') output.double(this.#number(value))
    else if (kind === 'float') output.float(this.#number(value))
    else if (kind === 'enum') output.varint(this.#symbol(field, value))
    else if (kind === 'bool') {
      if (typeof value !== 'boolean') this.#refuse(value, 'a boolean')
      output.byte(value ? 1 : 0)
    } else {
      const integer = this.#integer(kind, value)
      if (kind === 'fixed32' || kind === 'sfixed32') output.fixed32(Number(integer))
      else if (kind === 'fixed64' || kind === 'sfixed64') output.fixed64(integer)
      else if (kind === 'sint32' || kind === 'sint64') output.zigzag(integer)
      else output.varint(integer)
    }
  }

  #bytes(kind: 'string' | 'bytes', value: unknown): Buffer {
    if (typeof value !== 'string') return this.#refuse(value, kind === 'string' ? 'a string' : 'base64')
    if (kind === 'string') return Buffer.from(value)
    return /^[A-Za-z0-9+/_-]*={0,2}$/.test(value) ? Buffer.from(value, 'base64') : this.#refuse(value, 'base64')
  }

  #symbol(field: Field, value: unknown): bigint {
    const number = typeof value === 'string' ? field.enum!.numbers.get(value) : value
    if (typeof number !== 'number' || (number | 0) !== number)
      this.#refuse(value, `one of ${[...field.enum!.numbers.keys()].slice(0, 20).join(', ')}`)
    return BigInt(number as number)
  }

  #integer(kind: string, value: unknown): bigint {
    const bits = kind.endsWith('64') ? 64 : 32
    const unsigned = kind.startsWith('u') || kind.startsWith('fixed')
    const text = typeof value === 'string' && /^-?\d{1,20}$/.test(value)
    const whole = text || typeof value === 'bigint' || Number.isInteger(value) ? BigInt(value as string) : null
    const cut = whole === null ? null : unsigned ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole)
    if (whole === null || cut !== whole) this.#refuse(value, `an ${unsigned ? 'unsigned ' : ''}integer of ${bits} bits`)
    return whole as bigint
  }

  #number(value: unknown): number {
    if (typeof value === 'bigint') return Number(value)
    if (typeof value === 'number') return value
    if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
    return this.#refuse(value, 'a number')
  }

  /** An error of what has no path gets this one. */
  #placed<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw error instanceof SerdeError && this.#path.length > 0 ? new SerdeError(`${this.#at()}: ${error.message}`, error) : error
    }
  }

  #at(name?: string): string {
    const path = name === undefined ? this.#path : [...this.#path, name]
    return path.length === 0 ? 'the value' : path.join('.')
  }

  #refuse(value: unknown, wanted: string): never {
    const text =
      typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'an array' : 'an object') : JSON.stringify(String(value))
    throw new SerdeError(`${this.#at()} must be ${wanted}, not ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`)
  }
}

function tag(id: number, wire: number, output: Output): void {
  output.varint(BigInt(id * 8 + wire))
}

function sized(bytes: Uint8Array, output: Output): void {
  output.varint(BigInt(bytes.length))
  output.raw(bytes)
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}
