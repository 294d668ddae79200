/** PostgreSQL's text of dates, times and intervals, exactly. */
import { daysFrom } from '../change-data/modes.ts'

const dayMicros = 86_400_000_000n

/** Days that stand for `infinity` and `-infinity`. */
const infiniteDays = 2_147_483_647
/** As Debezium writes them, in µs. */
const infinity = 9_223_372_036_825_200_000n
const minusInfinity = -9_223_372_036_832_400_000n

const datePattern = /^(\d{4,})-(\d\d)-(\d\d)( BC)?$/

/** Since 1970. Throws RangeError. */
export function daysOf(text: string): number {
  if (text === 'infinity') return infiniteDays
  if (text === '-infinity') return -infiniteDays - 1
  const match = datePattern.exec(text)
  if (match === null) throw new RangeError(`"${text}" is no date`)
  const year = Number(match[1])
  return daysFrom(match[4] === undefined ? year : 1 - year, Number(match[2]), Number(match[3]))
}

const timePattern = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/

/** µs since midnight. Throws RangeError. */
export function microsOfTime(text: string): bigint {
  const match = timePattern.exec(text)
  if (match === null) throw new RangeError(`"${text}" is no time`)
  const seconds = Number(match[1]) * 3_600 + Number(match[2]) * 60 + Number(match[3])
  return BigInt(seconds) * 1_000_000n + BigInt((match[4] ?? '').padEnd(6, '0'))
}

const timestampPattern = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:\+00)?( BC)?$/

/** µs since 1970; a zone must be UTC. Throws RangeError. */
export function microsOfTimestamp(text: string): bigint {
  if (text === 'infinity') return infinity
  if (text === '-infinity') return minusInfinity
  const match = timestampPattern.exec(text)
  if (match === null) throw new RangeError(`"${text}" is no timestamp`)
  return BigInt(daysOf(`${match[1]}${match[3] ?? ''}`)) * dayMicros + microsOfTime(match[2]!)
}

const zonedTimePattern = /^(\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/

/** µs since midnight in UTC. Throws RangeError. */
export function microsOfZonedTime(text: string): bigint {
  const match = zonedTimePattern.exec(text)
  if (match === null) throw new RangeError(`"${text}" is no time with a zone`)
  const ahead = Number(match[3]) * 3_600 + Number(match[4] ?? 0) * 60 + Number(match[5] ?? 0)
  const micros = microsOfTime(match[1]!) - BigInt(match[2] === '-' ? -ahead : ahead) * 1_000_000n
  return ((micros % dayMicros) + dayMicros) % dayMicros
}

export interface Interval {
  readonly years: number
  readonly months: number
  readonly days: number
  readonly hours: number
  readonly minutes: number
  readonly seconds: number
}

const intervalPart = /([+-]?\d+) (year|mon|day)s? ?|([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?)/gy

/** Of the style `postgres`: `1 year 2 mons -3 days 04:05:06.7`. Throws RangeError. */
export function parseInterval(text: string): Interval {
  const parts = { years: 0, months: 0, days: 0, hours: 0, minutes: 0, seconds: 0 }
  const names = { year: 'years', mon: 'months', day: 'days' } as const
  intervalPart.lastIndex = 0
  while (intervalPart.lastIndex < text.length) {
    const match = intervalPart.exec(text)
    if (match === null) throw new RangeError(`"${text}" is no interval`)
    if (match[2] !== undefined) parts[names[match[2] as keyof typeof names]] = Number(match[1])
    else {
      const sign = match[3] === '-' ? -1 : 1
      Object.assign(parts, { hours: sign * Number(match[4]), minutes: sign * Number(match[5]), seconds: sign * Number(match[6]) })
    }
  }
  return parts
}

const daysPerMonth = 365.25 / 12

/** As Debezium counts: a month has 30.4375 days. */
export function intervalMicros({ years, months, days, hours, minutes, seconds }: Interval): bigint {
  const whole = (years * 12 + months) * daysPerMonth + days
  return BigInt(Math.trunc((((whole * 24 + hours) * 60 + minutes) * 60 + seconds) * 1e6))
}

/** ISO 8601, as Debezium writes it, with all its parts. */
export function intervalText({ years, months, days, hours, minutes, seconds }: Interval): string {
  return `P${plain(years)}Y${plain(months)}M${plain(days)}DT${plain(hours)}H${plain(minutes)}M${plain(seconds)}S`
}

function plain(value: number): string {
  return value === 0 ? '0' : String(value)
}
