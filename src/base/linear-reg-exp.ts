/**
 * Regular expressions whose time is proportional to the text, whoever wrote them: the engine's automaton, instead of its search with backtracking,
 * which a short pattern can keep busy for years.
 *
 * The automaton knows no back references, no lookaround, no Unicode properties and no large repetition; such patterns are refused.
 */
import { setFlagsFromString } from 'node:v8'

const longestPattern = 10_000
let enabled = false

/** Throws SyntaxError, also for a pattern that is valid but cannot be matched in linear time. */
export function linearRegExp(pattern: string, flags: '' | 'i' = ''): RegExp {
  if (pattern.length > longestPattern) throw new SyntaxError(`a pattern has more than ${longestPattern} characters`)
  // Without the flag u, these would silently mean something else.
  if (/\\(?:[pP]\{|u\{)/.test(pattern)) throw new SyntaxError(`the pattern ${pattern} uses \\p{…} or \\u{…}, which are not supported`)
  if (!enabled) {
    // Only expressions with the flag l are concerned.
    setFlagsFromString('--enable-experimental-regexp-engine')
    enabled = true
  }
  return new RegExp(pattern, `${flags}l`)
}
