/**
 * Kafka's Values: what a text looks like, as headers without a schema need it: null, booleans, the narrowest number, dates and times of ISO 8601, lists and
 * maps; everything else is text. And values as such text.
 */
import { type ConnectValue, DataError, Decimal, decimal, isStruct, logical, type Schema } from '../../connector.ts'
import { dateForm, dateToText, timeForm, timestampForm } from './date-text.ts'
import { isDate, javaClass, numberText, parseDecimal, rescaled } from './java.ts'
import { convertTo, mergedSchema } from './values-merge.ts'

export interface Typed {
  readonly schema: Schema | null
  readonly value: ConnectValue
}

const nothing: Typed = { schema: null, value: null }
const mostDepth = 100

export function parseValueText(text: string): Typed {
  if (text === '') return { schema: { type: 'string' }, value: text }
  return new Parsing(text).whole() ?? nothing
}

/** The text is no list or map after all. */
class NotThat extends Error {}

class Parsing {
  readonly #text: string
  readonly #tokens: readonly string[]
  /** Index of the next token. */
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  /** null: the text says null. Kafka would forget what follows a number or a list, such as the port of `10:80`. */
  whole(): Typed | null {
    const parsed = this.#parse(false)
    const isWhole = this.#tokens.slice(this.#at).every(token => token.trim() === '')
    return isWhole ? parsed : { schema: { type: 'string' }, value: this.#text }
  }

  #hasNext(): boolean {
    return this.#at < this.#tokens.length
  }

  /** Takes the next token that is not blank, if it is this one. */
  #take(wanted: string): boolean {
    let at = this.#at
    while (at < this.#tokens.length - 1 && this.#tokens[at]!.trim() === '') at++
    if (this.#tokens[at]?.trim() !== wanted) return false
    this.#at = at + 1
    return true
  }

  #takeLiteral(literal: string, embedded: boolean): boolean {
    const before = this.#at
    if (this.#take(literal) && (embedded || !this.#hasNext())) return true
    this.#at = before
    return false
  }

  #parse(embedded: boolean): Typed | null {
    if (!this.#hasNext()) return null
    if (embedded && this.#take('"')) return this.#quoted()
    if (this.#takeLiteral('null', embedded)) return null
    if (this.#takeLiteral('true', embedded)) return { schema: { type: 'boolean' }, value: true }
    if (this.#takeLiteral('false', embedded)) return { schema: { type: 'boolean' }, value: false }
    const before = this.#at
    try {
      if (this.#take('[')) return this.#nested(() => this.#list())
      if (this.#take('{')) return this.#nested(() => this.#map())
    } catch (error) {
      if (!(error instanceof NotThat)) throw error
      this.#at = before
    }
    const token = this.#tokens[this.#at++]!
    if (token.trim() === '') return { schema: { type: 'string' }, value: token }
    return this.#plain(token.trim(), embedded)
  }

  #nested(parse: () => Typed): Typed {
    if (++this.#depth > mostDepth) throw new NotThat()
    const parsed = parse()
    this.#depth--
    return parsed
  }

  #plain(token: string, embedded: boolean): Typed {
    const isDigit = /^\d/.test(token)
    const temporal = isDigit ? this.#temporal(token) : null
    if (temporal !== null) return temporal
    const number = isDigit || /^[+-]/.test(token) ? numberOf(token) : null
    if (number !== null) return number
    if (embedded) throw new NotThat()
    return { schema: { type: 'string' }, value: this.#text }
  }

  /** A time has colons, which are tokens of their own. */
  #temporal(token: string): Typed | null {
    if (this.#at + 4 <= this.#tokens.length) {
      const found = temporalOf(token + this.#tokens.slice(this.#at, this.#at + 4).join(''))
      if (found !== null) {
        this.#at += 4
        return found
      }
    }
    return temporalOf(token)
  }

  #quoted(): Typed {
    let content = ''
    while (this.#hasNext() && !this.#take('"')) content += this.#tokens[this.#at++]!
    return temporalOf(content) ?? { schema: { type: 'string' }, value: content }
  }

  #list(): Typed {
    const items: ConnectValue[] = []
    let common: Schema | null | undefined
    for (;;) {
      if (!this.#hasNext()) throw new NotThat()
      if (this.#take(']')) break
      if (this.#take(',')) throw new NotThat()
      const item = this.#parse(true)
      common = mergedSchema(common, item?.schema)
      items.push(item?.value ?? null)
      const before = this.#at
      if (this.#take(']')) this.#at = before
      else if (!this.#take(',')) throw new NotThat()
    }
    // Lists of different types, or of nulls, have no schema of their elements.
    if (common === undefined || common === null) return { schema: null, value: items }
    const schema = common
    return { schema: { type: 'array', items: schema }, value: items.map(item => aligned(schema, item)) }
  }

  #map(): Typed {
    const entries: [ConnectValue, ConnectValue][] = []
    let keys: Schema | null | undefined
    let values: Schema | null | undefined
    for (;;) {
      if (!this.#hasNext()) throw new NotThat()
      if (this.#take('}')) break
      if (this.#take(',')) throw new NotThat()
      const key = this.#parse(true)
      if (key === null || key.value === null || !this.#take(':')) throw new NotThat()
      const value = this.#parse(true)
      entries.push([key.value, value?.value ?? null])
      this.#take(',')
      keys = mergedSchema(keys, key.schema)
      values = mergedSchema(values, value?.schema)
    }
    if (!keys || !values) return { schema: null, value: new Map(entries) }
    const schema: Schema = { type: 'map', keys, values }
    return { schema, value: new Map(entries.map(([key, value]) => [aligned(schema.keys!, key), aligned(schema.values!, value)])) }
  }
}

/** Kafka refuses a null within a list, so that the text stays one. */
function aligned(schema: Schema, value: ConnectValue): ConnectValue {
  if (value === null) throw new NotThat()
  return convertTo(schema, value)
}

/** Delimiters are tokens of their own unless a backslash stands before them; what is between them is one. */
function tokensOf(text: string): string[] {
  const tokens: string[] = []
  let start = 0
  let escaped = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\') escaped = !escaped
    else {
      if (!escaped && ':,{}[]"'.includes(char)) {
        if (start < at) tokens.push(text.slice(start, at))
        tokens.push(char)
        start = at + 1
      }
      escaped = false
    }
  }
  if (start < text.length) tokens.push(text.slice(start))
  return tokens
}

/** The narrowest type that holds it. */
function numberOf(token: string): Typed | null {
  const parsed = parseDecimal(token)
  if (parsed === null) return null
  const whole = Math.abs(parsed.scale) > 400 ? null : rescaled(parsed, 0)
  if (whole !== null && BigInt.asIntN(64, whole.unscaled) === whole.unscaled) {
    for (const bits of [8, 16, 32] as const)
      if (BigInt.asIntN(bits, whole.unscaled) === whole.unscaled) return { schema: { type: `int${bits}` }, value: Number(whole.unscaled) }
    return { schema: { type: 'int64' }, value: whole.unscaled }
  }
  const double = Number(token)
  const float = Math.fround(double)
  if (Number.isFinite(float) && parsed.scale !== 0) return { schema: { type: 'float32' }, value: float }
  if (Number.isFinite(double) && parsed.scale !== 0) return { schema: { type: 'float64' }, value: double }
  return { schema: decimal(parsed.scale), value: parsed }
}

const msPerDay = 86_400_000

/** Recognized by its length first. */
function temporalOf(token: string): Typed | null {
  const text = token.replaceAll('\\:', ':')
  if (text.length === 13) {
    const ms = timeForm.parse(text)
    return ms === null ? null : { schema: { type: 'int32', name: logical.time, version: 1 }, value: ms }
  }
  if (text.length === 24) {
    const ms = timestampForm.parse(text)
    return ms === null ? null : { schema: { type: 'int64', name: logical.timestamp, version: 1 }, value: BigInt(ms) }
  }
  const ms = text.length === 10 ? dateForm.parse(text) : null
  return ms === null ? null : { schema: { type: 'int32', name: logical.date, version: 1 }, value: Math.floor(ms / msPerDay) }
}

/** null stays null. Throws DataError. */
export function valueToText(schema: Schema | null, value: ConnectValue): string | null {
  return value === null ? null : shown(value, schema, false)
}

function shown(value: ConnectValue, schema: Schema | null, embedded: boolean): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return embedded ? quotedText(value) : value
  if (typeof value === 'boolean') return String(value)
  if (schema !== null && isDate(schema)) return dateToText(schema, value)
  if (typeof value === 'bigint' || value instanceof Decimal) return String(value)
  if (typeof value === 'number') return numberText(value, schema)
  if (Buffer.isBuffer(value)) return embedded ? `"${value.toString('base64')}"` : value.toString('base64')
  if (Array.isArray(value)) return `[${value.map(each => shown(each, schema?.items ?? null, true)).join(',')}]`
  if (value instanceof Map) {
    const entries = Array.from(
      value,
      ([key, each]) => `${shown(key, schema?.keys ?? null, true)}:${shown(each, schema?.values ?? null, true)}`,
    )
    return `{${entries.join(',')}}`
  }
  if (!isStruct(value)) throw new DataError(`Failed to serialize unexpected value type ${javaClass(value, schema)}`)
  const entries: (readonly [string, ConnectValue, Schema | null])[] =
    schema?.type === 'struct'
      ? (schema.fields ?? []).map(field => [field.name, value[field.name] ?? field.schema.default ?? null, field.schema] as const)
      : Object.entries(value).map(([name, each]) => [name, each, schema?.values ?? null] as const)
  return `{${entries.map(([name, each, inner]) => `${quotedText(name)}:${shown(each, inner, true)}`).join(',')}}`
}

function quotedText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
