/**
 * Names and keys made from records: `logs-${topic}-${timestamp:yyyy-MM-dd}`, `${value.user.id}`, `${header.tenant:-none}`.
 *
 * | reference | stands for |
 * |---|---|
 * | `${topic}`, `${partition}`, `${offset}` | where the record was read, after transforms |
 * | `${timestamp}`, `${timestamp:yyyyMMdd@Asia/Shanghai}` | its time, in ms or by a pattern, see `date-pattern.ts` |
 * | `${key}`, `${key.a}`, `${value}`, `${value.a.b}`, `${value.list.0}`, `${value["a.b"]}` | the key or the value, or a part of it; objects as JSON |
 * | `${value.created:yyyy-MM}` | a part that is a time: of such a schema, ms since 1970, or ISO 8601 |
 * | `${header.name}` | the last header of this name |
 * | `${…:-text}` | `text` where there is none, or it is null |
 *
 * `$${` is `${` itself. What is missing and has no `:-` makes the record a bad one.
 */
import { DataError, type SinkRecord } from '../../connector.ts'
import { problemBy } from '../entries.ts'
import { textOf, typedKey, typedValue } from '../values/json.ts'
import { select, type Typed } from '../values/select.ts'
import { floorDivide, microsOf } from '../values/temporal.ts'
import { datePattern } from './date-pattern.ts'

export interface Template {
  readonly text: string
  /** Whether it is the same for each record. */
  readonly isConstant: boolean
  /** Throws DataError if something is missing. `encode`: what is done to the text that stands for a reference. */
  render(record: SinkRecord, encode?: (text: string) => string): string
  /** The same as UTF-8; but a template that is nothing but one reference to bytes gives these bytes. */
  renderBytes(record: SinkRecord): Buffer
}

interface Reference {
  readonly shown: string
  readonly find: (record: SinkRecord) => Typed | null
  readonly pattern: ((ms: number) => string) | null
  readonly otherwise: string | null
}

type Piece = string | Reference

/** Throws SyntaxError. */
export function parseTemplate(text: string): Template {
  const pieces = piecesOf(text)
  const [only] = pieces
  const reference = pieces.length === 1 && typeof only === 'object' ? only : null
  const render = (record: SinkRecord, encode: ((text: string) => string) | null = null) => {
    let made = ''
    for (const piece of pieces) {
      if (typeof piece === 'string') made += piece
      else made += encode === null ? textFor(piece, record) : encode(textFor(piece, record))
    }
    return made
  }
  return {
    text,
    isConstant: pieces.every(piece => typeof piece === 'string'),
    render,
    renderBytes(record) {
      const value = reference?.pattern === null ? reference.find(record)?.value : null
      return Buffer.isBuffer(value) ? value : Buffer.from(render(record))
    },
  }
}

/** For `check` of a key: why it is no template, or null. */
export const templateProblem = problemBy(parseTemplate)

const referencePattern = /\$\{\s*([a-z]+)((?:\.[^.:"'[\]{}]+|\["(?:[^"\\]|\\.)*"\])*)\s*(?::(?!-)((?:(?!:-)[^{}])*))?(?::-([^{}]*))?\}/y

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = []
  let plain = ''
  for (let at = 0; at < text.length; ) {
    if (text.startsWith('$${', at)) {
      plain += '${'
      at += 3
    } else if (text.startsWith('${', at)) {
      referencePattern.lastIndex = at
      const match = referencePattern.exec(text)
      if (match === null) throw new SyntaxError(`"${text.slice(at, at + 40)}" is no reference such as \${topic} or \${value.name}`)
      if (plain !== '') pieces.push(plain)
      plain = ''
      pieces.push(referenceOf(match[0], match[1]!, pathOf(match[2]!), match[3] ?? null, match[4] ?? null))
      at = referencePattern.lastIndex
    } else plain += text[at++]
  }
  if (plain !== '' || pieces.length === 0) pieces.push(plain)
  return pieces
}

function pathOf(text: string): string[] {
  return [...text.matchAll(/\.([^.["]+)|\["((?:[^"\\]|\\.)*)"\]/g)].map(
    ([, name, quoted]) => name?.trim() ?? quoted!.replace(/\\(.)/g, '$1'),
  )
}

/** What can stand at the beginning: how it is found, and how many names follow. */
const sources: Readonly<
  Record<string, readonly [least: number, most: number, find: (record: SinkRecord, path: readonly string[]) => Typed | null]>
> = {
  topic: [0, 0, record => ({ schema: null, value: record.topic })],
  partition: [0, 0, record => ({ schema: null, value: record.partition })],
  offset: [0, 0, record => ({ schema: null, value: record.offset })],
  timestamp: [0, 0, record => ({ schema: null, value: record.timestampMs })],
  key: [0, Infinity, (record, path) => select(typedKey(record), path)],
  value: [0, Infinity, (record, path) => select(typedValue(record), path)],
  header: [
    1,
    Infinity,
    (record, path) => {
      const header = record.headers.findLast(each => each.name === path[0])
      return header === undefined ? null : select(header, path.slice(1))
    },
  ],
}

function referenceOf(shown: string, name: string, path: string[], format: string | null, otherwise: string | null): Reference {
  const source = Object.hasOwn(sources, name) ? sources[name] : undefined
  if (source === undefined) throw new SyntaxError(`${shown}: there is no "${name}"; there are ${Object.keys(sources).join(', ')}`)
  const [least, most, find] = source
  if (path.length < least) throw new SyntaxError(`${shown}: the name is missing, as in \${header.name}`)
  if (path.length > most) throw new SyntaxError(`${shown}: ${name} has no parts`)
  if (format !== null && ['topic', 'partition', 'offset'].includes(name)) throw new SyntaxError(`${shown}: ${name} is no time`)
  return { shown, find: record => find(record, path), pattern: format === null ? null : datePattern(format), otherwise }
}

function textFor({ shown, find, pattern, otherwise }: Reference, record: SinkRecord): string {
  const found = find(record)
  if (found === null || found.value === null) {
    if (otherwise !== null) return otherwise
    throw new DataError(`${shown} is ${found === null ? 'missing' : 'null'}`)
  }
  if (pattern === null) return textOf(found)!
  const ms = timeOf(found)
  if (ms === null) throw new DataError(`${shown} is no time: ${textOf(found)!.slice(0, 100)}`)
  return pattern(ms)
}

/** In ms since 1970; null: it is no time. */
function timeOf(typed: Typed): number | null {
  const micros = microsOf(typed)
  const ms = micros === null ? Number.NaN : Number(floorDivide(micros, 1_000n))
  // Where Date ends.
  return Math.abs(ms) <= 8.64e15 ? ms : null
}
