/**
 * One value of an event, and what a field of a pattern asks of it: a value, or an object such as `{"prefix": "AB"}`.
 *
 * As in event-ruler, a string is compared with its quotes, so that it never equals a number; and a field whose pattern has a number looks at numbers only as
 * numbers, one that has an address looks at addresses also as addresses.
 */
import { stringifyLossless } from '../../base.ts'
import { ExprError } from '../errors.ts'
import { type AddressRange, addressDigits, isWithin, networkRange } from './addresses.ts'
import { fieldsOf } from './json.ts'
import { comparable, numberText } from './numeral.ts'
import { ignoreCase, wildcard } from './texts.ts'

/** A value that is no object and no list. */
export interface Leaf {
  /** A string with quotes, anything else as it is written. */
  readonly text: string
  /** Whether it is a string. */
  readonly isString: boolean
}

/** A leaf as one field looks at it: as a number, as text, or as an address and text. */
export interface Seen {
  readonly text: string | null
  readonly number: number | null
  readonly digits: string | null
}

export interface Wanted {
  /** What the field therefore looks for. */
  readonly sees: 'number' | 'address' | null
  /** null: there must be no such field. */
  readonly test: ((seen: Seen) => boolean) | null
  /** The same for the same pattern. */
  readonly id: string
}

export function leafOf(value: unknown): Leaf {
  if (typeof value === 'string') return { text: `"${value}"`, isString: true }
  return { text: numberText(value) ?? String(value), isString: false }
}

export function see({ text, isString }: Leaf, sees: ReadonlySet<Wanted['sees']>): Seen {
  if (sees.has('number') && !isString) {
    const number = comparable(text)
    if (number !== null) return { text: null, number, digits: null }
  }
  if (sees.has('address')) {
    const digits = addressDigits(isString ? text.slice(1, -1) : text)
    if (digits !== null) return { text, number: null, digits }
  }
  return { text, number: null, digits: null }
}

type Test = NonNullable<Wanted['test']>

/** One element of the list of a field. Throws ExprError with event-ruler's words. */
export function wantedOf(element: unknown): Wanted[] {
  const id = stringifyLossless(element)
  const number = numberText(element)
  if (number !== null) {
    const value = comparable(number)
    const literal: Wanted = { sees: null, test: ofText(text => text === number), id }
    return value === null ? [literal] : [{ sees: 'number', test: seen => seen.number === value, id }, literal]
  }
  if (typeof element === 'string') {
    const digits = addressDigits(element)
    if (digits !== null) return [{ sees: 'address', test: ofAddress({ bottom: digits, top: digits }), id }]
  }
  if (Array.isArray(element)) throw new ExprError('Match value must be String, number, true, false, or null')
  const fields = fieldsOf(element)
  if (fields === null) {
    const { text: wanted } = leafOf(element)
    return [{ sees: null, test: ofText(text => text === wanted), id }]
  }
  const [name, operand] = fields[0] ?? []
  if (name === undefined) throw new ExprError('Match expression name not found')
  const comparison = Object.hasOwn(comparisons, name) ? comparisons[name]! : null
  if (comparison === null) throw new ExprError(`Unrecognized match type ${name}`)
  const made = comparison(operand)
  requireOne(fields, name === 'numeric' || name === 'anything-but' ? tooMany : onlyOne)
  return [{ ...made, id }]
}

const onlyOne = 'Only one key allowed in match expression'
const tooMany = 'Too many elements in numeric expression'

function requireOne(fields: readonly unknown[], otherwise: string): void {
  if (fields.length > 1) throw new ExprError(otherwise)
}

/** `test`: with quotes. */
function ofText(test: (text: string) => boolean): Test {
  return ({ text }) => text !== null && test(text)
}

function ofAddress(range: AddressRange): Test {
  return ({ digits, text }) => {
    const shown = digits ?? text
    return shown !== null && isWithin(shown, range)
  }
}

type Make = (wanted: string) => (text: string) => boolean

/** What holds, and what `anything-but` denies. */
const makes = {
  prefix: wanted => text => text.startsWith(`"${wanted}`),
  suffix: wanted => text => text.endsWith(`${wanted}"`),
  equalsIgnoringCase: wanted => ignoreCase.equals(`"${wanted}"`),
  wildcard: wanted => wildcard(`"${wanted}"`),
} satisfies Record<string, Make>

const comparisons: Readonly<Record<string, (operand: unknown) => Omit<Wanted, 'id'>>> = {
  exactly: operand => onText(operand, 'exact', wanted => text => text === `"${wanted}"`),
  prefix: operand => affix(operand, 'prefix', makes.prefix, wanted => ignoreCase.prefix(`"${wanted}`)),
  suffix: operand => affix(operand, 'suffix', makes.suffix, wanted => ignoreCase.suffix(`${wanted}"`)),
  'equals-ignore-case': operand => onText(operand, 'equals-ignore-case', makes.equalsIgnoringCase),
  wildcard: operand => onText(operand, 'wildcard', makes.wildcard),
  'anything-but': anythingBut,
  numeric,
  cidr(operand) {
    // The name of the wrong comparison is event-ruler's.
    if (typeof operand !== 'string') throw new ExprError('prefix match pattern must be a string')
    return { sees: 'address', test: ofAddress(networkRange(operand)) }
  },
  exists(operand) {
    if (typeof operand !== 'boolean') throw new ExprError('exists match pattern must be either true or false.')
    return { sees: null, test: operand ? () => true : null }
  },
}

function onText(operand: unknown, name: string, make: Make): Omit<Wanted, 'id'> {
  if (typeof operand !== 'string') throw new ExprError(`${name} match pattern must be a string`)
  return { sees: null, test: ofText(make(operand)) }
}

function affix(operand: unknown, name: string, make: Make, makeIgnoringCase: Make): Omit<Wanted, 'id'> {
  const fields = fieldsOf(operand)
  if (fields === null) return onText(operand, name, make)
  const title = `${name[0]!.toUpperCase()}${name.slice(1)}`
  const [inner, wanted] = fields[0] ?? []
  if (inner === undefined) throw new ExprError(`${title} expression name not found`)
  if (inner !== 'equals-ignore-case') throw new ExprError(`Unsupported ${name} pattern: ${inner}`)
  const made = onText(wanted, inner, makeIgnoringCase)
  requireOne(fields, onlyOne)
  return made
}

/** All hold only for fields that are there. */
function anythingBut(operand: unknown): Omit<Wanted, 'id'> {
  const fields = fieldsOf(operand)
  if (fields !== null) return anythingButLike(fields)
  const list = Array.isArray(operand) ? operand : [operand]
  const numbers = list.map(numberText).filter(each => each !== null)
  const strings = list.filter(each => typeof each === 'string')
  if (numbers.length + strings.length < list.length)
    throw new ExprError(
      Array.isArray(operand)
        ? 'Inside anything but list, start|null|boolean is not supported.'
        : 'Value of anything-but must be an array or single string/number value.',
    )
  const refusedNumbers = new Set(numbers.map(requireComparable))
  if (numbers.length > 0 === strings.length > 0)
    throw new ExprError('Inside anything but list, either all values are number or string, mixed type is not supported')
  if (numbers.length > 0) return { sees: 'number', test: ({ number }) => number === null || !refusedNumbers.has(number) }
  const refused = new Set(strings.map(each => `"${each}"`))
  return { sees: null, test: ({ text }) => text === null || !refused.has(text) }
}

const negated: Readonly<Record<string, { make: Make; otherwise: string; mayBeEmpty: boolean }>> = {
  prefix: { make: makes.prefix, otherwise: 'prefix/suffix match pattern must be a string', mayBeEmpty: false },
  suffix: { make: makes.suffix, otherwise: 'prefix/suffix match pattern must be a string', mayBeEmpty: false },
  'equals-ignore-case': {
    make: makes.equalsIgnoringCase,
    otherwise: 'Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.',
    mayBeEmpty: true,
  },
  wildcard: { make: makes.wildcard, otherwise: 'wildcard match pattern must be a string', mayBeEmpty: true },
}

function anythingButLike(fields: NonNullable<ReturnType<typeof fieldsOf>>): Omit<Wanted, 'id'> {
  const [name, given] = fields[0] ?? []
  if (name === undefined) throw new ExprError('Anything-But expression name not found')
  const kind = Object.hasOwn(negated, name) ? negated[name]! : null
  if (kind === null) throw new ExprError(`Unsupported anything-but pattern: ${name}`)
  if (typeof given !== 'string' && !Array.isArray(given) && numberText(given) === null)
    throw new ExprError('Value of anything-but must be an array or single string/number value.')
  const list: unknown[] = Array.isArray(given) ? given : [given]
  // event-ruler takes it, and then fails at each event.
  if (list.length === 0) throw new ExprError('Empty arrays are not allowed')
  const tests = list.map(wanted => {
    if (typeof wanted !== 'string') throw new ExprError(kind.otherwise)
    if (wanted === '' && !kind.mayBeEmpty) throw new ExprError('Null prefix/suffix not allowed')
    return kind.make(wanted)
  })
  requireOne(fields, tooMany)
  return { sees: null, test: ({ text }) => text === null || !tests.some(test => test(text)) }
}

function requireComparable(text: string): number {
  const value = comparable(text)
  if (value === null) throw new ExprError(`Cannot compare number : ${text}`)
  return value
}

const operators: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
}

/** `["=", 5]`, `["<", 5]`, `[">", 0]`, or with a lower bound and then an upper one: `[">", 0, "<=", 5]`. */
function numeric(operand: unknown): Omit<Wanted, 'id'> {
  if (!Array.isArray(operand)) throw new ExprError('Value of numeric must be an array.')
  const [operator, bound, secondOperator, secondBound] = operand as unknown[]
  if (typeof operator !== 'string')
    throw new ExprError(`Invalid member in numeric match: ${operand.length === 0 ? ']' : shownToken(operator)}`)
  const order = Object.hasOwn(operators, operator) ? operators[operator]! : null
  if (order === null) throw new ExprError(`Unrecognized numeric range operator: ${operator}`)
  const first = boundOf(bound, operator)
  if (operand.length === 2) {
    const value = requireComparable(first)
    return { sees: 'number', test: ({ number }) => number !== null && order(number, value) }
  }
  if (operator[0] !== '>') throw new ExprError(tooMany)
  if (typeof secondOperator !== 'string') throw new ExprError(`Bad value in numeric range: ${shownToken(secondOperator)}`)
  if (secondOperator !== '<' && secondOperator !== '<=') throw new ExprError(`Bad numeric range operator: ${secondOperator}`)
  const second = boundOf(secondBound, secondOperator)
  if (operand.length > 4) throw new ExprError('Too many terms in numeric range expression')
  const [bottom, top] = [requireComparable(first), requireComparable(second)]
  if (bottom >= top) throw new ExprError('Bottom must be less than top')
  const below = operators[secondOperator]!
  return { sees: 'number', test: ({ number }) => number !== null && order(number, bottom) && below(number, top) }
}

function boundOf(bound: unknown, operator: string): string {
  const text = numberText(bound)
  if (text === null) throw new ExprError(`Value of ${operator === '=' ? 'equals' : operator} must be numeric`)
  return text
}

/** As a parser that reads token by token shows it. */
function shownToken(value: unknown): string {
  if (Array.isArray(value)) return '['
  return fieldsOf(value) !== null ? '{' : leafOf(value).text.replace(/^"|"$/g, '')
}
