/** The syntax of RE2, as a tree. Whether a repetition is greedy is of no concern: only whole names are matched. */

export type CharTest = (char: number) => boolean

export type RegexNode =
  | { kind: 'char'; test: CharTest }
  | { kind: 'assert'; holds: (text: readonly number[], at: number) => boolean }
  | { kind: 'concat' | 'alternate'; parts: RegexNode[] }
  /** `max: null`: without end. */
  | { kind: 'repeat'; part: RegexNode; min: number; max: number | null }

const mostRepeats = 1000
const deepest = 200
const newline = 10

interface Flags {
  /** i */
  fold: boolean
  /** m */
  lines: boolean
  /** s */
  dotAll: boolean
}

const isWord: CharTest = c => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95
const isDigit: CharTest = c => c >= 48 && c <= 57
const isSpace: CharTest = c => c === 9 || c === 10 || c === 12 || c === 13 || c === 32

const perlClasses: Record<string, CharTest> = {
  d: isDigit,
  D: c => !isDigit(c),
  w: isWord,
  W: c => !isWord(c),
  s: isSpace,
  S: c => !isSpace(c),
}
const posixClasses: Record<string, CharTest> = {
  alnum: c => isWord(c) && c !== 95,
  alpha: c => isWord(c) && c !== 95 && !isDigit(c),
  ascii: c => c < 128,
  blank: c => c === 9 || c === 32,
  cntrl: c => c < 32 || c === 127,
  digit: isDigit,
  graph: c => c > 32 && c < 127,
  lower: c => c >= 97 && c <= 122,
  print: c => c >= 32 && c < 127,
  punct: c => c > 32 && c < 127 && (!isWord(c) || c === 95),
  space: c => isSpace(c) || c === 11,
  upper: c => c >= 65 && c <= 90,
  word: isWord,
  xdigit: c => isDigit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102),
}
const controls: Record<string, number> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }

const wordAt = (text: readonly number[], at: number) => text[at] !== undefined && isWord(text[at])
const isBoundary = (text: readonly number[], at: number) => wordAt(text, at - 1) !== wordAt(text, at)

/** Throws an Error that says what is wrong. */
export function parseRegex(pattern: string): RegexNode {
  return new Parser(pattern).parse()
}

class Parser {
  readonly #pattern: string
  #at = 0
  #depth = 0
  #flags: Flags = { fold: false, lines: false, dotAll: false }

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  parse(): RegexNode {
    const node = this.#alternatives()
    if (this.#at < this.#pattern.length) throw new Error('unexpected )')
    return node
  }

  #alternatives(): RegexNode {
    if (++this.#depth > deepest) throw new Error('expression nests too deeply')
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    this.#depth--
    return parts.length === 1 ? parts[0]! : { kind: 'alternate', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    while (this.#at < this.#pattern.length && this.#peek() !== '|' && this.#peek() !== ')') {
      if (this.#take('\\Q')) parts.push(...this.#quoted())
      else parts.push(this.#repeated(this.#atom()))
    }
    return { kind: 'concat', parts }
  }

  #quoted(): RegexNode[] {
    const end = this.#pattern.indexOf('\\E', this.#at)
    const text = this.#pattern.slice(this.#at, end === -1 ? undefined : end)
    this.#at = end === -1 ? this.#pattern.length : end + 2
    const nodes = Array.from(text, char => this.#literal(char.codePointAt(0)!))
    const last = nodes.pop()
    return last === undefined ? nodes : [...nodes, this.#repeated(last)]
  }

  #repeated(part: RegexNode): RegexNode {
    let node = part
    for (let count = 0; ; count++) {
      const range = this.#quantifier()
      if (range === null) return node
      // RE2 refuses a**, and takes a second ? for "not greedy".
      if (count > 0) throw new Error('invalid nested repetition operator')
      this.#take('?')
      node = { kind: 'repeat', part, ...range }
    }
  }

  #quantifier(): { min: number; max: number | null } | null {
    if (this.#take('*')) return { min: 0, max: null }
    if (this.#take('+')) return { min: 1, max: null }
    if (this.#take('?')) return { min: 0, max: 1 }
    // A brace that begins no repetition is a brace.
    const counts = this.#match(/\{(\d{1,5})(,(\d{1,5})?)?\}/y)
    if (counts === null) return null
    const min = Number(counts[1])
    const max = counts[2] === undefined ? min : counts[3] === undefined ? null : Number(counts[3])
    if (min > mostRepeats || (max !== null && (max > mostRepeats || max < min))) throw new Error(`invalid repeat count ${counts[0]}`)
    return { min, max }
  }

  #atom(): RegexNode {
    const char = this.#next()
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'char', test: this.#charClass() }
      case '.': {
        const { dotAll } = this.#flags
        return { kind: 'char', test: c => dotAll || c !== newline }
      }
      case '^': {
        const { lines } = this.#flags
        return { kind: 'assert', holds: (text, at) => at === 0 || (lines && text[at - 1] === newline) }
      }
      case '$': {
        const { lines } = this.#flags
        return { kind: 'assert', holds: (text, at) => at === text.length || (lines && text[at] === newline) }
      }
      case '*':
      case '+':
      case '?':
        throw new Error(`missing argument to repetition operator: ${char}`)
      case '\\':
        return this.#escape()
      default:
        return this.#literal(char.codePointAt(0)!)
    }
  }

  #group(): RegexNode {
    const outer = this.#flags
    if (this.#take('?')) {
      if (this.#match(/P?<[A-Za-z_][A-Za-z0-9_]*>/y) === null) {
        const flags = this.#match(/([imsU]*)(-[imsU]+)?([:)])/y)
        if (flags === null) throw new Error('invalid or unsupported Perl syntax: (?')
        this.#flags = withFlags(outer, flags[1]!, flags[2] ?? '')
        // For the rest of the group around it.
        if (flags[3] === ')') return { kind: 'concat', parts: [] }
      }
    }
    const node = this.#alternatives()
    if (!this.#take(')')) throw new Error('missing closing )')
    this.#flags = outer
    return node
  }

  #escape(): RegexNode {
    if (this.#take('A')) return { kind: 'assert', holds: (_text, at) => at === 0 }
    if (this.#take('z')) return { kind: 'assert', holds: (text, at) => at === text.length }
    if (this.#take('b')) return { kind: 'assert', holds: isBoundary }
    if (this.#take('B')) return { kind: 'assert', holds: (text, at) => !isBoundary(text, at) }
    const test = this.#escapedClass()
    return test === null ? this.#literal(this.#escapedChar()) : { kind: 'char', test: this.#folded(test) }
  }

  /** \d, \pL, \p{Greek} and so on, after the backslash; null when it is a single character. */
  #escapedClass(): CharTest | null {
    const perl = perlClasses[this.#peek() ?? '']
    if (perl !== undefined) {
      this.#at++
      return perl
    }
    const unicode = this.#match(/([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/y)
    if (unicode === null) return null
    const [, letter, caret, name, short] = unicode
    const property = propertyTest(name ?? short!)
    const negated = (letter === 'P') !== (caret === '^')
    return c => property(c) !== negated
  }

  #escapedChar(): number {
    const hex = this.#match(/x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/y)
    if (hex !== null) return Number.parseInt(hex[1] ?? hex[2]!, 16)
    const octal = this.#match(/0[0-7]{0,2}|[1-7][0-7]{2}/y)
    if (octal !== null) return Number.parseInt(octal[0], 8)
    const char = this.#next('trailing backslash at end of expression')
    const control = controls[char]
    if (control !== undefined) return control
    if (/[A-Za-z0-9]/.test(char)) throw new Error(`invalid escape sequence: \\${char}`)
    return char.codePointAt(0)!
  }

  #charClass(): CharTest {
    const negated = this.#take('^')
    const tests: CharTest[] = []
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const posix = this.#match(/\[:(\^?)([a-z]+):\]/y)
      if (posix !== null) {
        const named = posixClasses[posix[2]!]
        if (named === undefined) throw new Error(`invalid character class range: ${posix[0]}`)
        tests.push(posix[1] === '' ? named : c => !named(c))
        continue
      }
      tests.push(this.#classPart())
    }
    this.#at++
    const folded = tests.map(test => this.#folded(test))
    return c => folded.some(test => test(c)) !== negated
  }

  #classPart(): CharTest {
    const escaped = this.#peek() === '\\'
    if (escaped) {
      this.#at++
      const test = this.#escapedClass()
      if (test !== null) return test
    }
    const low = escaped ? this.#escapedChar() : this.#next('missing closing ]').codePointAt(0)!
    if (this.#peek() !== '-' || this.#pattern[this.#at + 1] === ']') return c => c === low
    this.#at++
    const high = this.#take('\\') ? this.#escapedChar() : this.#next('missing closing ]').codePointAt(0)!
    if (high < low) throw new Error('invalid character class range')
    return c => c >= low && c <= high
  }

  #literal(char: number): RegexNode {
    return { kind: 'char', test: this.#folded(c => c === char) }
  }

  #folded(test: CharTest): CharTest {
    if (!this.#flags.fold) return test
    return c => {
      const char = String.fromCodePoint(c)
      return test(c) || test(char.toLowerCase().codePointAt(0)!) || test(char.toUpperCase().codePointAt(0)!)
    }
  }

  #peek(): string | undefined {
    return this.#pattern[this.#at]
  }

  #next(missing = 'unexpected end of expression'): string {
    const code = this.#pattern.codePointAt(this.#at)
    if (code === undefined) throw new Error(missing)
    const char = String.fromCodePoint(code)
    this.#at += char.length
    return char
  }

  #take(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  /** `expression` is sticky. */
  #match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at
    const found = expression.exec(this.#pattern)
    if (found !== null) this.#at = expression.lastIndex
    return found
  }
}

function withFlags(flags: Flags, on: string, off: string): Flags {
  const set = (letter: string, before: boolean) => (on.includes(letter) || before) && !off.includes(letter)
  return { fold: set('i', flags.fold), lines: set('m', flags.lines), dotAll: set('s', flags.dotAll) }
}

/** One character at a time, so that JavaScript's engine has nothing to search. */
function propertyTest(name: string): CharTest {
  for (const property of [name, `Script=${name}`]) {
    try {
      const expression = new RegExp(`^\\p{${property}}$`, 'u')
      return c => expression.test(String.fromCodePoint(c))
    } catch {
      // The other way to name it may be right.
    }
  }
  throw new Error(`invalid character class range: \\p{${name}}`)
}
