/** Avro's binary encoding to display values, which are those of Avro's JSON encoding; in the plain form an optional value is not wrapped. */
import { Budget, double, float, put } from '../budget.ts'
import { Input } from '../input.ts'
import { type Display, type Form, SerdeError } from '../types.ts'
import type { AvroRecord, AvroType, AvroUnion } from './schema.ts'

/** Throws SerdeError. */
export function decodeAvro(type: AvroType, bytes: Buffer, form: Form): Display {
  const reader = new Reader(bytes, form)
  const value = reader.read(type)
  reader.input.finish()
  return value
}

class Reader {
  readonly input: Input
  readonly #budget: Budget
  readonly #form: Form

  constructor(bytes: Buffer, form: Form) {
    this.input = new Input(bytes)
    this.#budget = new Budget(bytes.length)
    this.#form = form
  }

  read(type: AvroType): Display {
    const { input } = this
    this.#budget.spend()
    switch (type.kind) {
      case 'null':
        return null
      case 'boolean':
        return this.#boolean()
      case 'int':
      case 'long':
        return input.zigzag()
      case 'float':
        return float(input.buffer.readFloatLE(input.take(4)))
      case 'double':
        return double(input.buffer.readDoubleLE(input.take(8)))
      case 'bytes':
        return input.slice(input.size(input.zigzag())).toString('latin1')
      case 'string':
        return input.text(input.size(input.zigzag()))
      case 'fixed':
        return input.slice(type.size).toString('latin1')
      case 'enum':
        return this.#symbol(type.name, type.symbols)
      default:
        return this.#compound(type)
    }
  }

  #boolean(): boolean {
    const byte = this.input.byte()
    if (byte > 1) throw new SerdeError(`a boolean is ${byte} at byte ${this.input.offset - 1}`)
    return byte === 1
  }

  #symbol(name: string, symbols: readonly string[]): string {
    const index = this.input.zigzag()
    const symbol = symbols[Number(index)]
    if (symbol === undefined) throw new SerdeError(`the enum ${name} has no symbol ${index}`)
    this.#budget.spend(symbol.length)
    return symbol
  }

  #compound(type: Extract<AvroType, { kind: 'array' | 'map' | 'record' | 'union' }>): Display {
    this.#budget.enter()
    const value =
      type.kind === 'record'
        ? this.#record(type)
        : type.kind === 'union'
          ? this.#union(type)
          : type.kind === 'array'
            ? this.#array(type.items)
            : this.#map(type.values)
    this.#budget.leave()
    return value
  }

  #record({ fields, characters }: AvroRecord): Display {
    this.#budget.spend(characters)
    const record: Record<string, Display> = {}
    for (const { name, type } of fields) put(record, name, this.read(type))
    return record
  }

  #union({ branches }: AvroUnion): Display {
    const index = this.input.zigzag()
    const branch = branches[Number(index)]
    if (branch === undefined) throw new SerdeError(`a union has no branch ${index}`)
    const value = this.read(branch.type)
    if (branch.type.kind === 'null' || (this.#form === 'plain' && branches.length === 2 && branches.some(isNull))) return value
    this.#budget.spend(branch.name.length)
    const tagged: Record<string, Display> = {}
    put(tagged, branch.name, value)
    return tagged
  }

  #array(items: AvroType): Display {
    const list: Display[] = []
    for (let count = this.#blockSize(); count > 0; count = this.#blockSize())
      for (let left = count; left > 0; left--) list.push(this.read(items))
    return list
  }

  #map(values: AvroType): Display {
    const map: Record<string, Display> = {}
    for (let count = this.#blockSize(); count > 0; count = this.#blockSize()) {
      for (let left = count; left > 0; left--) {
        const key = this.input.text(this.input.size(this.input.zigzag()))
        put(map, key, this.read(values))
      }
    }
    return map
  }

  /** The count that a block declares is not believed: each element is counted when it is read. A negative one is followed by the block's size in bytes. */
  #blockSize(): number {
    this.#budget.spend()
    const count = Number(this.input.zigzag())
    if (count < 0) this.input.zigzag()
    return Math.abs(count)
  }
}

function isNull({ type }: { type: AvroType }): boolean {
  return type.kind === 'null'
}
