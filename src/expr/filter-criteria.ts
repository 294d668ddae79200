/**
 * The `FilterCriteria` of AWS's event source mappings: `{"Filters": [{"Pattern": "{\"value\": {\"device\": [{\"prefix\": \"AB\"}]}}"}]}`.
 *
 * A record passes if any pattern does. A pattern names fields; each has a list of which one must hold: a literal, null, or an object with `prefix`, `suffix`,
 * `equals-ignore-case`, `anything-but`, `numeric` or `exists`; `$or` holds alternatives. Of a field that is a list, one element must do. Integers keep all their digits.
 */
import { parseLossless } from '../base.ts'
import { ExprError } from './errors.ts'

export interface FilterCriteria {
  /** `record`: `{ value, key, … }`, decoded. Takes time in proportion to the patterns and the lists that they look at. */
  matches(record: unknown): boolean
}

/** undefined: the field is not there. */
type Test = (value: unknown) => boolean

const mostFilters = 10
const longestPattern = 4_096
const mostDepth = 20
const mostElements = 100_000

/** `criteria`: the object, or its text. Throws ExprError that names the place. */
export function compileFilterCriteria(criteria: unknown): FilterCriteria {
  const { Filters: filters } = asObject(typeof criteria === 'string' ? parse(criteria, 'the criteria') : criteria, 'the criteria')
  if (!Array.isArray(filters)) throw new ExprError('the criteria must have a list "Filters"')
  if (filters.length > mostFilters) throw new ExprError(`there are ${filters.length} filters; at most ${mostFilters} are allowed`)
  const tests = filters.map((filter, index) => {
    const where = `Filters[${index}].Pattern`
    const { Pattern: pattern } = asObject(filter, `Filters[${index}]`)
    if (typeof pattern !== 'string') throw new ExprError(`${where} must be a string with JSON`)
    if (pattern.length > longestPattern) throw new ExprError(`${where} has more than ${longestPattern} characters`)
    return objectTest(parse(pattern, where), where, 0)
  })
  return { matches: record => tests.length === 0 || tests.some(test => test(record)) }
}

function parse(text: string, where: string): unknown {
  try {
    return parseLossless(text)
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1]
    throw new ExprError(`${where} is not valid JSON: ${(error as Error).message}`, position === undefined ? null : Number(position), error)
  }
}

function objectTest(pattern: unknown, where: string, depth: number): Test {
  if (depth > mostDepth) throw new ExprError(`${where} is nested more than ${mostDepth} levels deep`)
  const tests = Object.entries(asObject(pattern, where)).map(([name, each]): Test => {
    const place = `${where}.${name}`
    if (name === '$or') return alternatives(each, place, depth)
    const test = Array.isArray(each) ? anyOf(each, place) : objectTest(each, place, depth + 1)
    return value => test(fieldOf(value, name))
  })
  if (tests.length === 0) throw new ExprError(`${where} is empty`)
  return value => tests.every(test => test(value))
}

function alternatives(list: unknown, where: string, depth: number): Test {
  if (!Array.isArray(list) || list.length === 0) throw new ExprError(`${where} must be a list`)
  const tests = list.map((each, index) => objectTest(each, `${where}[${index}]`, depth + 1))
  return value => tests.some(test => test(value))
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

function anyOf(list: readonly unknown[], where: string): Test {
  if (list.length === 0) throw new ExprError(`${where} is an empty list`)
  const tests = list.map((each, index) => elementTest(each, `${where}[${index}]`))
  return value => {
    const candidates = Array.isArray(value) && value.length > 0 ? value : [value]
    if (candidates.length > mostElements) throw new ExprError(`${where} looks at a list of ${candidates.length} elements`)
    return tests.some(test => candidates.some(test))
  }
}

function elementTest(pattern: unknown, where: string): Test {
  if (typeof pattern !== 'object' || pattern === null) return value => same(value, pattern)
  const entries = Object.entries(asObject(pattern, where))
  const [entry] = entries
  if (entry === undefined || entries.length > 1) throw new ExprError(`${where} must have exactly one comparison`)
  const [name, operand] = entry
  const make = Object.hasOwn(comparisons, name) ? comparisons[name]! : null
  if (make === null) throw new ExprError(`${where}: there is no comparison ${name}; there are ${Object.keys(comparisons).join(', ')}`)
  return make(operand, `${where}.${name}`)
}

/** A bigint and a number are compared exactly. */
function same(value: unknown, other: unknown): boolean {
  // biome-ignore lint/suspicious/noDoubleEquals: across the kinds of numbers
  return isNumber(value) && isNumber(other) ? value == other : value === other
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

const comparisons: Readonly<Record<string, (operand: unknown, where: string) => Test>> = {
  prefix: (operand, where) => textTest(operand, where, (text, wanted) => text.startsWith(wanted)),
  suffix: (operand, where) => textTest(operand, where, (text, wanted) => text.endsWith(wanted)),
  'equals-ignore-case': (operand, where) => textTest(operand, where, (text, wanted) => text.toLowerCase() === wanted.toLowerCase()),
  'anything-but': anythingBut,
  numeric,
  exists(operand, where) {
    if (typeof operand !== 'boolean') throw new ExprError(`${where} must be true or false`)
    return value => (value !== undefined) === operand
  },
}

function textTest(operand: unknown, where: string, holds: (text: string, wanted: string) => boolean): Test {
  if (typeof operand !== 'string') throw new ExprError(`${where} must be a string`)
  return value => typeof value === 'string' && holds(value, operand)
}

function anythingBut(operand: unknown, where: string): Test {
  if (typeof operand === 'object' && operand !== null && !Array.isArray(operand)) {
    const refused = elementTest(operand, where)
    return value => value !== undefined && !refused(value)
  }
  const refused = Array.isArray(operand) ? operand : [operand]
  if (!refused.every(each => typeof each === 'string' || isNumber(each))) throw new ExprError(`${where} must have strings or numbers`)
  return value => value !== undefined && !refused.some(each => same(value, each))
}

const orders: Readonly<Record<string, (one: number | bigint, other: number | bigint) => boolean>> = {
  '=': (one, other) => same(one, other),
  '<': (one, other) => one < other,
  '<=': (one, other) => one <= other,
  '>': (one, other) => one > other,
  '>=': (one, other) => one >= other,
}

function numeric(operand: unknown, where: string): Test {
  if (!Array.isArray(operand) || operand.length === 0 || operand.length % 2 !== 0) {
    throw new ExprError(`${where} must be a list such as [">", 0, "<=", 5]`)
  }
  const bounds: Test[] = []
  for (let at = 0; at < operand.length; at += 2) {
    const [operator, bound] = [operand[at], operand[at + 1]]
    const order = typeof operator === 'string' && Object.hasOwn(orders, operator) ? orders[operator]! : null
    if (order === null || !isNumber(bound)) throw new ExprError(`${where} must be a list such as [">", 0, "<=", 5]`)
    bounds.push(value => isNumber(value) && order(value, bound))
  }
  return value => bounds.every(holds => holds(value))
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ExprError(`${where} must be an object`)
  return value as Record<string, unknown>
}
