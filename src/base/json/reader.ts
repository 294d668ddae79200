/**
 * Reads JSON in steps of bounded size. It takes what JSON.parse takes, and makes the same of it, but for integers beyond ±2^53, which become bigints.
 *
 * Depth, the digits of a number and white space in a row are limited, and for documents of strangers the number of values and of the properties of one object,
 * too. So no step takes long, and the work grows no faster than the text.
 */

/** Where a value is in the text. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Document {
  readonly value: unknown
  /** Where the properties of an object are in the text, if it does not lie too deep. */
  placesIn(object: unknown): ReadonlyMap<string, Span>
}

const mostDigits = 1_000
/** Of one step. */
const stepValues = 200
const stepCharacters = 65_536

export interface ReaderLimits {
  readonly depth: number
  readonly values: number
  /** Of one object: the table of its names grows in one step. */
  readonly properties: number
}

const [quote, backslash, comma, colon, minus, zero, nine] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x30, 0x39] as const
const [openBracket, closeBracket, openBrace, closeBrace, letterU] = [0x5b, 0x5d, 0x7b, 0x7d, 0x75] as const
const numberSyntax = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const literals = { t: ['true', true], f: ['false', false], n: ['null', null] } as const

interface Frame {
  readonly container: unknown[] | Record<string, unknown>
  readonly outer: Frame | null
  /** Of the property whose value comes next; of an array, always ''. */
  name: string
  names: number
  readonly start: number
  readonly places: Places | null
}

/** Name, start and end of one property after the other: there may be many such objects, and few are asked about. */
type Places = (string | number)[]

type Expected = 'value' | 'text' | 'name' | 'nothing'

export class JsonReader {
  readonly #text: string
  readonly #limits: ReaderLimits
  readonly #inexact: ((source: string) => unknown) | undefined
  /** Of how many levels the places are kept. */
  readonly #placed: number
  readonly #places = new Map<unknown, Places>()
  #at = 0
  #frame: Frame | null = null
  #depth = 0
  #values = 0
  /** `text` and `name`: in the middle of a string. */
  #expected: Expected = 'value'
  /** Of the string that has been read in part. */
  #begun = ''
  #valueStart = 0
  #value: unknown

  /** `inexact`: what becomes of a number that is no integer, and of which a double loses digits; by default the double. */
  constructor(text: string, limits: ReaderLimits, placed: number, inexact?: (source: string) => unknown) {
    this.#text = text
    this.#inexact = inexact
    this.#limits = limits
    this.#placed = placed
  }

  /** Reads on for a while. Whether all of it has been read. Throws SyntaxError. */
  advance(): boolean {
    const until = this.#at + stepCharacters
    for (let read = 0; read < stepValues && this.#at < until; read++) if (this.#step()) return true
    return false
  }

  /** When all of it has been read. */
  get document(): Document {
    const places = this.#places
    return { value: this.#value, placesIn: object => spansOf(places.get(object) ?? []) }
  }

  #step(): boolean {
    if (this.#expected === 'name') this.#readName()
    else if (this.#expected === 'text') this.#readText()
    else this.#readValue()
    return this.#expected === 'nothing'
  }

  #readValue(): void {
    this.#skipSpace()
    const text = this.#text
    const code = text.charCodeAt(this.#at)
    this.#valueStart = this.#at
    if (++this.#values > this.#limits.values) throw new SyntaxError(`JSON has more than ${this.#limits.values} values`)
    if (code === quote) {
      this.#at++
      this.#begun = ''
      this.#expected = 'text'
      this.#readText()
    } else if (code === openBrace || code === openBracket) this.#open(code === openBracket)
    else if (code === minus || (code >= zero && code <= nine)) this.#put(this.#number())
    else this.#put(this.#literal())
  }

  #open(isArray: boolean): void {
    const { depth } = this.#limits
    if (++this.#depth > depth) throw new SyntaxError(`JSON is nested more than ${depth} levels deep`)
    const container = isArray ? [] : {}
    const places: Places | null = isArray || this.#depth > this.#placed ? null : []
    if (places !== null) this.#places.set(container, places)
    this.#frame = { container, outer: this.#frame, name: '', names: 0, start: this.#at, places }
    this.#at++
    this.#skipSpace()
    if (this.#text.charCodeAt(this.#at) === (isArray ? closeBracket : closeBrace)) this.#close()
    else if (!isArray) this.#beginName()
  }

  #beginName(): void {
    if (this.#text.charCodeAt(this.#at) !== quote) throw this.#unexpected()
    this.#at++
    this.#begun = ''
    this.#expected = 'name'
  }

  #readName(): void {
    const name = this.#string()
    if (name === null) return
    const frame = this.#frame!
    const { properties } = this.#limits
    if (++frame.names > properties) throw new SyntaxError(`JSON has an object with more than ${properties} properties`)
    frame.name = name
    this.#skipSpace()
    if (this.#text.charCodeAt(this.#at) !== colon) throw this.#unexpected()
    this.#at++
    this.#expected = 'value'
  }

  #readText(): void {
    const text = this.#string()
    if (text !== null) this.#put(text)
  }

  /** The value has ended here. What may follow is read as well, up to where the next value or name begins. */
  #put(value: unknown): void {
    this.#keep(value)
    this.#skipSpace()
    const frame = this.#frame
    const code = this.#text.charCodeAt(this.#at)
    if (frame === null) {
      if (this.#at < this.#text.length) throw this.#unexpected()
      this.#expected = 'nothing'
      return
    }
    const isArray = Array.isArray(frame.container)
    if (code === comma) {
      this.#at++
      this.#expected = 'value'
      if (isArray) return
      this.#skipSpace()
      this.#beginName()
    } else if (code === (isArray ? closeBracket : closeBrace)) this.#close()
    else throw this.#unexpected()
  }

  #close(): void {
    const { container, outer, start } = this.#frame!
    this.#at++
    this.#depth--
    this.#frame = outer
    this.#valueStart = start
    this.#put(container)
  }

  #keep(value: unknown): void {
    const frame = this.#frame
    if (frame === null) {
      this.#value = value
      return
    }
    const { container, places, name } = frame
    if (Array.isArray(container)) {
      container.push(value)
      return
    }
    if (name === '__proto__') Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true })
    else container[name] = value
    places?.push(name, this.#valueStart, this.#at)
  }

  /** Behind its quotation mark; null: it goes on in the next step. */
  #string(): string | null {
    const text = this.#text
    const from = this.#at
    const until = Math.min(text.length, from + stepCharacters)
    let at = from
    let isEscaped = false
    for (; at < until; at++) {
      const code = text.charCodeAt(at)
      if (code === quote) {
        const all = this.#begun + this.#decoded(from, at, isEscaped)
        this.#begun = ''
        this.#at = at + 1
        return all
      }
      if (code === backslash) {
        isEscaped = true
        // The whole escape, so that none is cut.
        at += text.charCodeAt(at + 1) === letterU ? 5 : 1
      } else if (code < 0x20) throw this.#unexpected(at)
    }
    if (at >= text.length) throw new SyntaxError('Unterminated string in JSON')
    this.#begun += this.#decoded(from, at, isEscaped)
    this.#at = at
    return null
  }

  #decoded(from: number, to: number, isEscaped: boolean): string {
    const part = this.#text.slice(from, to)
    if (!isEscaped) return part
    try {
      return JSON.parse(`"${part}"`) as string
    } catch {
      throw new SyntaxError(`Bad escape in a string in JSON, after position ${from}`)
    }
  }

  #number(): unknown {
    const text = this.#text
    const start = this.#at
    let at = start + 1
    while (isOfNumber(text.charCodeAt(at)) && at - start <= mostDigits) at++
    if (at - start > mostDigits) throw new SyntaxError(`JSON has a number of more than ${mostDigits} digits`)
    const source = text.slice(start, at)
    if (!numberSyntax.test(source)) throw this.#unexpected()
    this.#at = at
    const value = Number(source)
    if (Number.isSafeInteger(value)) return value
    if (isInteger(source)) return BigInt(source)
    return this.#inexact === undefined || keepsDigits(value, source) ? value : this.#inexact(source)
  }

  #literal(): boolean | null {
    const [word, value] = literals[this.#text[this.#at] as keyof typeof literals] ?? []
    if (word === undefined || !this.#text.startsWith(word, this.#at)) throw this.#unexpected()
    this.#at += word.length
    return value!
  }

  #skipSpace(): void {
    const text = this.#text
    const from = this.#at
    let at = from
    for (; ; at++) {
      const code = text.charCodeAt(at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
      if (at - from === stepCharacters) throw new SyntaxError(`JSON has more than ${stepCharacters} white space characters in a row`)
    }
    this.#at = at
  }

  #unexpected(at = this.#at): SyntaxError {
    if (at >= this.#text.length) return new SyntaxError('Unexpected end of JSON input')
    return new SyntaxError(`Unexpected token ${JSON.stringify(this.#text[at])} in JSON at position ${at}`)
  }
}

/** Of two properties of one name the later counts. */
function spansOf(places: Places): Map<string, Span> {
  const spans = new Map<string, Span>()
  for (let at = 0; at < places.length; at += 3)
    spans.set(places[at] as string, { start: places[at + 1] as number, end: places[at + 2] as number })
  return spans
}

/** Digits, signs, points and exponents. */
function isOfNumber(code: number): boolean {
  return (code >= zero && code <= nine) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === minus
}

/** Whether a double keeps all digits of a number. */
function keepsDigits(value: number, source: string): boolean {
  const digits = source
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
  return digits.length <= 15 && Number.isFinite(value)
}

function isInteger(source: string): boolean {
  for (let at = source.charCodeAt(0) === minus ? 1 : 0; at < source.length; at++) {
    const code = source.charCodeAt(at)
    if (code < zero || code > nine) return false
  }
  return true
}
