/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat('en-US')
const shortened = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

/** `1,920,113`. */
export function count(value: string | number | bigint | null): string {
  if (value === null) return '–'
  return whole.format(typeof value === 'string' ? BigInt(value) : value)
}

/** `3 topics`, `1 topic`. */
export function counted(value: string | number, one: string, many = `${one}s`): string {
  return `${count(value)} ${String(value) === '1' ? one : many}`
}

/** `1.2`, `1,920`. */
export function short(value: number): string {
  return shortened.format(value)
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export function bytes(value: string | number | null): string {
  if (value === null) return '–'
  let left = Number(value)
  let unit = 0
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000
    unit++
  }
  return `${shortened.format(left)} ${units[unit]}`
}

/** `3.2 ms`, `3 s`, `2 min`, `5 h`. */
export function duration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${short(ms)} ms`
  const [seconds, minutes, hours] = [ms / 1000, ms / 60_000, ms / 3_600_000]
  if (seconds < 60) return `${short(Math.max(seconds, 0))} s`
  if (minutes < 60) return `${short(minutes)} min`
  return hours < 48 ? `${short(hours)} h` : `${short(hours / 24)} days`
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 })
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const second = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' })

/** `12:04`, `12:04:01`. */
export function clockTime(ms: number, seconds: boolean): string {
  return (seconds ? second : minute).format(ms)
}

/** In the zone of who looks; with the date, unless it is today. */
export function time(ms: string): string {
  if (Number(ms) < 0) return 'no time'
  const at = new Date(Number(ms))
  if (Number.isNaN(at.getTime())) return ms
  const date = day.format(at)
  return date === day.format(new Date()) ? clock.format(at) : `${date} ${clock.format(at)}`
}

export function utc(ms: string): string {
  const at = new Date(Number(ms))
  return Number.isNaN(at.getTime()) || Number(ms) < 0 ? ms : at.toISOString()
}
