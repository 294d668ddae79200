/** Parses the syntax of RE2 to a tree. Greediness of repetitions does not matter, because only whole names are matched. */

export type CharTest = (char: number) => boolean

export type RegexNode =
  /** `cost`: of the test, against a comparison. */
  | { kind: 'char'; test: CharTest; cost: number }
  | { kind: 'assert'; holds: (text: readonly number[], at: number) => boolean }
  | { kind: 'concat' | 'alternate'; parts: RegexNode[] }
  /** `max: null`: without end. */
  | { kind: 'repeat'; part: RegexNode; min: number; max: number | null }

const mostRepeats = 1000
const deepest = 200
const newline = 10
/** A test of a Unicode property asks JavaScript's engine, with case folded three times. */
const propertyCost = 20

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

/** What is taken in one piece, where the parser is. */
const repetition = /\{(\d{1,5})(,(\d{1,5})?)?\}/y
const groupName = /P?<[A-Za-z_][A-Za-z0-9_]*>/y
const groupFlags = /([imsU]*)(-[imsU]+)?([:)])/y
const unicodeClass = /([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/y
const hexChar = /x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/y
const octalChar = /0[0-7]{0,2}|[1-7][0-7]{2}/y
const posixClass = /\[:(\^?)([a-z]+):\]/y

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
    if (this.#peek() !== '{') return null
    // A brace that begins no repetition is a brace.
    const counts = this.#match(repetition)
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
        return this.#charClass()
      case '.': {
        const { dotAll } = this.#flags
        return { kind: 'char', test: c => dotAll || c !== newline, cost: 1 }
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
      if (this.#match(groupName) === null) {
        const flags = this.#match(groupFlags)
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
    return test === null ? this.#literal(this.#escapedChar()) : { kind: 'char', test: this.#folded(test), cost: propertyCost }
  }

  /** \d, \pL, \p{Greek} and so on, after the backslash; null when it is a single character. */
  #escapedClass(): CharTest | null {
    const perl = perlClasses[this.#peek() ?? '']
    if (perl !== undefined) {
      this.#at++
      return perl
    }
    const unicode = this.#match(unicodeClass)
    if (unicode === null) return null
    const [, letter, caret, name, short] = unicode
    return propertyTest(name ?? short!, (letter === 'P') !== (caret === '^'))
  }

  #escapedChar(): number {
    const hex = this.#match(hexChar)
    if (hex !== null) return Number.parseInt(hex[1] ?? hex[2]!, 16)
    const octal = this.#match(octalChar)
    if (octal !== null) return Number.parseInt(octal[0], 8)
    const char = this.#next('trailing backslash at end of expression')
    const control = controls[char]
    if (control !== undefined) return control
    if (/[A-Za-z0-9]/.test(char)) throw new Error(`invalid escape sequence: \\${char}`)
    return char.codePointAt(0)!
  }

  #charClass(): RegexNode {
    const negated = this.#take('^')
    const ranges: Range[] = []
    const named = new Set<CharTest>()
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const posix = this.#match(posixClass)
      const part = posix === null ? this.#classPart() : posixTest(posix[0], posix[2]!, posix[1] !== '')
      if (typeof part === 'function') named.add(part)
      else ranges.push(part)
    }
    this.#at++
    const merged = mergedRanges(ranges)
    const test = this.#folded(c => inRanges(merged, c) || some(named, c))
    return { kind: 'char', test: c => test(c) !== negated, cost: 1 + Math.ceil(Math.log2(merged.length + 1)) + propertyCost * named.size }
  }

  /** One of the named classes, or a range. */
  #classPart(): CharTest | Range {
    const escaped = this.#peek() === '\\'
    if (escaped) {
      this.#at++
      const test = this.#escapedClass()
      if (test !== null) return test
    }
    const low = escaped ? this.#escapedChar() : this.#next('missing closing ]').codePointAt(0)!
    if (this.#peek() !== '-' || this.#pattern[this.#at + 1] === ']') return { low, high: low }
    this.#at++
    const high = this.#take('\\') ? this.#escapedChar() : this.#next('missing closing ]').codePointAt(0)!
    if (high < low) throw new Error('invalid character class range')
    return { low, high }
  }

  #literal(char: number): RegexNode {
    return { kind: 'char', test: this.#folded(c => c === char), cost: 1 }
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

const properties = new Map<string, CharTest>()

/** The same function for the same property, so that a class that names it a thousand times asks once. */
function propertyTest(name: string, negated: boolean): CharTest {
  const key = `${negated ? '^' : ''}${name}`
  let test = properties.get(key)
  if (test === undefined) {
    const expression = propertyExpression(name)
    test = c => expression.test(String.fromCodePoint(c)) !== negated
    properties.set(key, test)
  }
  return test
}

/** One character at a time, so that JavaScript's engine has nothing to search. */
function propertyExpression(name: string): RegExp {
  for (const property of [name, `Script=${name}`]) {
    try {
      return new RegExp(`^\\p{${property}}$`, 'u')
    } catch {
      // The other way to name it may be right.
    }
  }
  throw new Error(`invalid character class range: \\p{${name}}`)
}

const notPosix = new Map(Object.entries(posixClasses).map(([name, test]): [string, CharTest] => [name, c => !test(c)]))

function posixTest(text: string, name: string, negated: boolean): CharTest {
  const test = negated ? notPosix.get(name) : Object.hasOwn(posixClasses, name) ? posixClasses[name] : undefined
  if (test === undefined) throw new Error(`invalid character class range: ${text}`)
  return test
}

/** Of characters, both ends included. */
interface Range {
  low: number
  high: number
}

/** In order, and apart from each other. */
function mergedRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const { low, high } of ranges.toSorted((a, b) => a.low - b.low)) {
    const last = merged.at(-1)
    if (last === undefined || low > last.high + 1) merged.push({ low, high })
    else if (high > last.high) last.high = high
  }
  return merged
}

function inRanges(ranges: readonly Range[], char: number): boolean {
  let from = 0
  let to = ranges.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (ranges[middle]!.high < char) from = middle + 1
    else to = middle
  }
  return from < ranges.length && ranges[from]!.low <= char
}

function some(tests: Iterable<CharTest>, char: number): boolean {
  for (const test of tests) if (test(char)) return true
  return false
}
