/**
 * The `FilterCriteria` of AWS's event source mappings: `{"Filters": [{"Pattern": "{\"value\": {\"device\": [{\"prefix\": \"AB\"}]}}"}]}`, and the patterns
 * in them, which mean exactly what they mean to AWS's event-ruler.
 *
 * A record passes if any pattern does. A pattern names fields; each has a list of which one must hold: a literal, null, or an object with `prefix`, `suffix`,
 * `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `cidr` or `exists`; `$or` holds alternatives. As in Lambda, a pattern with an object for the
 * value drops values that are no JSON, and one with a list drops those that are.
 */
import { isUtf8 } from 'node:buffer'
import { ExprError } from './errors.ts'
import { fieldsOf, parseRecord, parseTokens } from './filter-criteria/json.ts'
import { Matcher } from './filter-criteria/match.ts'
import { type Rule, rulesOf } from './filter-criteria/pattern.ts'

export { parseTokens } from './filter-criteria/json.ts'

export interface EventPattern {
  /** `event`: as `parseTokens` returns it, or JSON.parse. Takes a bounded number of steps; throws ExprError beyond it, and if it is no object. */
  matches(event: unknown): boolean
}

/** `pattern`: as `parseTokens` returns it, or its text. Throws ExprError with event-ruler's words. */
export function compileEventPattern(pattern: unknown): EventPattern {
  const matcher = new Matcher(rulesOf(typeof pattern === 'string' ? parse(pattern, 'the pattern') : pattern))
  return {
    matches(event) {
      if (fieldsOf(event) === null) throw new ExprError('Event must be a JSON object')
      return matcher.matches(event as object)
    },
  }
}

/** A record as it is stored. */
export interface StoredRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { readonly key: Buffer; readonly value: Buffer | null }[]
}

export interface FilterCriteria {
  /** Throws ExprError if it takes too many steps. */
  matches(record: StoredRecord): boolean
}

const mostFilters = 10
/** In characters. */
export const longestPattern = 4_096
const fields = ['topic', 'partition', 'offset', 'timestamp', 'key', 'value', 'headers']
/** Those that may be JSON. */
const contents = ['key', 'value'] as const

/** `criteria`: the object, or its text. Throws ExprError that names the filter. */
export function compileFilterCriteria(criteria: unknown): FilterCriteria {
  const { Filters: filters } = asObject(typeof criteria === 'string' ? parse(criteria, 'the criteria') : criteria, 'the criteria')
  if (!Array.isArray(filters)) throw new ExprError('the criteria must have a list "Filters"')
  if (filters.length > mostFilters) throw new ExprError(`there are ${filters.length} filters; at most ${mostFilters} are allowed`)
  const compiled = filters.map((filter, index) => compileFilter(filter, `Filters[${index}]`))
  if (compiled.length === 0) return { matches: () => true }
  return {
    matches(record) {
      const event = eventOf(record)
      return event !== null && compiled.some(({ rules, matcher }) => matcher.matches(event.fields, rule => isOfForm(rules[rule]!, event)))
    },
  }
}

function compileFilter(filter: unknown, where: string): { rules: readonly Rule[]; matcher: Matcher } {
  const { Pattern: text } = asObject(filter, where)
  if (typeof text !== 'string') throw new ExprError(`${where}.Pattern must be a string with JSON`)
  if (text.length > longestPattern) throw new ExprError(`${where}.Pattern has more than ${longestPattern} characters`)
  const pattern = parse(text, `${where}.Pattern`)
  try {
    const rules = rulesOf(pattern)
    for (const rule of rules) for (const path of rule.keys()) requireField(path)
    return { rules, matcher: new Matcher(rules) }
  } catch (error) {
    throw error instanceof ExprError ? new ExprError(`${where}.Pattern: ${error.message}`, null, error) : error
  }
}

function requireField(path: string): void {
  const [name] = path.split('.', 1) as [string]
  if (!fields.includes(name)) throw new ExprError(`there is no "${name}"; records have ${fields.join(', ')}`)
}

interface RecordEvent {
  readonly fields: Record<string, unknown>
  /** Of the contents. */
  readonly isJson: ReadonlyMap<string, boolean>
}

/** null: the record is dropped, because its value is no text. A key or value that is null is no field. */
function eventOf({ topic, partition, offset, timestampMs, headers, ...record }: StoredRecord): RecordEvent | null {
  if (record.value !== null && !isUtf8(record.value)) return null
  const isJson = new Map<string, boolean>()
  const event: Record<string, unknown> = { topic, partition, offset, timestamp: timestampMs }
  for (const name of contents) {
    const bytes = record[name]
    if (bytes === null) continue
    const text = bytes.toString()
    const parsed = jsonIn(text)
    isJson.set(name, parsed !== null)
    event[name] = parsed ?? text
  }
  if (headers.length > 0) event.headers = headersOf(headers)
  return { fields: event, isJson }
}

/** null: it is plain text; numbers and the like are, too. */
function jsonIn(text: string): object | null {
  if (!/^\s*[[{]/.test(text)) return null
  try {
    return parseRecord(text) as object
  } catch {
    return null
  }
}

/** All of one name. */
function headersOf(headers: StoredRecord['headers']): object {
  const byName = Map.groupBy(headers, ({ key }) => key.toString())
  return Object.fromEntries(Array.from(byName, ([name, list]) => [name, list.map(({ value }) => value?.toString() ?? null)]))
}

/** Whether the contents are of the form that a rule is for: JSON where it names what is in them, plain text where it has a list for them. */
function isOfForm(rule: Rule, { isJson }: RecordEvent): boolean {
  return Array.from(rule.keys()).every(path => {
    const content = contents.find(name => path === name || path.startsWith(`${name}.`))
    return content === undefined || (isJson.get(content) === true) === (path !== content)
  })
}

function parse(text: string, where: string): unknown {
  try {
    return parseTokens(text)
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1]
    throw new ExprError(`${where} is not valid JSON: ${(error as Error).message}`, position === undefined ? null : Number(position), error)
  }
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ExprError(`${where} must be an object`)
  return value as Record<string, unknown>
}
