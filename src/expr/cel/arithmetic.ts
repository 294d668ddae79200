/** Arithmetic of CEL: whole numbers of 64 bits that do not wrap, doubles, times, and joining. Where one side is a double, so is the result. */
import type { Call, CelFunction } from './functions.ts'
import { Duration, type Failure, List, type Result, Timestamp, Uint, type Value } from './values.ts'

type Operator = '+' | '-' | '*' | '/' | '%'

const least = -(2n ** 63n)
const most = 2n ** 63n - 1n
const mostUnsigned = 2n ** 64n - 1n
const nanosPerMs = 1_000_000n
/** Years 1 to 9999. */
const firstTime = -62_135_596_800_000n * nanosPerMs
const lastTime = 253_402_300_799_999n * nanosPerMs + 999_999n
const elementsPerStep = 32

export function arithmetic(operator: Operator): CelFunction {
  return ([one, other], call) => {
    if (one === undefined || other === undefined) return call.fail('an operator needs two values')
    if (typeof one === 'bigint' && typeof other === 'bigint') return whole(operator, one, other, least, most, call)
    if (one instanceof Uint && other instanceof Uint) {
      const result = whole(operator, one.value, other.value, 0n, mostUnsigned, call)
      return typeof result === 'bigint' ? new Uint(result) : result
    }
    const left = doubleOf(one)
    const right = doubleOf(other)
    const someDouble = typeof one === 'number' || typeof other === 'number'
    if (left !== null && right !== null && someDouble && operator !== '%') return fractional(operator, left, right)
    return (
      joined(operator, one, other, call) ??
      timed(operator, one, other, call) ??
      call.fail(`no such operation: ${kind(one)} ${operator} ${kind(other)}`)
    )
  }
}

function kind(value: Value): string {
  if (value === null) return 'null'
  return typeof value === 'object'
    ? value.constructor.name.toLowerCase()
    : { bigint: 'int', number: 'double', boolean: 'bool', string: 'string' }[typeof value as 'string']
}

export const negate: CelFunction = ([value], call) => {
  if (typeof value === 'bigint') return value === least ? call.fail('the result has more than 64 bits') : -value
  if (typeof value === 'number') return -value
  return value instanceof Duration ? new Duration(-value.nanos) : call.fail('only a number can be negated')
}

function whole(operator: Operator, one: bigint, other: bigint, from: bigint, to: bigint, call: Call): bigint | Failure {
  if ((operator === '/' || operator === '%') && other === 0n) return call.fail('division by zero')
  const result = wholeResult(operator, one, other)
  return result < from || result > to ? call.fail('the result has more than 64 bits') : result
}

function wholeResult(operator: Operator, one: bigint, other: bigint): bigint {
  if (operator === '+') return one + other
  if (operator === '-') return one - other
  if (operator === '*') return one * other
  return operator === '/' ? one / other : one % other
}

function fractional(operator: Operator, one: number, other: number): number {
  if (operator === '+') return one + other
  if (operator === '-') return one - other
  return operator === '*' ? one * other : one / other
}

function doubleOf(value: Value): number | null {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return value instanceof Uint ? Number(value.value) : null
}

/** null: not of these. */
function joined(operator: Operator, one: Value, other: Value, call: Call): Result | null {
  if (operator !== '+') return null
  if (typeof one === 'string' && typeof other === 'string') {
    call.spend(Math.ceil((one.length + other.length) / elementsPerStep))
    return one + other
  }
  if (one instanceof Uint8Array && other instanceof Uint8Array) {
    call.spend(Math.ceil((one.length + other.length) / elementsPerStep))
    return Buffer.concat([one, other])
  }
  if (!(one instanceof List) || !(other instanceof List)) return null
  call.spend(Math.ceil((one.items.length + other.items.length) / elementsPerStep))
  return one.concat(other)
}

function timed(operator: Operator, one: Value, other: Value, call: Call): Result | null {
  if (operator !== '+' && operator !== '-') return null
  if (one instanceof Timestamp && other instanceof Timestamp) return operator === '-' ? span(one.nanos - other.nanos, call) : null
  if (one instanceof Duration && other instanceof Duration)
    return span(operator === '+' ? one.nanos + other.nanos : one.nanos - other.nanos, call)
  if (one instanceof Timestamp && other instanceof Duration)
    return moment(operator === '+' ? one.nanos + other.nanos : one.nanos - other.nanos, call)
  return one instanceof Duration && other instanceof Timestamp && operator === '+' ? moment(one.nanos + other.nanos, call) : null
}

export function moment(nanos: bigint, call: Call): Result {
  return nanos < firstTime || nanos > lastTime ? call.fail('the time is not within the years 1 to 9999') : new Timestamp(nanos)
}

function span(nanos: bigint, call: Call): Result {
  return nanos < least || nanos > most ? call.fail('the duration is too long') : new Duration(nanos)
}
