/** A pattern as event-ruler compiles it: a list of rules, of which one must hold. A rule has fields, by path; each must hold. */
import { ExprError } from '../errors.ts'
import { fieldsOf } from './json.ts'
import { type Wanted, wantedOf } from './leaf.ts'

/** By path, whose steps are joined by dots: a key with dots is the same as nested keys. */
export type Rule = ReadonlyMap<string, readonly Wanted[]>

const mostRules = 1_000
/** Of one rule. */
const mostFields = 256
const mostDepth = 100

const or = '$or'
/** Keys that objects below `$or` cannot have. */
const reserved = new Set(
  `exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr html = < <= > >= regex not-wildcard not-equals-ignore-case
  date-after date-on-or-after date-before date-on-or-before in-date-range ip-address-in-range ip-address-not-in-range`.split(/\s+/),
)

/** Throws ExprError with event-ruler's words. */
export function rulesOf(pattern: unknown): Rule[] {
  if (fieldsOf(pattern) === null) throw new ExprError('Filter is not an object')
  let rules: Map<string, Wanted[]>[]
  try {
    rules = new Compiler(true).compile(pattern)
  } catch (error) {
    if (error instanceof TooMuch) throw error
    // What is no list of alternatives is a field of the name $or.
    rules = new Compiler(false).compile(pattern)
  }
  if (rules.some(({ size }) => size > mostFields)) throw new ExprError(`Size of rule 'rule' exceeds max value of ${mostFields}`)
  return rules
}

/** No other reading of the pattern helps. */
class TooMuch extends ExprError {}

class Compiler {
  readonly #hasOr: boolean

  constructor(hasOr: boolean) {
    this.#hasOr = hasOr
  }

  compile(pattern: unknown): Map<string, Wanted[]>[] {
    const rules: Map<string, Wanted[]>[] = []
    this.#object(rules, [], pattern, false)
    return rules
  }

  /** Adds what an object asks for to each of the rules. A later field of the same path replaces an earlier one. */
  #object(rules: Map<string, Wanted[]>[], path: readonly string[], object: unknown, isBelowOr: boolean): void {
    if (path.length > mostDepth) throw new TooMuch(`The pattern is nested more than ${mostDepth} levels deep`)
    const fields = fieldsOf(object)!
    if (fields.length === 0) throw new ExprError('Empty objects are not allowed')
    for (const [name, value] of fields) {
      if (name === or && this.#hasOr) {
        this.#alternatives(rules, path, value)
        continue
      }
      if (isBelowOr && reserved.has(name)) throw new ExprError(`${name} is Ruler reserved fieldName which cannot be used inside ${or}.`)
      if (Array.isArray(value)) {
        if (value.length === 0) throw new ExprError('Empty arrays are not allowed')
        const wanted = value.flatMap(wantedOf)
        if (rules.length === 0) rules.push(new Map())
        for (const rule of rules) rule.set([...path, name].join('.'), wanted)
      } else if (fieldsOf(value) !== null) this.#object(rules, [...path, name], value, isBelowOr)
      else throw new ExprError(`"${name}" must be an object or an array`)
    }
  }

  #alternatives(rules: Map<string, Wanted[]>[], path: readonly string[], list: unknown): void {
    if (!Array.isArray(list)) throw new ExprError(`It must be an Array followed with ${or}.`)
    const before = rules.splice(0)
    for (const each of list) {
      if (fieldsOf(each) === null) throw new ExprError(`Only JSON object is allowed in array of ${or} relationship.`)
      const forked = before.length === 0 ? [new Map<string, Wanted[]>()] : before.map(rule => new Map(rule))
      this.#object(forked, path, each, true)
      rules.push(...forked)
      if (rules.length > mostRules) throw new TooMuch(`The pattern contains more than ${mostRules} rule combinations`)
    }
    if (list.length < 2) throw new ExprError(`There must have at least 2 Objects in ${or} relationship.`)
  }
}
