/**
 * Separates code from comments, strings and regular expressions in TypeScript, and finds imports: all that the tidy check needs
 * of the language. (TypeScript 7's parser is a separate process behind an API that is called unstable.)
 */

export interface Scanned {
  text: string
  lines: number
  /** The text with comments, strings and regular expressions blanked out; same length, same lines. */
  code: string
  strings: string[]
  imports: { from: string; line: number; atRunTime: boolean }[]
}

export function scan(text: string): Scanned {
  const scanner = new Scanner(text)
  scanner.run()
  const code = scanner.blanked()
  return { text, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), code, ...importsOf(code, scanner.strings) }
}

interface StringLiteral {
  start: number
  value: string
}

/** A word before a slash after which a regular expression may follow; after any other word the slash divides. */
const wordBeforeRegex = /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield|instanceof)$/

class Scanner {
  readonly strings: StringLiteral[] = []
  readonly #text: string
  /** Ranges to blank, in order. */
  readonly #blanks: [start: number, end: number][] = []
  #at = 0
  /** Where the last token of code ended. */
  #codeEnd = 0

  constructor(text: string) {
    this.#text = text
  }

  run(): void {
    this.#code(false)
  }

  blanked(): string {
    let result = ''
    let from = 0
    for (const [start, end] of this.#blanks) {
      result += this.#text.slice(from, start) + this.#text.slice(start, end).replace(/[^\n]/g, ' ')
      from = end
    }
    return result + this.#text.slice(from)
  }

  /** Up to the end, or within `${…}` up to its closing brace. */
  #code(embedded: boolean): void {
    const text = this.#text
    let depth = 0
    while (this.#at < text.length) {
      const char = text[this.#at]!
      const two = text.slice(this.#at, this.#at + 2)
      if (two === '//') this.#blankTo(indexOr(text, '\n', this.#at, text.length))
      else if (two === '/*') this.#blankTo(indexOr(text, '*/', this.#at + 2, text.length - 2) + 2)
      else if (char === "'" || char === '"') this.#quoted(char)
      else if (char === '`') this.#template()
      else if (char === '/' && this.#regexMayStart()) this.#regex()
      else {
        if (char === '{') depth++
        if (char === '}' && depth-- === 0 && embedded) return
        this.#at++
        if (!/\s/.test(char)) this.#codeEnd = this.#at
      }
    }
  }

  #blankTo(end: number): void {
    this.#blanks.push([this.#at, end])
    this.#at = end
  }

  #quoted(quote: string): void {
    const start = this.#at
    let end = start + 1
    while (end < this.#text.length && this.#text[end] !== quote && this.#text[end] !== '\n') end += this.#text[end] === '\\' ? 2 : 1
    this.strings.push({ start, value: this.#text.slice(start + 1, end) })
    this.#blanks.push([start + 1, end])
    this.#at = this.#codeEnd = end + 1
  }

  #template(): void {
    const text = this.#text
    let start = ++this.#at
    while (this.#at < text.length && text[this.#at] !== '`') {
      if (text[this.#at] === '\\') this.#at += 2
      else if (text.startsWith('${', this.#at)) {
        this.#blanks.push([start, this.#at])
        this.#at += 2
        this.#codeEnd = this.#at
        this.#code(true)
        start = ++this.#at
      } else this.#at++
    }
    this.#blanks.push([start, this.#at])
    this.#codeEnd = ++this.#at
  }

  #regexMayStart(): boolean {
    const before = this.#text.slice(Math.max(this.#codeEnd - 12, 0), this.#codeEnd)
    return before === '' || /[^\w$)\]}"'`]$/.test(before) || wordBeforeRegex.test(before)
  }

  #regex(): void {
    let end = this.#at + 1
    for (let inClass = false; end < this.#text.length && this.#text[end] !== '\n'; end++) {
      const char = this.#text[end]
      if (char === '\\') end++
      else if (char === '[') inClass = true
      else if (char === ']') inClass = false
      else if (char === '/' && !inClass) break
    }
    this.#blankTo(end + 1)
    this.#codeEnd = this.#at
  }
}

function indexOr(text: string, what: string, from: number, otherwise: number): number {
  const found = text.indexOf(what, from)
  return found === -1 ? otherwise : found
}

const beforeSource =
  /(?:\bimport\s*(type\b)?[\w\s{},*$]*?\bfrom|\bexport\s*(type\b)?\s*(?:\*(?:\s*as\s+\w+)?|\{[^}]*\})\s*from|\bimport\s*\(|\bimport)\s*$/

function importsOf(code: string, literals: readonly StringLiteral[]): Pick<Scanned, 'imports' | 'strings'> {
  const imports: Scanned['imports'] = []
  let from = 0
  for (const { start, value } of literals) {
    const before = beforeSource.exec(code.slice(from, start))
    if (before !== null) {
      const line = code.slice(0, start).split('\n').length
      imports.push({ from: value, line, atRunTime: before[1] === undefined && before[2] === undefined })
    }
    from = start
  }
  return { imports, strings: literals.map(each => each.value) }
}
