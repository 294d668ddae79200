/**
 * JSON text, looked into without parsing.
 *
 * A value that goes to or comes from Kafka as JSON is passed on as the text it is, because a number that was parsed is not always written as it was.
 */

import { parseLossless } from '../base.ts'
import { badRequestOf } from './errors.ts'

/** Parsed as a whole. A body that is no JSON is refused. */
export function documentIn(text: string): unknown {
  return parsed(JSON.parse, text)
}

/** The same, with integers beyond ±2^53 as bigints, and not too deep. */
export function losslessIn(text: string): unknown {
  return parsed(parseLossless, text)
}

function parsed(parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw badRequestOf((error as Error).message)
  }
}

/** Where the text of a value is. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The members of the object that begins at `at`, or null if no object does. The text must be valid JSON. Of two members of one name the later counts. */
export function membersOf(text: string, at = 0): Map<string, Span> | null {
  let position = skipSpace(text, at)
  if (text.charCodeAt(position) !== openBrace) return null
  const members = new Map<string, Span>()
  position = skipSpace(text, position + 1)
  while (text.charCodeAt(position) === quote) {
    const afterName = endOfString(text, position)
    const name = JSON.parse(text.slice(position, afterName)) as string
    const start = skipSpace(text, skipSpace(text, afterName) + 1)
    const end = endOfValue(text, start)
    members.set(name, { start, end })
    position = skipSpace(text, end)
    if (text.charCodeAt(position) !== comma) break
    position = skipSpace(text, position + 1)
  }
  return members
}

/** The elements of the array that begins at `at`, or null if no array does. */
export function elementsOf(text: string, at: number): Span[] | null {
  let position = skipSpace(text, at)
  if (text.charCodeAt(position) !== openBracket) return null
  const elements: Span[] = []
  position = skipSpace(text, position + 1)
  if (text.charCodeAt(position) === closeBracket) return elements
  for (;;) {
    const end = endOfValue(text, position)
    elements.push({ start: position, end })
    position = skipSpace(text, end)
    if (text.charCodeAt(position) !== comma) return elements
    position = skipSpace(text, position + 1)
  }
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function endOfString(text: string, at: number): number {
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === backslash) at++
    else if (code === quote) return at + 1
  }
  return text.length
}

function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === quote) return endOfString(text, at)
  if (first === openBrace || first === openBracket) {
    let depth = 0
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === quote) at = endOfString(text, at) - 1
      else if (code === openBrace || code === openBracket) depth++
      else if ((code === closeBrace || code === closeBracket) && --depth === 0) return at + 1
    }
    return text.length
  }
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === comma || code === closeBrace || code === closeBracket || isSpace(code)) break
    at++
  }
  return at
}
