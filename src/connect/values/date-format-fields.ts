/** The fields of SimpleDateFormat as text, in English and UTC; weeks begin on Sunday. */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

export const names = {
  days,
  shortDays: days.map(name => name.slice(0, 3)),
  months,
  shortMonths: months.map(name => name.slice(0, 3)),
  eras: ['BC', 'AD'],
  halves: ['AM', 'PM'],
  /** Minutes from UTC. */
  zones: {
    ...{ EST: -300, EDT: -240, CST: -360, CDT: -300, MST: -420, MDT: -360, PST: -480, PDT: -420 },
    ...{ WET: 0, WEST: 60, BST: 60, CET: 60, CEST: 120, EET: 120, EEST: 180, MSK: 180, IST: 330, JST: 540 },
  } as Readonly<Record<string, number>>,
} as const

const msPerDay = 86_400_000

export function formatField(letter: string, count: number, date: Date): string {
  const padded = (value: number) => (value < 0 ? `-${String(-value).padStart(count, '0')}` : String(value).padStart(count, '0'))
  switch (letter) {
    case 'G':
      return date.getUTCFullYear() > 0 ? 'AD' : 'BC'
    case 'y':
      return yearText(date.getUTCFullYear() > 0 ? date.getUTCFullYear() : 1 - date.getUTCFullYear(), count)
    case 'Y':
      return yearText(weekOf(date).year, count)
    case 'M':
    case 'L':
      if (count >= 3) return (count >= 4 ? names.months : names.shortMonths)[date.getUTCMonth()]!
      return padded(date.getUTCMonth() + 1)
    case 'E':
      return (count >= 4 ? names.days : names.shortDays)[date.getUTCDay()]!
    case 'a':
      return names.halves[date.getUTCHours() < 12 ? 0 : 1]!
    case 'z':
      return count >= 4 ? 'Coordinated Universal Time' : 'UTC'
    case 'Z':
      return '+0000'
    case 'X':
      return 'Z'
    default:
      return padded(numberOf(letter, date))
  }
}

function numberOf(letter: string, date: Date): number {
  const hours = date.getUTCHours()
  const dayOfMonth = date.getUTCDate()
  switch (letter) {
    case 'd':
      return dayOfMonth
    case 'H':
      return hours
    case 'k':
      return hours || 24
    case 'K':
      return hours % 12
    case 'h':
      return hours % 12 || 12
    case 'm':
      return date.getUTCMinutes()
    case 's':
      return date.getUTCSeconds()
    case 'S':
      return date.getUTCMilliseconds()
    case 'D':
      return dayOfYear(date) + 1
    case 'u':
      return date.getUTCDay() || 7
    case 'F':
      return Math.floor((dayOfMonth - 1) / 7) + 1
    case 'w':
      return weekOf(date).week
    default:
      return Math.floor((dayOfMonth - 1 + ((date.getUTCDay() - (dayOfMonth - 1) + 35) % 7)) / 7) + 1
  }
}

function yearText(year: number, count: number): string {
  return count === 2 ? String(year % 100).padStart(2, '0') : String(year).padStart(count, '0')
}

function startOfYear(year: number): number {
  return new Date(0).setUTCFullYear(year, 0, 1)
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - startOfYear(date.getUTCFullYear())) / msPerDay)
}

/** The week with 1 January is the first. */
function weekOf(date: Date): { year: number; week: number } {
  const year = date.getUTCFullYear()
  const next = startOfYear(year + 1)
  const today = startOfYear(year) + dayOfYear(date) * msPerDay
  if (today >= next - new Date(next).getUTCDay() * msPerDay) return { year: year + 1, week: 1 }
  return { year, week: Math.floor((dayOfYear(date) + new Date(startOfYear(year)).getUTCDay()) / 7) + 1 }
}
