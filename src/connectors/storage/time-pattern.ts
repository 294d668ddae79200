/** Times as parts of paths, in the patterns of Joda and java.time that `path.format` is written in. */
import { InvalidConfig } from '../../base.ts'

/** Written for a time in ms since 1970. */
export type TimePattern = (ms: number) => string

interface Parts {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  ms: number
  /** 1 is Monday. */
  weekday: number
}

type Piece = string | ((parts: Parts) => string)

const padded = (value: number, width: number) => String(value).padStart(width, '0')

/** Throws InvalidConfig for `key` when the pattern has letters that mean nothing here, or the zone is unknown. */
export function timePattern(key: string, pattern: string, zone: string, locale: string): TimePattern {
  const partsOf = zonedParts(zone)
  const pieces = piecesOf(key, pattern, locale)
  let last = Number.NaN
  let text = ''
  return ms => {
    if (ms !== last) {
      const parts = partsOf(ms)
      text = pieces.map(piece => (typeof piece === 'string' ? piece : piece(parts))).join('')
      last = ms
    }
    return text
  }
}

function piecesOf(key: string, pattern: string, locale: string): Piece[] {
  const pieces: Piece[] = []
  for (const [token] of pattern.matchAll(/'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+|'/g)) {
    if (token === "'") throw new InvalidConfig(key, pattern, 'a quote is not closed')
    if (token.startsWith("'")) pieces.push(token === "''" ? "'" : token.slice(1, -1).replaceAll("''", "'"))
    else if (/[A-Za-z]/.test(token)) pieces.push(letter(key, pattern, token, locale))
    else pieces.push(token)
  }
  return pieces
}

function letter(key: string, pattern: string, token: string, locale: string): Piece {
  const width = token.length
  switch (token[0]) {
    case 'y':
    case 'Y':
    case 'u':
      return width === 2 ? parts => padded(parts.year % 100, 2) : parts => padded(parts.year, width)
    case 'M':
    case 'L':
      return width <= 2 ? parts => padded(parts.month, width) : monthNames(width === 3 ? 'short' : 'long', locale)
    case 'd':
      return parts => padded(parts.day, width)
    case 'D':
      return parts => padded((Date.UTC(parts.year, parts.month - 1, parts.day) - Date.UTC(parts.year, 0, 1)) / 86_400_000 + 1, width)
    case 'e':
      return parts => padded(parts.weekday, width)
    case 'E':
      return weekdayNames(width <= 3 ? 'short' : 'long', locale)
    case 'H':
      return parts => padded(parts.hour, width)
    case 'k':
      return parts => padded(parts.hour === 0 ? 24 : parts.hour, width)
    case 'h':
      return parts => padded(parts.hour % 12 === 0 ? 12 : parts.hour % 12, width)
    case 'a':
      return parts => (parts.hour < 12 ? 'AM' : 'PM')
    case 'm':
      return parts => padded(parts.minute, width)
    case 's':
      return parts => padded(parts.second, width)
    case 'S':
      return parts => padded(parts.ms, 3).padEnd(width, '0').slice(0, width)
    default:
      throw new InvalidConfig(key, pattern, `the letter ${token[0]} means nothing here; text goes between quotes, as in 'year'=YYYY`)
  }
}

function monthNames(style: 'short' | 'long', locale: string): Piece {
  const names = new Intl.DateTimeFormat(locale, { month: style, timeZone: 'UTC' })
  return parts => names.format(Date.UTC(2000, parts.month - 1, 15))
}

function weekdayNames(style: 'short' | 'long', locale: string): Piece {
  const names = new Intl.DateTimeFormat(locale, { weekday: style, timeZone: 'UTC' })
  // 2 January 2000 was a Sunday.
  return parts => names.format(Date.UTC(2000, 0, 2 + (parts.weekday % 7)))
}

function zonedParts(zone: string): (ms: number) => Parts {
  const offset = zoneOffset(zone)
  return ms => {
    const local = new Date(ms + offset(ms))
    return {
      year: local.getUTCFullYear(),
      month: local.getUTCMonth() + 1,
      day: local.getUTCDate(),
      hour: local.getUTCHours(),
      minute: local.getUTCMinutes(),
      second: local.getUTCSeconds(),
      ms: local.getUTCMilliseconds(),
      weekday: local.getUTCDay() || 7,
    }
  }
}

/** How far a zone is ahead of UTC at a time, in ms. Throws RangeError when there is no such zone. */
export function zoneOffset(zone: string): (ms: number) => number {
  if (zone === 'UTC' || zone === 'Z' || zone === 'GMT') return () => 0
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  // Zones change at full quarters of an hour.
  let quarter = Number.NaN
  let known = 0
  return ms => {
    const now = Math.floor(ms / 900_000)
    if (now !== quarter) {
      const at = now * 900_000
      const parts = Object.fromEntries(format.formatToParts(at).map(part => [part.type, Number(part.value)]))
      known = Date.UTC(parts['year']!, parts['month']! - 1, parts['day']!, parts['hour']!, parts['minute']!, parts['second']!) - at
      quarter = now
    }
    return known
  }
}
