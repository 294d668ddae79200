/**
 * CEL expressions to functions of a record. A library parses; what it parses is turned into closures here, because an evaluation must count its steps, and
 * the numbers of records must stay exact.
 */

import type { Steps } from '../budget.ts'
import { ExprError, longestExpression } from '../errors.ts'
import { type Call, functionOf } from './functions.ts'
import { canonical, Failure, isMapKey, List, Mapping, type Result, TypeName, Uint, type Value } from './values.ts'

type Expr = ReturnType<typeof import('@bufbuild/cel').parse>['expr']

/** Variables by name; those of comprehensions hide others. */
export interface Scope {
  readonly steps: Steps
  lookup(name: string): Result | undefined
}

export type Evaluate = (scope: Scope) => Result

const typeNames = ['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type']

/** Throws ExprError. `variables`: the names that exist. */
export async function compileCelTree(text: string, variables: readonly string[]): Promise<Evaluate> {
  if (text.length > longestExpression) throw new ExprError(`the expression has more than ${longestExpression} characters`)
  const { parse } = await import('@bufbuild/cel')
  try {
    const { expr, sourceInfo } = parse(text)
    return new Compiler(sourceInfo?.positions ?? {}, new Set(variables)).compile(expr)
  } catch (error) {
    throw told(error)
  }
}

function told(error: unknown): unknown {
  if (error instanceof ExprError) return error
  if (error instanceof RangeError) return new ExprError('the expression is nested too deeply', null, error)
  const { location, message } = error as { location?: { start?: { offset?: number } }; message?: string }
  const position = location?.start?.offset
  if (position === undefined) return error
  return new ExprError(`syntax error: ${(message ?? '').replace(/^<input>:\d+:\d+: /, '')} at character ${position + 1}`, position, error)
}

type Positions = Readonly<Record<string, number>>

class Compiler {
  readonly #positions: Positions
  readonly #variables: Set<string>

  constructor(positions: Positions, variables: Set<string>) {
    this.#positions = positions
    this.#variables = variables
  }

  compile(expr: Expr): Evaluate {
    const { exprKind, id } = expr
    const position = this.#positions[String(id)] ?? 0
    switch (exprKind.case) {
      case 'constExpr':
        return constant(constantOf(exprKind.value.constantKind, position))
      case 'identExpr':
        return this.#identifier(exprKind.value.name, position)
      case 'selectExpr':
        return this.#select(exprKind.value, position)
      case 'callExpr':
        return this.#call(exprKind.value, position)
      case 'listExpr':
        return this.#list(exprKind.value.elements)
      case 'structExpr':
        return this.#map(exprKind.value, position)
      case 'comprehensionExpr':
        return this.#comprehension(exprKind.value, position)
      default:
        throw new ExprError('the expression is empty', position)
    }
  }

  #identifier(name: string, position: number): Evaluate {
    if (!this.#variables.has(name) && typeNames.includes(name)) return constant(new TypeName(name))
    if (!this.#variables.has(name)) {
      throw new ExprError(
        `there is no ${name} at character ${position + 1}; there are ${[...this.#variables].filter(each => !each.startsWith('@')).join(', ')}`,
        position,
      )
    }
    return scope => {
      scope.steps.spend(1)
      return scope.lookup(name) ?? new Failure(`there is no ${name}`, position)
    }
  }

  #select({ operand, field, testOnly }: { operand?: Expr | undefined; field: string; testOnly: boolean }, position: number): Evaluate {
    const inner = this.compile(operand!)
    return scope => {
      scope.steps.spend(1)
      const target = inner(scope)
      if (target instanceof Failure) return target
      if (!(target instanceof Mapping))
        return testOnly && target === null
          ? false
          : new Failure(`${target === null ? 'null' : 'the value'} has no field ${field}`, position)
      const found = target.get(field)
      if (testOnly) return found !== undefined
      return found ?? (found === undefined ? new Failure(`there is no key ${JSON.stringify(field)}`, position) : null)
    }
  }

  #call({ function: name, target, args }: { function: string; target?: Expr | undefined; args: Expr[] }, position: number): Evaluate {
    const parts = [...(target === undefined ? [] : [target]), ...args].map(each => this.compile(each))
    if (name === '_&&_' || name === '_||_') return logical(parts as [Evaluate, Evaluate], name === '_||_', position)
    if (name === '_?_:_') return conditional(parts as [Evaluate, Evaluate, Evaluate], position)
    // What is not a bool is not known to be false.
    if (name === '@not_strictly_false') return scope => parts[0]!(scope) !== false
    const implementation = functionOf(name)
    if (implementation === null) throw new ExprError(`there is no function ${name} at character ${position + 1}`, position)
    return scope => {
      scope.steps.spend(1)
      const values: Value[] = []
      for (const part of parts) {
        const value = part(scope)
        if (value instanceof Failure) return value
        values.push(value)
      }
      const call: Call = { spend: steps => scope.steps.spend(steps), fail: message => new Failure(message, position) }
      return implementation(values, call)
    }
  }

  #list(elements: readonly Expr[]): Evaluate {
    const parts = elements.map(each => this.compile(each))
    return scope => {
      scope.steps.spend(parts.length + 1)
      const items: Value[] = []
      for (const part of parts) {
        const item = part(scope)
        if (item instanceof Failure) return item
        items.push(item)
      }
      return new List(items, true)
    }
  }

  #map({ messageName, entries }: Extract<Expr['exprKind'], { case: 'structExpr' }>['value'], position: number): Evaluate {
    if (messageName !== '') throw new ExprError(`there is no message type ${messageName} at character ${position + 1}`, position)
    const parts = entries.map(({ keyKind, value }) => {
      if (keyKind.case !== 'mapKey') throw new ExprError('a map has keys in quotes', position)
      return [this.compile(keyKind.value), this.compile(value!)] as const
    })
    return scope => {
      scope.steps.spend(parts.length + 1)
      const made = new Map<string, [Value, Value]>()
      for (const [keyPart, valuePart] of parts) {
        const key = keyPart(scope)
        if (key instanceof Failure) return key
        const value = valuePart(scope)
        if (value instanceof Failure) return value
        if (!isMapKey(key)) return new Failure('this is no key of a map', position)
        if (made.has(canonical(key))) return new Failure('the map has a key twice', position)
        made.set(canonical(key), [key, value])
      }
      return new Mapping(made)
    }
  }

  #comprehension(fold: Extract<Expr['exprKind'], { case: 'comprehensionExpr' }>['value'], position: number): Evaluate {
    const { iterVar, accuVar } = fold
    const range = this.compile(fold.iterRange!)
    const start = this.compile(fold.accuInit!)
    const hidden = [iterVar, accuVar].filter(name => !this.#variables.has(name))
    for (const name of hidden) this.#variables.add(name)
    const [condition, step, result] = [fold.loopCondition!, fold.loopStep!, fold.result!].map(each => this.compile(each))
    for (const name of hidden) this.#variables.delete(name)
    return outer => {
      const over = range(outer)
      if (over instanceof Failure) return over
      if (!(over instanceof List) && !(over instanceof Mapping)) return new Failure('only lists and maps have elements', position)
      const scope = new Inner(outer, iterVar, accuVar, start(outer))
      for (const element of over instanceof List ? over : over.keys()) {
        outer.steps.spend(1)
        scope.element = element
        if (condition!(scope) === false) break
        scope.accumulated = step!(scope)
      }
      return result!(scope)
    }
  }
}

class Inner implements Scope {
  readonly steps: Steps
  element: Result = null
  accumulated: Result
  readonly #outer: Scope
  readonly #elementName: string
  readonly #accumulatorName: string

  constructor(outer: Scope, elementName: string, accumulatorName: string, accumulated: Result) {
    this.steps = outer.steps
    this.#outer = outer
    this.#elementName = elementName
    this.#accumulatorName = accumulatorName
    this.accumulated = accumulated
  }

  lookup(name: string): Result | undefined {
    if (name === this.#elementName) return this.element
    return name === this.#accumulatorName ? this.accumulated : this.#outer.lookup(name)
  }
}

function constant(value: Value): Evaluate {
  return () => value
}

function constantOf(kind: { case: string | undefined; value?: unknown }, position: number): Value {
  const { case: name, value } = kind
  if (name === 'nullValue') return null
  if (name === 'uint64Value') {
    if (BigInt.asUintN(64, value as bigint) !== value) throw new ExprError(`${value}u has more than 64 bits`, position)
    return new Uint(value as bigint)
  }
  if (name === 'int64Value' && BigInt.asIntN(64, value as bigint) !== value) throw new ExprError(`${value} has more than 64 bits`, position)
  return value as Value
}

/** Either side may decide alone, also if the other one fails. */
function logical([left, right]: [Evaluate, Evaluate], decides: boolean, position: number): Evaluate {
  const asBool = (value: Result): boolean | Failure =>
    typeof value === 'boolean' || value instanceof Failure ? value : new Failure('this is no bool', position)
  return scope => {
    scope.steps.spend(1)
    const one = asBool(left(scope))
    if (one === decides) return decides
    const other = asBool(right(scope))
    if (other === decides) return decides
    return one instanceof Failure ? one : other
  }
}

function conditional([condition, yes, no]: [Evaluate, Evaluate, Evaluate], position: number): Evaluate {
  return scope => {
    scope.steps.spend(1)
    const chosen = condition(scope)
    if (typeof chosen !== 'boolean') return chosen instanceof Failure ? chosen : new Failure('a condition must be a bool', position)
    return chosen ? yes(scope) : no(scope)
  }
}
