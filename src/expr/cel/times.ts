/** Times and durations as text, and their parts. */
import type { CelFunction } from './functions.ts'
import { Duration, Timestamp } from './values.ts'

const nanosPerMs = 1_000_000n
const nanosPerSecond = 1_000_000_000n
const unitNanos: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 }

/** RFC 3339; null: it is none. */
export function parseTime(text: string): bigint | null {
  const match = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`.toUpperCase())
  return Number.isNaN(ms) ? null : BigInt(ms) * nanosPerMs + BigInt((match![2] ?? '').padEnd(9, '0'))
}

/** `1h30m`, `-1.5s`; null: it is none. */
export function parseSpan(text: string): bigint | null {
  if (text === '0') return 0n
  const match = /^(-?)((?:\d{1,18}(?:\.\d{1,9})?(?:h|ms|m|s|us|µs|ns)){1,6})$/.exec(text)
  if (match === null) return null
  let nanos = 0
  for (const [, count, unit] of match[2]!.matchAll(/([\d.]+)(\D+)/g)) nanos += Number(count) * unitNanos[unit!]!
  const whole = BigInt(Math.round(nanos))
  return whole > 2n ** 63n - 1n ? null : match[1] === '-' ? -whole : whole
}

export function timeText({ nanos }: Timestamp): string {
  const text = new Date(Number(floor(nanos, nanosPerMs))).toISOString().slice(0, 19)
  return `${text}${fraction(nanos - floor(nanos, nanosPerSecond) * nanosPerSecond)}Z`
}

export function spanText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos
  return `${nanos < 0n ? '-' : ''}${size / nanosPerSecond}${fraction(size % nanosPerSecond)}s`
}

function fraction(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`
}

function floor(value: bigint, unit: bigint): bigint {
  const cut = value / unit
  return value < 0n && cut * unit !== value ? cut - 1n : cut
}

/** In UTC, or in the zone that is given: `+02:00`, or a name such as Europe/Berlin. */
function part(of: (date: Date) => number): CelFunction {
  return (args, call) => {
    const [time, zone] = args
    if (!(time instanceof Timestamp) || (zone !== undefined && typeof zone !== 'string')) return call.fail('a part of what is no time')
    const ms = Number(floor(time.nanos, nanosPerMs))
    const shift = zone === undefined ? 0 : shiftOf(zone, ms)
    return shift === null ? call.fail(`${JSON.stringify(zone)} is not a time zone`) : BigInt(of(new Date(ms + shift)))
  }
}

function shiftOf(zone: string, ms: number): number | null {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone)
  if (fixed !== null) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    const name = format.formatToParts(ms).find(each => each.type === 'timeZoneName')?.value ?? ''
    const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(name) ?? []
    return sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

const dayMs = 86_400_000

/** Of a duration: all of it in this unit. Of a time: this part. */
function either(unit: bigint, ofTime: CelFunction, isRest = false): CelFunction {
  return (args, call) => {
    const [value] = args
    if (!(value instanceof Duration)) return ofTime(args, call)
    return isRest ? (value.nanos / unit) % 1_000n : value.nanos / unit
  }
}

export const timeParts: Readonly<Record<string, CelFunction>> = {
  getFullYear: part(date => date.getUTCFullYear()),
  getMonth: part(date => date.getUTCMonth()),
  getDate: part(date => date.getUTCDate()),
  getDayOfMonth: part(date => date.getUTCDate() - 1),
  getDayOfWeek: part(date => date.getUTCDay()),
  getDayOfYear: part(date => Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / dayMs)),
  getHours: either(
    3_600n * nanosPerSecond,
    part(date => date.getUTCHours()),
  ),
  getMinutes: either(
    60n * nanosPerSecond,
    part(date => date.getUTCMinutes()),
  ),
  getSeconds: either(
    nanosPerSecond,
    part(date => date.getUTCSeconds()),
  ),
  getMilliseconds: either(
    nanosPerMs,
    part(date => date.getUTCMilliseconds()),
    true,
  ),
}
