/**
 * JSON without loss: an integer that a double cannot hold stays exact, as a bigint, and `__proto__` is a property like any other.
 *
 * The time of parsing is that of JSON.parse with a reviver; depth is limited, because what walks a document later is recursive.
 */

const mostDepth = 256

/** Integers beyond ±2^53 become bigints. Throws SyntaxError. */
export function parseLossless(text: string): unknown {
  requireShallow(text)
  return JSON.parse(text, (_, value, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    const source = context?.source
    return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value
  })
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
