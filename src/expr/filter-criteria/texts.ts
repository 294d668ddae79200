/** Comparisons of texts: wildcards, and without regard to case. Each takes time in proportion to the text, whatever the pattern is. */
import { ExprError } from '../errors.ts'

/** `pattern`: with its quotes. Throws ExprError with event-ruler's words, which count bytes. */
export function wildcard(pattern: string): (text: string) => boolean {
  const segments = segmentsOf(Buffer.from(pattern).toString('latin1')).map(each => Buffer.from(each, 'latin1').toString())
  const [first] = segments as [string]
  const last = segments.at(-1)!
  if (segments.length === 1) return text => text === first
  const inner = segments.slice(1, -1)
  return text => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (const segment of inner) {
      const found = text.indexOf(segment, at)
      if (found === -1 || found + segment.length > end) return false
      at = found + segment.length
    }
    return true
  }
}

/** What is between the asterisks. A character of `pattern` is a byte. */
function segmentsOf(pattern: string): string[] {
  const segments: string[] = []
  let segment = ''
  for (let at = 0; at < pattern.length; at++) {
    const next = pattern[at + 1]
    if (pattern[at] === '*') {
      if (next === '*') throw new ExprError(`Consecutive wildcard characters at pos ${at}`)
      segments.push(segment)
      segment = ''
    } else if (pattern[at] === '\\') {
      if (next !== '*' && next !== '\\') throw new ExprError(`Invalid escape character at pos ${at}`)
      segment += next
      at++
    } else segment += pattern[at]
  }
  return [...segments, segment]
}

/** Each character of the pattern is one of these in the text; they may differ in length: ß and SS. */
type Cases = readonly (readonly [lower: string, upper: string])[]

export const ignoreCase = {
  equals(pattern: string): (text: string) => boolean {
    const cases = casesOf(pattern)
    return text => forward(text, cases).some(end => end === text.length)
  },
  prefix(pattern: string): (text: string) => boolean {
    const cases = casesOf(pattern)
    return text => forward(text, cases).length > 0
  },
  suffix(pattern: string): (text: string) => boolean {
    const cases = casesOf(pattern).toReversed()
    return text => {
      let begins = [text.length]
      for (const each of cases) begins = step(begins, each, (one, begin) => (text.endsWith(one, begin) ? begin - one.length : null))
      return begins.length > 0
    }
  },
}

function casesOf(pattern: string): Cases {
  return Array.from(pattern, each => [each.toLowerCase(), each.toUpperCase()] as const)
}

/** Where the pattern may end in the text. */
function forward(text: string, cases: Cases): number[] {
  let ends = [0]
  for (const each of cases) {
    ends = step(ends, each, (one, end) => (text.startsWith(one, end) ? end + one.length : null))
    if (ends.length === 0) return ends
  }
  return ends
}

function step(places: readonly number[], [lower, upper]: Cases[number], take: (one: string, place: number) => number | null): number[] {
  const next: number[] = []
  for (const place of places)
    for (const one of lower === upper ? [lower] : [lower, upper]) {
      const taken = take(one, place)
      if (taken !== null && !next.includes(taken)) next.push(taken)
    }
  return next
}
