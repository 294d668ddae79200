/**
 * JSON as event-ruler reads it, token by token: numbers as they are written, and all fields of an object, also those whose name comes more than once.
 *
 * Slower than JSON.parse, so it is for patterns and for events that somebody tries; records are parsed by {@link parseRecord}.
 */
import { parseLossless } from '../../base.ts'

/** A number as it is written. */
export class Numeral {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): object {
    return rawJSON(this.text)
  }
}

/** `JSON.rawJSON` is older than TypeScript's library for it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** An object in which a name comes more than once. */
export class Fields {
  readonly entries: readonly (readonly [name: string, value: unknown])[]

  constructor(entries: readonly (readonly [name: string, value: unknown])[]) {
    this.entries = entries
  }
}

/** null: it is no object. */
export function fieldsOf(value: unknown): readonly (readonly [name: string, value: unknown])[] | null {
  if (value instanceof Fields) return value.entries
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Numeral) ? Object.entries(value) : null
}

/** What a double might not hold: many digits, or a large exponent. All other numbers may be parsed to doubles. */
const unusual = /[\d.]{16}|[eE][+-]?\d{3}/

/** As JSON.parse, and as fast, but a number that a double may not hold is a Numeral. Throws SyntaxError, also if it is nested too deeply. */
export function parseRecord(text: string): unknown {
  const plain = parseLossless(text)
  if (!unusual.test(text)) return plain
  return JSON.parse(text, (_, value, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? new Numeral(context.source) : value,
  )
}

/** Throws SyntaxError, also if it is nested too deeply. */
export function parseTokens(text: string): unknown {
  const parser = new Parser(text)
  const value = parser.value(0)
  parser.end()
  return value
}

const mostDepth = 256
const tokens = {
  space: /[ \t\n\r]*/y,
  // Escapes are looked at by JSON.parse.
  // A text without an end must not be divided in more than one way.
  string: /"[^"\\]*(?:\\.[^"\\]*)*"/sy,
  number: /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y,
  literal: /true|false|null/y,
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): unknown {
    if (depth > mostDepth) throw new SyntaxError(`JSON is nested more than ${mostDepth} levels deep`)
    this.#take(tokens.space)
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#list(depth)
    if (first === '"') return this.#string()
    const number = this.#take(tokens.number)
    if (number !== null && number !== '') return new Numeral(number)
    return JSON.parse(this.#take(tokens.literal) ?? this.#refuse()) as boolean | null
  }

  end(): void {
    this.#take(tokens.space)
    if (this.#at < this.#text.length) this.#refuse()
  }

  #object(depth: number): object {
    const entries: [string, unknown][] = []
    this.#at++
    this.#take(tokens.space)
    if (this.#skip('}')) return {}
    do {
      this.#take(tokens.space)
      const name = this.#string()
      this.#take(tokens.space)
      if (!this.#skip(':')) this.#refuse()
      entries.push([name, this.value(depth + 1)])
      this.#take(tokens.space)
    } while (this.#skip(','))
    if (!this.#skip('}')) this.#refuse()
    const object = Object.fromEntries(entries)
    return Object.keys(object).length === entries.length ? object : new Fields(entries)
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = []
    this.#at++
    this.#take(tokens.space)
    if (this.#skip(']')) return list
    do {
      list.push(this.value(depth + 1))
      this.#take(tokens.space)
    } while (this.#skip(','))
    if (!this.#skip(']')) this.#refuse()
    return list
  }

  #string(): string {
    return JSON.parse(this.#take(tokens.string) ?? this.#refuse()) as string
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #take(token: RegExp): string | null {
    token.lastIndex = this.#at
    const [found] = token.exec(this.#text) ?? []
    if (found === undefined) return null
    this.#at += found.length
    return found
  }

  #refuse(): never {
    const found = this.#text[this.#at]
    throw new SyntaxError(found === undefined ? 'it ends too early' : `${JSON.stringify(found)} is not expected at position ${this.#at}`)
  }
}
