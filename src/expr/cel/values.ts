/**
 * The values of CEL. An int is a bigint and a double a number; what a record holds is taken as it is, and its numbers become ints where they are whole.
 * Because JSON does not say which kind a number is, numbers of all kinds compare exactly with each other.
 */

export type Value = null | boolean | bigint | number | string | Uint8Array | Uint | Timestamp | Duration | TypeName | List | Mapping

/** An evaluation that failed; `&&` and `||` may still have a result without it. Not an Error: a record without a field is ordinary. */
export class Failure {
  readonly message: string
  readonly position: number

  constructor(message: string, position: number) {
    this.message = message
    this.position = position
  }
}

export type Result = Value | Failure

export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

export class Timestamp {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class TypeName {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

export class List {
  readonly items: readonly unknown[]
  /** Whether items are values already, and not what a record holds. */
  readonly #made: boolean

  constructor(items: readonly unknown[], made: boolean) {
    this.items = items
    this.#made = made
  }

  at(index: number): Value {
    const item = this.items[index]
    return this.#made ? (item as Value) : fromRecord(item)
  }

  concat(other: List): List {
    return new List([...this, ...other], true)
  }

  *[Symbol.iterator](): Generator<Value, void> {
    for (let index = 0; index < this.items.length; index++) yield this.at(index)
  }
}

/** Of an expression, by canonical keys; of a record, an object. */
export class Mapping {
  readonly #entries: ReadonlyMap<string, [Value, Value]> | null
  readonly #object: object

  constructor(source: ReadonlyMap<string, [Value, Value]> | object) {
    this.#entries = source instanceof Map ? source : null
    this.#object = source
  }

  get(key: Value): Value | undefined {
    if (this.#entries !== null) return this.#entries.get(canonical(key))?.[1]
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined
    return fromRecord((this.#object as Record<string, unknown>)[key])
  }

  get size(): number {
    return this.#entries?.size ?? Object.keys(this.#object).length
  }

  keys(): Value[] {
    return this.#entries === null ? Object.keys(this.#object) : Array.from(this.#entries.values(), ([key]) => key)
  }
}

/** What a serde returns, as a value. */
export function fromRecord(value: unknown): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return (value ?? null) as Value
  if (Array.isArray(value)) return new List(value, false)
  if (value instanceof Uint8Array || value instanceof Timestamp || value instanceof Mapping) return value
  return new Mapping(value)
}

export function isMapKey(value: Value): value is string | boolean | bigint | number | Uint {
  return typeof value === 'string' || typeof value === 'boolean' || numeric(value) !== null
}

export function canonical(key: Value): string {
  if (key instanceof Uint) return `n${key.value}`
  if (typeof key === 'bigint' || typeof key === 'number') return `n${Number.isInteger(key) ? BigInt(key) : key}`
  return typeof key === 'string' ? `s${key}` : `b${String(key)}`
}

/** The number of an int, uint or double; null for anything else. */
function numeric(value: Value): bigint | number | null {
  if (typeof value === 'bigint' || typeof value === 'number') return value
  return value instanceof Uint ? value.value : null
}

/** `spend` is told of each element that is compared. */
export function equals(one: Value, other: Value, spend: (steps: number) => void): boolean {
  spend(1)
  const left = numeric(one)
  const right = numeric(other)
  // A bigint and a number are compared exactly.
  // biome-ignore lint/suspicious/noDoubleEquals: across the kinds of numbers
  if (left !== null || right !== null) return left !== null && right !== null && left == right
  if (one instanceof List && other instanceof List) {
    if (one.items.length !== other.items.length) return false
    return one.items.every((_, index) => equals(one.at(index), other.at(index), spend))
  }
  if (one instanceof Mapping && other instanceof Mapping) return equalMaps(one, other, spend)
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other) === 0
  if (one instanceof Timestamp && other instanceof Timestamp) return one.nanos === other.nanos
  if (one instanceof Duration && other instanceof Duration) return one.nanos === other.nanos
  if (one instanceof TypeName && other instanceof TypeName) return one.name === other.name
  return one === other
}

function equalMaps(one: Mapping, other: Mapping, spend: (steps: number) => void): boolean {
  const keys = one.keys()
  if (keys.length !== other.size) return false
  return keys.every(key => {
    const theirs = other.get(key)
    return theirs !== undefined && equals(one.get(key)!, theirs, spend)
  })
}

/** Negative, zero or positive; null: the two have no order. NaN is in no order, which gives NaN. */
export function compare(one: Value, other: Value): number | null {
  const left = numeric(one)
  const right = numeric(other)
  if (left !== null && right !== null) return left < right ? -1 : left > right ? 1 : left >= right ? 0 : Number.NaN
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other))
  if (typeof one === 'boolean' && typeof other === 'boolean') return Number(one) - Number(other)
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other)
  const ours = nanosOf(one)
  const theirs = nanosOf(other)
  if (ours === null || theirs === null || (one as object).constructor !== (other as object).constructor) return null
  return ours < theirs ? -1 : ours > theirs ? 1 : 0
}

function nanosOf(value: Value): bigint | null {
  return value instanceof Timestamp || value instanceof Duration ? value.nanos : null
}

export function typeOf(value: Value): string {
  if (value === null) return 'null_type'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Uint) return 'uint'
  if (value instanceof List) return 'list'
  if (value instanceof Mapping) return 'map'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof TypeName) return 'type'
  return { bigint: 'int', number: 'double', boolean: 'bool', string: 'string' }[typeof value as 'string']
}
