/**
 * Values to Avro's binary encoding. Takes Avro's JSON encoding, and values of unions without their type where one fits: the first branch that takes
 * the value is written. A field that is missing gets its default.
 */
import { Budget } from '../budget.ts'
import type { Output } from '../output.ts'
import { SerdeError } from '../types.ts'
import type { AvroRecord, AvroType, AvroUnion } from './schema.ts'

/** Throws SerdeError that names the field. Writes behind what `output` holds. */
export function encodeAvro(type: AvroType, value: unknown, output: Output): void {
  new Writer(output).write(type, value)
}

/** Trying the branches of unions within unions takes exponentially many steps; of values that people write, few branches look right and fail. */
const mostFailures = 10_000

/** Far more than a record can hold. */
const mostElements = 2 ** 24

class Writer {
  readonly #output: Output
  readonly #budget = new Budget(mostElements)
  readonly #path: string[] = []
  #failures = 0

  constructor(output: Output) {
    this.#output = output
  }

  write(type: AvroType, value: unknown): void {
    this.#budget.spend()
    this.#budget.enter()
    if (type.kind === 'record') this.#record(type, value)
    else if (type.kind === 'union') this.#union(type, value)
    else if (type.kind === 'array') this.#array(type.items, value)
    else if (type.kind === 'map') this.#map(type.values, value)
    else this.#scalar(type, value)
    this.#budget.leave()
  }

  #scalar(type: Exclude<AvroType, { kind: 'array' | 'map' | 'record' | 'union' }>, value: unknown): void {
    const output = this.#output
    switch (type.kind) {
      case 'null':
        if (value !== null) this.#refuse(value, 'null')
        break
      case 'boolean':
        if (typeof value !== 'boolean') this.#refuse(value, 'a boolean')
        output.byte(value ? 1 : 0)
        break
      case 'int':
        output.zigzag(this.#integer(value, 32))
        break
      case 'long':
        output.zigzag(this.#integer(value, 64))
        break
      case 'float':
        output.float(this.#number(value))
        break
      case 'double':
        output.double(this.#number(value))
        break
      case 'string': {
        if (typeof value !== 'string') this.#refuse(value, 'a string')
        this.#sized(Buffer.from(value as string))
        break
      }
      case 'bytes':
        this.#sized(this.#bytes(value))
        break
      case 'fixed': {
        const bytes = this.#bytes(value)
        if (bytes.length !== type.size) this.#refuse(value, `${type.size} bytes (${type.name})`)
        output.raw(bytes)
        break
      }
      case 'enum': {
        const index = type.symbols.indexOf(value as string)
        if (index < 0) this.#refuse(value, `a symbol of ${type.name}`)
        output.zigzag(BigInt(index))
        break
      }
    }
  }

  #sized(bytes: Buffer): void {
    this.#output.zigzag(BigInt(bytes.length))
    this.#output.raw(bytes)
  }

  #bytes(value: unknown): Buffer {
    // Avro's JSON encoding: each character is a byte.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the 256 bytes
    if (typeof value !== 'string' || !/^[\u0000-\u00ff]*$/.test(value)) this.#refuse(value, 'a string of characters up to \\u00ff')
    return Buffer.from(value as string, 'latin1')
  }

  #integer(value: unknown, bits: number): bigint {
    const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)) ? BigInt(value) : null
    if (whole === null || BigInt.asIntN(bits, whole) !== whole) this.#refuse(value, `an integer of ${bits} bits`)
    return whole as bigint
  }

  #number(value: unknown): number {
    if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
    if (typeof value !== 'number' && typeof value !== 'bigint') this.#refuse(value, 'a number')
    return Number(value)
  }

  #record({ name, fields }: AvroRecord, value: unknown): void {
    const object = this.#object(value, `a record ${name}`)
    for (const key of Object.keys(object)) {
      if (!fields.some(each => each.name === key)) throw new SerdeError(`${this.#at(key)} is not a field of ${name}`)
    }
    for (const { name: field, type, default: otherwise } of fields) {
      const given = Object.hasOwn(object, field) ? object[field] : undefined
      if (given === undefined && otherwise === undefined) throw new SerdeError(`${this.#at(field)} is missing and has no default`)
      this.#inside(field, type, given === undefined ? otherwise : given)
    }
  }

  #array(items: AvroType, value: unknown): void {
    if (!Array.isArray(value)) this.#refuse(value, 'an array')
    const list = value as unknown[]
    if (list.length > 0) {
      this.#output.zigzag(BigInt(list.length))
      for (const [index, each] of list.entries()) this.#inside(String(index), items, each)
    }
    this.#output.byte(0)
  }

  #map(values: AvroType, value: unknown): void {
    const entries = Object.entries(this.#object(value, 'a map'))
    if (entries.length > 0) {
      this.#output.zigzag(BigInt(entries.length))
      for (const [key, each] of entries) {
        this.#sized(Buffer.from(key))
        this.#inside(key, values, each)
      }
    }
    this.#output.byte(0)
  }

  #union({ branches }: AvroUnion, value: unknown): void {
    const tag = tagOf(value)
    const tagged = tag === null ? -1 : branches.findIndex(({ name, type }) => name === tag && type.kind !== 'null')
    let problem: unknown = null
    if (tagged >= 0) problem = this.#tries(tagged, branches[tagged]!.type, (value as Record<string, unknown>)[tag!])
    if (tagged >= 0 && problem === null) return
    for (const [index, { type }] of branches.entries()) {
      if (branches.length > 2 && !mayBe(type, value)) continue
      const other = this.#tries(index, type, value)
      if (other === null) return
      // Of an optional value, the reason why the value does not fit is told, rather than that it is not null.
      if (type.kind !== 'null' && branches.length === 2) problem ??= other
    }
    if (problem !== null) throw problem
    this.#refuse(value, `one of ${branches.map(({ name }) => name).join(', ')}`)
  }

  /** The reason why not, or null. */
  #tries(index: number, type: AvroType, value: unknown): SerdeError | null {
    if (this.#failures > mostFailures) throw new SerdeError(`${this.#at()} fits too many branches of its unions`)
    const { length } = this.#output
    const depth = this.#path.length
    const { level } = this.#budget
    try {
      this.#output.zigzag(BigInt(index))
      this.write(type, value)
      return null
    } catch (error) {
      if (!(error instanceof SerdeError) || this.#budget.exhausted || ++this.#failures > mostFailures) throw error
      this.#output.length = length
      this.#path.length = depth
      this.#budget.level = level
      return error
    }
  }

  #inside(name: string, type: AvroType, value: unknown): void {
    this.#path.push(name)
    this.write(type, value)
    this.#path.pop()
  }

  #object(value: unknown, what: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.#refuse(value, what)
    return value as Record<string, unknown>
  }

  #at(name?: string): string {
    const path = name === undefined ? this.#path : [...this.#path, name]
    return path.length === 0 ? 'the value' : path.join('.')
  }

  #refuse(value: unknown, wanted: string): never {
    throw new SerdeError(`${this.#at()} must be ${wanted}, not ${described(value)}`)
  }
}

/** `{"string": "a"}`: the name of the branch in the JSON encoding. */
function tagOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0]! : null
}

/** Whether a value looks like one of this type, without a look inside. */
function mayBe({ kind }: AvroType, value: unknown): boolean {
  if (kind === 'null') return value === null
  if (kind === 'boolean') return typeof value === 'boolean'
  if (kind === 'array') return Array.isArray(value)
  if (kind === 'record' || kind === 'map') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (kind === 'int' || kind === 'long') return typeof value === 'bigint' || Number.isInteger(value)
  return kind === 'float' || kind === 'double' || kind === 'union' || typeof value === 'string'
}

/** For messages. */
function described(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
