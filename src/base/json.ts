/**
 * JSON without loss: an integer that a double cannot hold stays exact, as a bigint, and `__proto__` is a property like any other.
 *
 * Most documents are parsed as fast as by JSON.parse; those with long numbers need a reviver. Depth is limited, because what walks a document later is recursive.
 */

const mostDepth = 256

/** Of which a document must have one for any of its numbers to be more than a double holds. */
const longNumber = /\d{16}|[\d.]{17}/

/** Whether a double keeps all digits of a number. */
function keepsDigits(value: number, source: string): boolean {
  return (
    source
      .replace(/[eE].*$/, '')
      .replace(/[-.]/g, '')
      .replace(/^0+/, '').length <= 15 && Number.isFinite(value)
  )
}

/**
 * Integers beyond ±2^53 become bigints. `inexact`, if given, decides what becomes of other numbers of which a double loses digits. Throws SyntaxError.
 */
export function parseLossless(text: string, inexact?: (source: string) => unknown): unknown {
  requireShallow(text)
  if (!longNumber.test(text)) return JSON.parse(text)
  return JSON.parse(text, (_, value, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    const source = context?.source
    if (source === undefined) return value
    if (/^-?\d+$/.test(source)) return BigInt(source)
    return inexact === undefined || keepsDigits(value, source) ? value : inexact(source)
  })
}

/** `JSON.rawJSON` is older than TypeScript's library for it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** A bigint becomes a number with all its digits. On one line, unless `indent` is given. */
export function stringifyLossless(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? rawJSON(String(each)) : each), indent)
}

function requireShallow(text: string): void {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > mostDepth) throw new SyntaxError(`JSON is nested more than ${mostDepth} levels deep`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
}
