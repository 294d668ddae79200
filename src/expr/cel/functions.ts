/** The functions of CEL by name; a method's target is its first argument. `null` from a lookup: there is none of this name. */
import { linearRegExp } from '../../base.ts'
import { arithmetic, negate } from './arithmetic.ts'
import { conversions } from './conversions.ts'
import { timeParts } from './times.ts'
import { compare, equals, type Failure, isMapKey, List, Mapping, type Result, type Value } from './values.ts'

/** What a function may use besides its arguments. */
export interface Call {
  /** Throws ExprError when the budget is used up. */
  spend(steps: number): void
  fail(message: string): Failure
}

export type CelFunction = (args: readonly Value[], call: Call) => Result

const charactersPerStep = 64

function textCost(call: Call, ...texts: (string | Uint8Array)[]): void {
  let length = 0
  for (const each of texts) length += each.length
  call.spend(Math.ceil(length / charactersPerStep))
}

/** For two strings; the receiver's method or the global function. */
function onTexts(work: (one: string, other: string, call: Call) => Result): CelFunction {
  return (args, call) => {
    const [one, other] = args
    if (args.length !== 2 || typeof one !== 'string' || typeof other !== 'string') return noOverload(args, call)
    textCost(call, one, other)
    return work(one, other, call)
  }
}

function onText(work: (text: string) => Value): CelFunction {
  return (args, call) => {
    const [text] = args
    if (args.length !== 1 || typeof text !== 'string') return noOverload(args, call)
    textCost(call, text)
    return work(text)
  }
}

function ordered(holds: (order: number) => boolean): CelFunction {
  return (args, call) => {
    const [one, other] = args as [Value, Value]
    if (typeof one === 'string' && typeof other === 'string') textCost(call, one, other)
    const order = compare(one, other)
    return order === null ? noOverload(args, call) : holds(order)
  }
}

function noOverload(args: readonly Value[], call: Call): Failure {
  return call.fail(`there is no such function for ${args.length === 0 ? 'no arguments' : args.map(kindOf).join(', ')}`)
}

function kindOf(value: Value): string {
  if (value === null) return 'null'
  if (value instanceof List) return 'a list'
  if (value instanceof Mapping) return 'a map'
  if (value instanceof Uint8Array) return 'bytes'
  if (typeof value === 'object') return `a ${value.constructor.name.toLowerCase()}`
  return { bigint: 'an int', number: 'a double', boolean: 'a bool', string: 'a string' }[typeof value as 'string']
}

/** The patterns of one process: most programs have one. */
const patterns = new Map<string, RegExp>()
const mostPatterns = 100

function matches(text: string, pattern: string, call: Call): Result {
  // A pattern is matched in time proportional to the text, times its own length.
  call.spend(Math.ceil((text.length * pattern.length) / 1_024))
  let compiled = patterns.get(pattern)
  if (compiled === undefined) {
    try {
      compiled = linearRegExp(pattern)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      return call.fail(error.message)
    }
    if (patterns.size >= mostPatterns) patterns.clear()
    patterns.set(pattern, compiled)
  }
  return compiled.test(text)
}

function size(args: readonly Value[], call: Call): Result {
  const [value] = args
  if (args.length !== 1) return noOverload(args, call)
  if (typeof value === 'string') {
    textCost(call, value)
    let points = 0n
    for (const _ of value) points++
    return points
  }
  if (value instanceof Uint8Array) return BigInt(value.length)
  if (value instanceof List) return BigInt(value.items.length)
  return value instanceof Mapping ? BigInt(value.size) : noOverload(args, call)
}

function index(args: readonly Value[], call: Call): Result {
  const [target, key] = args as [Value, Value]
  if (target instanceof List) {
    const at = typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : key
    if (typeof at !== 'bigint') return call.fail('an index must be a whole number')
    return at >= 0n && at < BigInt(target.items.length) ? target.at(Number(at)) : call.fail(`the list has no element ${at}`)
  }
  if (!(target instanceof Mapping)) return call.fail(`${kindOf(target)} has no elements`)
  if (!isMapKey(key)) return call.fail(`${kindOf(key)} is no key of a map`)
  return target.get(key) ?? call.fail(`there is no key ${typeof key === 'string' ? JSON.stringify(key) : String(key)}`)
}

function within(args: readonly Value[], call: Call): Result {
  const [value, container] = args as [Value, Value]
  if (container instanceof Mapping) return isMapKey(value) && container.get(value) !== undefined
  if (!(container instanceof List)) return noOverload(args, call)
  for (const each of container) if (equals(each, value, call.spend)) return true
  return false
}

/** Positions count characters, not halves of surrogate pairs. */
function substring(args: readonly Value[], call: Call): Result {
  const [text, from, to] = args
  if (typeof text !== 'string' || typeof from !== 'bigint' || (to !== undefined && typeof to !== 'bigint')) return noOverload(args, call)
  textCost(call, text)
  const points = [...text]
  const end = to ?? BigInt(points.length)
  if (from < 0n || end < from || end > BigInt(points.length)) return call.fail('the range is not within the string')
  return points.slice(Number(from), Number(end)).join('')
}

const table: Readonly<Record<string, CelFunction>> = {
  '_==_': ([one, other], call) => equals(one!, other!, call.spend),
  '_!=_': ([one, other], call) => !equals(one!, other!, call.spend),
  '_<_': ordered(order => order < 0),
  '_<=_': ordered(order => order <= 0),
  '_>_': ordered(order => order > 0),
  '_>=_': ordered(order => order >= 0),
  '!_': (args, call) => (typeof args[0] === 'boolean' ? !args[0] : noOverload(args, call)),
  '-_': negate,
  '_+_': arithmetic('+'),
  '_-_': arithmetic('-'),
  '_*_': arithmetic('*'),
  '_/_': arithmetic('/'),
  '_%_': arithmetic('%'),
  '_[_]': index,
  '@in': within,
  size,
  contains: onTexts((one, other) => one.includes(other)),
  startsWith: onTexts((one, other) => one.startsWith(other)),
  endsWith: onTexts((one, other) => one.endsWith(other)),
  matches: onTexts(matches),
  indexOf: onTexts((one, other) => BigInt([...one.slice(0, Math.max(0, one.indexOf(other)))].length) - (one.includes(other) ? 0n : 1n)),
  split: onTexts((one, other) => new List(one.split(other), true)),
  lowerAscii: onText(text => text.replace(/[A-Z]+/g, each => each.toLowerCase())),
  upperAscii: onText(text => text.replace(/[a-z]+/g, each => each.toUpperCase())),
  trim: onText(text => text.trim()),
  substring,
  ...conversions,
  ...timeParts,
}

export function functionOf(name: string): CelFunction | null {
  return Object.hasOwn(table, name) ? table[name]! : null
}
