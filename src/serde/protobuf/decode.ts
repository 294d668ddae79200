/**
 * Protobuf's binary encoding to display values, which are those of its JSON mapping with defaults, as Confluent's tools print them; in the plain form
 * 64-bit integers are numbers. Fields that the schema does not have are not shown.
 */
import { isUtf8 } from 'node:buffer'
import { Budget, double, exact, float, put } from '../budget.ts'
import { Input } from '../input.ts'
import { type Display, type Form, SerdeError } from '../types.ts'
import type { Field, Message, ProtobufFile } from './schema.ts'
import { wellKnown } from './well-known.ts'

/** What was read of a message. Later values of a field replace earlier ones, or are merged with them, so nothing is shown before all is read. */
export interface Raw {
  readonly message: Message
  /** By slot, so that members of a oneof replace each other. */
  readonly values: Map<number, { field: Field; value: RawValue | RawValue[] }>
}

export type RawValue = number | bigint | boolean | string | Buffer | Raw

/** Throws SerdeError. */
export function decodeProtobuf(file: ProtobufFile, message: Message, bytes: Buffer, form: Form): Display {
  return new Decoder(file, form, bytes).whole(message)
}

export class Decoder {
  readonly form: Form
  readonly file: ProtobufFile
  readonly #input: Input
  readonly #budget: Budget

  constructor(file: ProtobufFile, form: Form, bytes: Buffer, budget = new Budget(bytes.length)) {
    this.file = file
    this.form = form
    this.#input = new Input(bytes)
    this.#budget = budget
  }

  whole(message: Message): Display {
    const raw: Raw = { message, values: new Map() }
    this.#fields(raw, this.#input.end, 0)
    return this.show(raw)
  }

  /** The message within bytes of this one. */
  nested(message: Message, bytes: Buffer): Display {
    return new Decoder(this.file, this.form, bytes, this.#budget).whole(message)
  }

  /** Up to `end`, or up to the end of the group with this id. */
  #fields(raw: Raw, end: number, group: number): void {
    const input = this.#input
    this.#budget.enter()
    while (input.offset < end) {
      const tag = Number(input.varint())
      const id = Math.floor(tag / 8)
      const wire = tag % 8
      if (wire === 4 && id === group && group !== 0) {
        this.#budget.leave()
        return
      }
      if (id < 1 || id > 0x1fffffff) throw new SerdeError(`a field has the number ${id} at byte ${input.offset}`)
      this.#budget.spend()
      const field = raw.message.fields.get(id)
      if (field === undefined || !this.#take(raw, field, wire)) this.#skip(wire, id, 0)
    }
    if (group !== 0) throw new SerdeError(`the group ${group} has no end`)
    if (input.offset !== end) throw new SerdeError(`a field ends behind the end of its message, at byte ${end}`)
    this.#budget.leave()
  }

  /** False: the bytes are of another type than the field, which makes them an unknown field. */
  #take(raw: Raw, field: Field, wire: number): boolean {
    const expected = field.delimited ? 3 : wireTypes[field.kind]
    const packed = field.repeated && wire === 2 && expected !== 2 && expected !== 3
    if (wire !== expected && !packed) return false
    const before = raw.values.get(field.slot)
    if (!field.repeated) {
      const value =
        field.kind === 'message'
          ? this.#message(field.message!, field, before?.field === field ? (before.value as Raw) : null)
          : this.#scalar(field)
      raw.values.set(field.slot, { field, value })
      return true
    }
    let list = before?.value as RawValue[] | undefined
    if (list === undefined) {
      list = []
      raw.values.set(field.slot, { field, value: list })
    }
    if (packed) this.#packed(field, list)
    else if (field.map !== null) list.push(this.#message(entryOf(field), field, null))
    else list.push(field.kind === 'message' ? this.#message(field.message!, field, null) : this.#scalar(field))
    return true
  }

  #packed(field: Field, list: RawValue[]): void {
    const input = this.#input
    const end = input.size(input.varint()) + input.offset
    while (input.offset < end) {
      this.#budget.spend()
      list.push(this.#scalar(field))
    }
    if (input.offset !== end) throw new SerdeError(`the packed field ${field.name} ends within a value`)
  }

  #message(message: Message, field: Field, into: Raw | null): Raw {
    const raw: Raw = into ?? { message, values: new Map() }
    const input = this.#input
    if (field.delimited) this.#fields(raw, input.end, field.id)
    else {
      const end = input.size(input.varint()) + input.offset
      const outer = input.end
      input.end = end
      this.#fields(raw, end, 0)
      input.end = outer
    }
    return raw
  }

  #scalar({ kind, name }: Field): RawValue {
    const input = this.#input
    switch (kind) {
      case 'double':
        return input.buffer.readDoubleLE(input.take(8))
      case 'float':
        return input.buffer.readFloatLE(input.take(4))
      case 'fixed32':
        return input.buffer.readUInt32LE(input.take(4))
      case 'sfixed32':
        return input.buffer.readInt32LE(input.take(4))
      case 'fixed64':
        return exact(input.buffer.readBigUInt64LE(input.take(8)))
      case 'sfixed64':
        return exact(input.buffer.readBigInt64LE(input.take(8)))
      case 'string': {
        const bytes = input.slice(input.size(input.varint()))
        if (!isUtf8(bytes)) throw new SerdeError(`the field ${name} is not valid UTF-8`)
        return bytes.toString('utf8')
      }
      case 'bytes':
        return input.slice(input.size(input.varint()))
      default:
        return this.#varint(kind)
    }
  }

  #varint(kind: Field['kind']): RawValue {
    const value = this.#input.varint()
    if (kind === 'bool') return value !== 0
    if (kind === 'uint64') return value
    if (kind === 'int64') return typeof value === 'number' ? value : exact(BigInt.asIntN(64, value))
    const large = BigInt(value)
    if (kind === 'sint64') return exact((large >> 1n) ^ -(large & 1n))
    const low = typeof value === 'number' && value <= 0xffffffff ? value : Number(BigInt.asUintN(32, large))
    if (kind === 'uint32') return low
    return kind === 'sint32' ? (low >>> 1) ^ -(low & 1) : low | 0
  }

  #skip(wire: number, id: number, depth: number): void {
    const input = this.#input
    if (wire === 0) input.varint()
    else if (wire === 1) input.take(8)
    else if (wire === 5) input.take(4)
    else if (wire === 2) input.take(input.size(input.varint()))
    else if (wire === 3) this.#skipGroup(id, depth)
    else throw new SerdeError(`a field has the unknown wire type ${wire} at byte ${input.offset}`)
  }

  #skipGroup(group: number, depth: number): void {
    if (depth > 100) throw new SerdeError('groups are nested too deeply')
    for (;;) {
      const tag = Number(this.#input.varint())
      const id = Math.floor(tag / 8)
      if (tag % 8 === 4 && id === group) return
      this.#skip(tag % 8, id, depth + 1)
    }
  }

  show(raw: Raw): Display {
    const special = wellKnown.get(raw.message.name)
    if (special !== undefined) return special.show(raw, this)
    const shown: Record<string, Display> = {}
    this.#budget.spend(raw.message.characters)
    for (const field of raw.message.fields.values()) {
      const taken = raw.values.get(field.slot)
      if (taken !== undefined && taken.field === field) put(shown, field.jsonName, this.#showField(field, taken.value))
      else if (field.repeated) put(shown, field.jsonName, field.map === null ? [] : {})
      else if (!field.inOneof && field.kind !== 'message') put(shown, field.jsonName, this.showScalar(field, field.default as RawValue))
    }
    return shown
  }

  #showField(field: Field, value: RawValue | RawValue[]): Display {
    if (!Array.isArray(value)) return this.showValue(field, value)
    if (field.map === null) return value.map(each => this.showValue(field, each))
    const map: Record<string, Display> = {}
    const { key, value: inner } = field.map
    for (const entry of value as Raw[]) {
      this.#budget.spend()
      const name = String(entry.values.get(1)?.value ?? key.default)
      put(map, name, this.#mapValue(inner, entry.values.get(2)?.value as RawValue | undefined))
    }
    return map
  }

  #mapValue(field: Field, value: RawValue | undefined): Display {
    if (value !== undefined) return this.showValue(field, value)
    if (field.kind === 'message') return this.show({ message: field.message!, values: new Map() })
    return this.showScalar(field, field.default as RawValue)
  }

  showValue(field: Field, value: RawValue): Display {
    return field.kind === 'message' ? this.show(value as Raw) : this.showScalar(field, value)
  }

  showScalar(field: Field, value: RawValue): Display {
    if (field.kind === 'enum') {
      const name = field.enum!.names.get(value as number)
      this.#budget.spend(name?.length ?? 0)
      return name ?? (value as number)
    }
    if (Buffer.isBuffer(value)) return value.toString('base64')
    if (field.kind === 'double') return double(value as number)
    if (field.kind === 'float') return float(value as number)
    return this.form === 'confluent' && field.kind.endsWith('64') ? String(value) : (value as Display)
  }
}

/** The message that each entry of a map is. */
const entries = new WeakMap<Field, Message>()
function entryOf(field: Field): Message {
  const before = entries.get(field)
  if (before !== undefined) return before
  const { key, value } = field.map!
  const entry: Message = {
    name: `${field.name} (entry)`,
    fields: new Map([key, value].map(each => [each.id, each])),
    byName: new Map(),
    characters: 0,
  }
  entries.set(field, entry)
  return entry
}

export const wireTypes: Readonly<Record<Field['kind'], number>> = {
  double: 1,
  float: 5,
  int32: 0,
  uint32: 0,
  sint32: 0,
  fixed32: 5,
  sfixed32: 5,
  int64: 0,
  uint64: 0,
  sint64: 0,
  fixed64: 1,
  sfixed64: 1,
  bool: 0,
  enum: 0,
  string: 2,
  bytes: 2,
  message: 2,
}
