/** Times as ISO 8601 writes them, with a date and a zone. */

const instant = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)$/

/** Milliseconds since the epoch; null: it is none. */
export function instantIn(text: string): number | null {
  const time = instant.test(text) ? Date.parse(text.toUpperCase()) : Number.NaN
  return Number.isNaN(time) ? null : time
}
