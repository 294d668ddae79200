/**
 * JSON text, and where its values are.
 *
 * A value that goes to or comes from Kafka as JSON is passed on as the text it is, because a number that was parsed is not always written as it was. What is long is
 * read in turns.
 */
import { type Document, later, type MaybePromise, mostJsonAtOnce, parseInTurns, readDocument, type Span, type Turns } from '../base.ts'
import { badRequestOf } from './errors.ts'

/** The whole, with the places of what the `placed` outermost objects and arrays have. A body that is no JSON is refused. */
export function documentIn(text: string, turns: Turns, placed: number): Promise<Document> {
  return readDocument(text, turns, placed).catch(refuse)
}

/** Integers beyond ±2^53 are bigints. A promise only if the text is long. */
export function losslessIn(text: string, turns: Turns): unknown {
  try {
    const parsed = parseInTurns(text, turns)
    return parsed instanceof Promise ? parsed.catch(refuse) : parsed
  } catch (error) {
    return refuse(error)
  }
}

/** Whether it is JSON. A promise only if it is long. */
export function isJson(text: string, turns: Turns): MaybePromise<boolean> {
  return later(problemIn(text, turns), problem => problem === null)
}

/** Why it is no JSON; null: it is. */
export function problemIn(text: string, turns: Turns): MaybePromise<Error | null> {
  const told = (error: Error) => error
  if (text.length > mostJsonAtOnce) return readDocument(text, turns, 0).then(() => null, told)
  try {
    JSON.parse(text)
    return null
  } catch (error) {
    return told(error as Error)
  }
}

function refuse(error: unknown): never {
  throw badRequestOf((error as Error).message)
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
