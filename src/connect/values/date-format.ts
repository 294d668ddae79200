/**
 * Java's SimpleDateFormat, in English and UTC, lenient as Java's is: fields may overflow, a fraction `123456` under `SSS` is 123456 ms, and what follows the
 * pattern is ignored. Two differences: dates before 1582 are those of ISO 8601, where Java changes to the Julian calendar; and of the names of zones, common
 * abbreviations are read.
 */
import { formatField, names } from './date-format-fields.ts'

export interface DateFormat {
  readonly pattern: string
  format(ms: number): string
  /** ms since 1970; null: the text does not match. */
  parse(text: string): number | null
}

interface Field {
  readonly letter: string
  readonly count: number
  /** Digits follow without anything between, so that it takes exactly `count` of them. */
  readonly abuts: boolean
}

type Piece = string | Field

/** `nowMs`: years of two digits are within 80 years before and 20 years after. Throws SyntaxError with Java's words. */
export function dateFormat(pattern: string, nowMs: number): DateFormat {
  const pieces = withNeighbours(split(pattern))
  return {
    pattern,
    format(ms) {
      const date = new Date(ms)
      // Beyond what a calendar holds.
      if (Number.isNaN(date.getTime())) return String(ms)
      return pieces.map(piece => (typeof piece === 'string' ? piece : formatField(piece.letter, piece.count, date))).join('')
    },
    parse: text => new Parsing(text, nowMs).run(pieces),
  }
}

const letters = 'GyYMLwWDdFEuaHkKhmsSzZX'

function split(pattern: string): Piece[] {
  const pieces: Piece[] = []
  let literal = ''
  const flush = () => {
    if (literal !== '') pieces.push(literal)
    literal = ''
  }
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at]!
    if (char === "'") {
      const [text, next] = quoted(pattern, at)
      literal += text
      at = next
    } else if (/[A-Za-z]/.test(char)) {
      if (!letters.includes(char)) throw new SyntaxError(`Illegal pattern character '${char}'`)
      let end = at
      while (pattern[end] === char) end++
      if (char === 'X' && end - at > 3) throw new SyntaxError('invalid ISO 8601 format: length=4')
      flush()
      pieces.push({ letter: char, count: end - at, abuts: false })
      at = end
    } else {
      literal += char
      at++
    }
  }
  flush()
  return pieces
}

/** The text between apostrophes, of which two are one, and where it ends. */
function quoted(pattern: string, start: number): [text: string, next: number] {
  if (pattern[start + 1] === "'") return ["'", start + 2]
  let text = ''
  for (let at = start + 1; at < pattern.length; at++) {
    if (pattern[at] !== "'") text += pattern[at]
    else if (pattern[at + 1] === "'") {
      text += "'"
      at++
    } else return [text, at + 1]
  }
  throw new SyntaxError('Unterminated quote')
}

function withNeighbours(pieces: Piece[]): Piece[] {
  return pieces.map((piece, index) => {
    const next = pieces[index + 1]
    if (typeof piece === 'string' || typeof next !== 'object') return piece
    return { ...piece, abuts: isNumeric(piece) && isNumeric(next) }
  })
}

function isNumeric({ letter, count }: Field): boolean {
  if (letter === 'M' || letter === 'L') return count < 3
  return !'GEazZX'.includes(letter)
}

const msPerDay = 86_400_000

class Parsing {
  readonly #text: string
  readonly #nowMs: number
  #at = 0
  readonly #fields = new Map<string, number>()
  #offsetMinutes = 0

  constructor(text: string, nowMs: number) {
    this.#text = text
    this.#nowMs = nowMs
  }

  run(pieces: readonly Piece[]): number | null {
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        if (!this.#text.startsWith(piece, this.#at)) return null
        this.#at += piece.length
      } else if (!this.#field(piece)) return null
    }
    const ms = this.#result()
    return Number.isNaN(ms) ? null : ms
  }

  #field({ letter, count, abuts }: Field): boolean {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at++
    if (this.#at >= this.#text.length) return false
    switch (letter) {
      case 'G':
        return this.#name('G', names.eras)
      case 'E':
        return this.#name('E', [...names.days, ...names.shortDays], 7)
      case 'a':
        return this.#name('a', names.halves)
      case 'z':
      case 'Z':
      case 'X':
        return this.#zone(letter, count)
      default:
        if (!isNumeric({ letter, count, abuts }))
          return this.#name('M', [...names.months, ...names.shortMonths], 12) || this.#number('M', null)
        return this.#number(letter, abuts ? count : null, count)
    }
  }

  #number(letter: string, width: number | null, count = 0): boolean {
    const digits = width === null ? /-?\d{1,18}/y : new RegExp(`\\d{1,${width}}`, 'y')
    digits.lastIndex = this.#at
    const found = digits.exec(this.#text)
    if (found === null) return false
    this.#at = digits.lastIndex
    const value = Number(found[0])
    const name = letter === 'L' ? 'M' : letter
    if (name === 'M') this.#fields.set('M', value - 1)
    else if ((name === 'y' || name === 'Y') && count <= 2 && found[0].length === 2 && value >= 0)
      this.#fields.set(name, this.#century(value))
    else this.#fields.set(name, value)
    return true
  }

  /** The one with these two digits that is at most 80 years ago. */
  #century(digits: number): number {
    const first = new Date(this.#nowMs).getUTCFullYear() - 80
    const year = first - (((first % 100) + 100) % 100) + digits
    return year < first ? year + 100 : year
  }

  /** The longest name that stands here, in any case. */
  #name(field: string, among: readonly string[], modulus = among.length): boolean {
    let best = -1
    for (const [index, name] of among.entries()) {
      const here = this.#text.slice(this.#at, this.#at + name.length)
      if (here.toLowerCase() === name.toLowerCase() && (best < 0 || name.length > among[best]!.length)) best = index
    }
    if (best < 0) return false
    this.#at += among[best]!.length
    this.#fields.set(field, best % modulus)
    return true
  }

  #zone(letter: string, count: number): boolean {
    const forms = letter === 'X' ? isoForms[count - 1]! : anyZone
    forms.lastIndex = this.#at
    const found = forms.exec(this.#text)
    if (found === null) return letter !== 'X' && this.#namedZone()
    this.#at = forms.lastIndex
    const [sign, hours, minutes] = found.slice(1).filter(each => each !== undefined)
    if (sign === undefined) return true
    if (Number(hours) > 23 || Number(minutes ?? 0) > 59) return false
    this.#offsetMinutes = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0))
    return true
  }

  #namedZone(): boolean {
    for (const [name, minutes] of Object.entries(names.zones)) {
      if (this.#text.slice(this.#at, this.#at + name.length).toUpperCase() !== name) continue
      this.#at += name.length
      this.#offsetMinutes = minutes
      return true
    }
    return false
  }

  #result(): number {
    const get = (letter: string) => this.#fields.get(letter)
    let year = get('y') ?? get('Y') ?? 1970
    if (get('G') === 0) year = 1 - year
    const day = this.#day(year)
    const half = get('a') ?? 0
    const hours = get('H') ?? clock(get('k'), 24) ?? halfDay(get('K') ?? clock(get('h'), 12), half) ?? half * 12
    const ms = ((hours * 60 + (get('m') ?? 0)) * 60 + (get('s') ?? 0)) * 1000 + (get('S') ?? 0)
    return day * msPerDay + ms - this.#offsetMinutes * 60_000
  }

  /** Days since 1970. */
  #day(year: number): number {
    const get = (letter: string) => this.#fields.get(letter)
    const first = dayOf(year, 0, 1)
    if (get('D') !== undefined && get('M') === undefined && get('d') === undefined) return first + get('D')! - 1
    const weekday = get('u') === undefined ? get('E') : get('u')! % 7
    if (get('w') !== undefined && get('M') === undefined && get('d') === undefined)
      return first - weekdayOf(first) + (get('w')! - 1) * 7 + (weekday ?? 0)
    const month = dayOf(year, get('M') ?? 0, 1)
    if (get('d') !== undefined || weekday === undefined) return month + (get('d') ?? 1) - 1
    if (get('F') !== undefined) return month + ((weekday - weekdayOf(month) + 7) % 7) + (get('F')! - 1) * 7
    return month - weekdayOf(month) + ((get('W') ?? 1) - 1) * 7 + weekday
  }
}

const anyZone = /GMT([+-])(\d{1,2}):?(\d{2})|([+-])(\d{2})(\d{2})|(?:GMT|UTC)(?![A-Za-z])/iy
/** `X`, `XX`, `XXX`. */
const isoForms = [/Z|([+-])(\d{2})/y, /Z|([+-])(\d{2})(\d{2})/y, /Z|([+-])(\d{2}):(\d{2})/y]

/** Of a clock from 1, where the last hour stands for 0. */
function clock(value: number | undefined, last: number): number | undefined {
  return value === last ? 0 : value
}

function halfDay(value: number | undefined, half: number): number | undefined {
  return value === undefined ? undefined : value + half * 12
}

/** Days since 1970; months and years may overflow. */
function dayOf(year: number, month: number, day: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  return date.getTime() / msPerDay
}

/** 0: Sunday. */
function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7
}
