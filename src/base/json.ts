/**
 * JSON without loss: an integer that a double cannot hold stays exact, as a bigint, and `__proto__` is a property like any other.
 *
 * Most documents are parsed by JSON.parse. It cannot keep long numbers but by a reviver, which takes a second for some megabytes, and it cannot be
 * interrupted, so documents with long numbers, and large ones of strangers, have a reader of their own, which takes time in proportion to their length and
 * works in slices. Depth is limited, because what walks a document later is recursive.
 */
import { type Document, JsonReader, type ReaderLimits } from './json/reader.ts'
import type { Turns } from './turns.ts'

export type { Document, Span } from './json/reader.ts'

/** Of which a document must have one for any of its numbers to be more than a double holds. */
const longNumber = /\d{16}|[\d.]{17}/
/** JSON.parse takes a millisecond at most for so many characters, whatever they say. */
export const mostJsonAtOnce = 16_384
/** For values that are walked. */
const mostDepth = 256

const own: ReaderLimits = { depth: mostDepth, values: Number.POSITIVE_INFINITY, properties: Number.POSITIVE_INFINITY }
export const ofStrangers = { depth: mostDepth, values: 1_000_000, properties: 100_000 } satisfies ReaderLimits
/** Of those who pass a value on as its text: as deep as Confluent's parsers go. */
const passedOn: ReaderLimits = { ...ofStrangers, depth: 1_000 }

/**
 * Integers beyond ±2^53 become bigints. `inexact`, if given, decides what becomes of other numbers of which a double loses digits. Throws SyntaxError.
 */
export function parseLossless(text: string, inexact?: (source: string) => unknown): unknown {
  if (!hasLongNumber(text)) {
    requireShallow(text)
    return JSON.parse(text)
  }
  const reader = new JsonReader(text, own, 0, inexact)
  for (;;) if (reader.advance()) return reader.document.value
}

/** The same for a stranger's text, without holding up the event loop. A promise only if the text is long; then the number of values is limited. */
export function parseInTurns(text: string, turns: Turns): unknown {
  if (text.length <= mostJsonAtOnce) return parseLossless(text)
  return read(new JsonReader(text, ofStrangers, 0), turns).then(({ value }) => value)
}

/** The same with the places of values in the text: of those in the `placed` outermost objects and arrays. It may be deeper: see to it who walks it. */
export function readDocument(text: string, turns: Turns, placed: number): Promise<Document> {
  return read(new JsonReader(text, passedOn, placed), turns)
}

async function read(reader: JsonReader, turns: Turns): Promise<Document> {
  while (!reader.advance()) if (turns.over) await turns.next()
  return reader.document
}

/** `JSON.rawJSON` is older than TypeScript's library for it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** A bigint becomes a number with all its digits. On one line, unless `indent` is given. */
export function stringifyLossless(value: unknown, indent?: number): string {
  try {
    // With a function to call for each value it would take five times as long.
    return JSON.stringify(value, undefined, indent)
  } catch (error) {
    // It refuses bigints, and what will be refused again.
    if (!(error instanceof TypeError)) throw error
  }
  return JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? rawJSON(String(each)) : each), indent)
}

/** Looks at every 16th character, and asks the expression, which looks at all, only where digits are. */
function hasLongNumber(text: string): boolean {
  for (let at = 15; at < text.length; at += 16) {
    if (!isOfNumber(text.charCodeAt(at))) continue
    let first = at
    while (first > at - 15 && isOfNumber(text.charCodeAt(first - 1))) first--
    if (first === at - 15) return longNumber.test(text)
    // The next run of 16 begins behind what is no digit.
    at = first - 1
  }
  return false
}

function isOfNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e
}

function requireShallow(text: string): void {
  if (!holdsMore(text, mostDepth)) return
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

/** Whether there are so many beginnings of objects and arrays, also within strings. */
function holdsMore(text: string, most: number): boolean {
  let count = 0
  for (const begin of ['{', '['])
    for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) if (++count > most) return true
  return false
}
