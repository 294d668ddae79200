/**
 * Numbers as event-ruler sees them: it compares doubles, but only numbers that a double holds exactly as they are written; others are equal only to the
 * same text.
 */
import { Numeral } from './json.ts'

/** null: it is no number. */
export function numberText(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return value instanceof Numeral ? value.text : null
}

/** null: a double does not hold it. */
export function comparable(text: string): number | null {
  const value = Number(text)
  if (!Number.isFinite(value)) return null
  const shown = String(value)
  // There is no negative zero.
  return shown === text || canonical(shown) === canonical(text) ? value + 0 : null
}

/** Equal for texts of the same decimal number. */
function canonical(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  if (whole === undefined) return text
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}
