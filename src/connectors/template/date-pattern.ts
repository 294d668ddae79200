/**
 * Times by a pattern of Java's DateTimeFormatter (`yyyy-MM-dd'T'HH`), in UTC or, after `@`, in a time zone: `yyyyMMdd@Asia/Shanghai`. Also `epoch` (seconds),
 * `epoch_ms` and `iso`.
 */
import { problemBy } from '../entries.ts'

type Piece = string | ((time: Date) => string)

const digits = (value: number, width: number) => String(value).padStart(width, '0')
const dayMs = 86_400_000

/** By the letters, as often as they are repeated: what they stand for. */
const letters: Readonly<Record<string, (time: Date) => string>> = {
  yyyy: time => digits(time.getUTCFullYear(), 4),
  uuuu: time => digits(time.getUTCFullYear(), 4),
  yy: time => digits(time.getUTCFullYear() % 100, 2),
  MM: time => digits(time.getUTCMonth() + 1, 2),
  M: time => String(time.getUTCMonth() + 1),
  dd: time => digits(time.getUTCDate(), 2),
  d: time => String(time.getUTCDate()),
  DDD: time => digits(dayOfYear(time), 3),
  D: time => String(dayOfYear(time)),
  HH: time => digits(time.getUTCHours(), 2),
  H: time => String(time.getUTCHours()),
  mm: time => digits(time.getUTCMinutes(), 2),
  m: time => String(time.getUTCMinutes()),
  ss: time => digits(time.getUTCSeconds(), 2),
  s: time => String(time.getUTCSeconds()),
  SSS: time => digits(time.getUTCMilliseconds(), 3),
}

function dayOfYear(time: Date): number {
  return Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0)) / dayMs) + 1
}

const named: Readonly<Record<string, (ms: number) => string>> = {
  epoch: ms => String(Math.floor(ms / 1_000)),
  epoch_ms: ms => String(ms),
  iso: ms => new Date(ms).toISOString(),
}

/** Throws SyntaxError. */
export function datePattern(text: string): (ms: number) => string {
  const known = Object.hasOwn(named, text) ? named[text] : undefined
  if (known !== undefined) return known
  const at = text.lastIndexOf('@')
  const pieces = piecesOf(at === -1 ? text : text.slice(0, at))
  const shift = at === -1 ? null : zoneShift(text.slice(at + 1))
  return ms => {
    const time = new Date(shift === null ? ms : ms + shift(ms))
    let made = ''
    for (const piece of pieces) made += typeof piece === 'string' ? piece : piece(time)
    return made
  }
}

function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = []
  // A quoted text, the same letter several times, or what stands for itself.
  for (const [piece] of pattern.matchAll(/'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+|'/g)) {
    if (piece === "''") pieces.push("'")
    else if (piece.length > 1 && piece.startsWith("'")) pieces.push(piece.slice(1, -1).replaceAll("''", "'"))
    else if (piece === "'") throw new SyntaxError(`"${pattern}" has a quotation mark without an end`)
    else if (!/[A-Za-z]/.test(piece)) pieces.push(piece)
    else {
      const letter = Object.hasOwn(letters, piece) ? letters[piece] : undefined
      if (letter === undefined)
        throw new SyntaxError(`"${piece}" is no part of a date; there are ${Object.keys(letters).join(', ')}, epoch, epoch_ms and iso`)
      pieces.push(letter)
    }
  }
  return pieces
}

/** How far the zone's clocks are ahead of UTC, in ms. Throws SyntaxError if there is no such zone. Zones change at quarters of an hour: what was asked last is remembered. */
export function zoneShift(zone: string): (ms: number) => number {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  } catch {
    throw new SyntaxError(`there is no time zone "${zone}"`)
  }
  const quarterMs = 900_000
  let lastQuarter = Number.NaN
  let lastShift = 0
  return ms => {
    const quarter = Math.floor(ms / quarterMs)
    if (quarter === lastQuarter) return lastShift
    const name = format.formatToParts(ms).find(part => part.type === 'timeZoneName')?.value ?? ''
    const offset = /GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?/.exec(name)
    const seconds = offset === null ? 0 : Number(offset[2]) * 3_600 + Number(offset[3]) * 60 + Number(offset[4] ?? 0)
    lastQuarter = quarter
    lastShift = (offset?.[1] === '-' ? -seconds : seconds) * 1_000
    return lastShift
  }
}

/** For `check` of a key: why it is no pattern, or null. */
export const datePatternProblem = problemBy(datePattern)
