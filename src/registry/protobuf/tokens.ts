/** The words of a `.proto` file, without comments. */
import { InvalidSchema } from '../schema.ts'

const blank = /(?:\s|\/\/[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*/y
const word = /[A-Za-z_][\w]*/y
const number = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y
const string = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y

export class Tokens {
  readonly #text: string
  #at = 0
  /** '' at the end. */
  next = ''

  constructor(text: string) {
    this.#text = text
    this.advance()
  }

  /** Returns the current one. */
  advance(): string {
    const taken = this.next
    this.#match(blank)
    this.next = this.#match(word) ?? this.#match(number) ?? this.#match(string) ?? this.#symbol()
    return taken
  }

  takes(token: string): boolean {
    if (this.next !== token) return false
    this.advance()
    return true
  }

  expect(token: string): void {
    if (!this.takes(token)) this.fail(`'${token}'`)
  }

  name(): string {
    if (!/^[A-Za-z_]/.test(this.next)) this.fail('a name')
    return this.advance()
  }

  /** A name with dots, perhaps with one before it. */
  path(): string {
    let path = this.takes('.') ? '.' : ''
    do path += `${path === '' || path === '.' ? '' : '.'}${this.name()}`
    while (this.takes('.'))
    return path
  }

  integer(): number {
    const sign = this.takes('-') ? -1 : 1
    if (!/^(?:0[xX][0-9a-fA-F]{1,8}|\d{1,10})$/.test(this.next)) this.fail('an integer')
    const text = this.advance()
    return sign * (/^0\d/.test(text) ? Number.parseInt(text, 8) : Number(text))
  }

  get isString(): boolean {
    return this.next.startsWith('"') || this.next.startsWith("'")
  }

  /** Strings that stand side by side are one. */
  string(): string {
    if (!this.isString) this.fail('a string')
    let text = ''
    while (this.isString) text += unescaped(this.advance().slice(1, -1))
    return text
  }

  fail(expected: string): never {
    const line = this.#text.slice(0, this.#at).split('\n').length
    throw new InvalidSchema(
      `Syntax error in line ${line}: expected ${expected}, found ${this.next === '' ? 'the end' : `'${this.next.slice(0, 60)}'`}`,
    )
  }

  #symbol(): string {
    const symbol = this.#text[this.#at] ?? ''
    if (symbol === '"' || symbol === "'") throw new InvalidSchema('A string does not end on its line')
    this.#at += symbol.length
    return symbol
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? null
    if (found !== null) this.#at += found.length
    return found
  }
}

const escapes: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescaped(text: string): string {
  return text.replace(/\\(?:[xX]([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|(.))/g, (_, hex, octal, unicode, other: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
    if (unicode !== undefined) return String.fromCharCode(Number.parseInt(unicode, 16))
    return escapes[other] ?? other
  })
}
