/**
 * JSON as it is written: the order of properties and the digits of numbers are kept, which JSON.parse loses. Names of properties are data: objects
 * are maps.
 */

export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject
export type JsonObject = ReadonlyMap<string, Json>

const mostDepth = 200

/** `comments`: allowed, as in Avro schemas. Throws SyntaxError. */
export function parseJson(text: string, { comments = false } = {}): Json {
  const reader = new Reader(text, comments)
  const value = reader.value(0)
  reader.end()
  return value
}

export function printJson(value: Json): string {
  if (typeof value === 'string') return quoted(value)
  if (value === null || typeof value === 'boolean') return String(value)
  if (value instanceof JsonNumber) return value.text
  if (isObject(value)) return `{${Array.from(value, ([name, each]) => `${quoted(name)}:${printJson(each)}`).join(',')}}`
  return `[${value.map(printJson).join(',')}]`
}

/** With the properties of all objects in the order of their names. */
export function sortedJson(value: Json): Json {
  if (isObject(value)) {
    const entries = [...value].sort(([a], [b]) => (a < b ? -1 : 1))
    return new Map(entries.map(([name, each]) => [name, sortedJson(each)]))
  }
  return isArray(value) ? value.map(sortedJson) : value
}

export function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** Numbers by their value, objects in any order. */
export function equalJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (a instanceof JsonNumber && b instanceof JsonNumber) return Number(a.text) === Number(b.text)
  if (isArray(a) && isArray(b)) return a.length === b.length && a.every((each, index) => equalJson(each, b[index]))
  if (isObject(a) && isObject(b))
    return a.size === b.size && Array.from(a).every(([name, each]) => b.has(name) && equalJson(each, b.get(name)))
  return false
}

/** The same text for equal values. */
export function keyOf(value: Json): string {
  if (value instanceof JsonNumber) return String(Number(value.text))
  if (isObject(value))
    return `{${Array.from(value, ([name, each]) => `${quoted(name)}:${keyOf(each)}`)
      .sort()
      .join(',')}}`
  return isArray(value) ? `[${value.map(keyOf).join(',')}]` : printJson(value)
}

/** As Jackson writes it: control characters in upper-case hexadecimal. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/\\u00(1[a-f]|0[bef])/g, (_, digits: string) => `\\u00${digits.toUpperCase()}`)
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** Whether escapes and control characters are right, JSON.parse decides. */
const string = /"(?:[^"\\]|\\.)*"/y
const space = /[ \t\n\r]*/y
const spaceAndComments = /(?:[ \t\n\r]|\/\/[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*/y

class Reader {
  readonly #text: string
  readonly #space: RegExp
  #at = 0

  constructor(text: string, comments: boolean) {
    this.#text = text
    this.#space = comments ? spaceAndComments : space
  }

  value(depth: number): Json {
    if (depth > mostDepth) throw new SyntaxError(`JSON is nested more than ${mostDepth} levels deep`)
    this.#skip()
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#array(depth)
    if (first === '"') return this.#string()
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    const digits = this.#match(number)
    if (digits === null) this.#fail()
    return new JsonNumber(digits)
  }

  end(): void {
    this.#skip()
    if (this.#at < this.#text.length) this.#fail()
  }

  #object(depth: number): JsonObject {
    const entries = new Map<string, Json>()
    this.#at++
    if (this.#takes('}')) return entries
    do {
      this.#skip()
      const name = this.#string()
      if (!this.#takes(':')) this.#fail()
      entries.set(name, this.value(depth + 1))
    } while (this.#takes(','))
    if (!this.#takes('}')) this.#fail()
    return entries
  }

  #array(depth: number): Json[] {
    const values: Json[] = []
    this.#at++
    if (this.#takes(']')) return values
    do values.push(this.value(depth + 1))
    while (this.#takes(','))
    if (!this.#takes(']')) this.#fail()
    return values
  }

  #string(): string {
    const found = this.#match(string)
    if (found === null) this.#fail()
    return JSON.parse(found) as string
  }

  #takes(character: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skip(): void {
    this.#match(this.#space)
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? null
    if (found !== null) this.#at += found.length
    return found
  }

  #fail(): never {
    const found = this.#text[this.#at]
    const line = this.#text.slice(0, this.#at).split('\n').length
    throw new SyntaxError(found === undefined ? 'JSON ends too early' : `unexpected ${quoted(found)} in line ${line} of the JSON`)
  }
}
