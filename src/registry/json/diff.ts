/**
 * What has changed between two JSON Schemas, by the rules of Confluent's registry.
 *
 * Schemas may contain themselves. A pair that is being compared counts as equal when it is met again; if it then proves to be incompatible, everything
 * is compared once more with this known, until nothing new is found.
 */
import { equalJson, keyOf } from '../json-tree.ts'
import { type Budget, InvalidSchema, type Policy } from '../schema.ts'
import { compareArrays } from './diff-arrays.ts'
import { compareCombined } from './diff-combined.ts'
import { compareObjects } from './diff-objects.ts'
import { compareLimit, under } from './diff-paths.ts'
import { compatible, type Difference } from './differences.ts'
import type { EnumNode, Node, NotNode, NumberNode, StringNode } from './model.ts'

const mostReferences = 100

/** The incompatible ones. Throws InvalidSchema if the schemas are too complex to be compared. */
export function jsonDifferences(original: Node, update: Node, policy: Policy, budget: Budget): Difference[] {
  let incompatible: Pairs = new Map()
  for (;;) {
    const comparison = new Comparison(policy, incompatible, budget)
    const found = comparison.compare(original, update)
    const next = comparison.incompatible()
    if (!comparison.hasAssumed || sizeOf(next) === sizeOf(incompatible)) return found.filter(each => !comparison.allows(each))
    incompatible = next
  }
}

type Pairs = Map<Node, Map<Node, readonly Difference[]>>

function sizeOf(pairs: Pairs): number {
  let size = 0
  for (const each of pairs.values()) size += each.size
  return size
}

export class Comparison {
  hasAssumed = false
  readonly #allowed: ReadonlySet<string>
  readonly #known: Pairs = new Map()
  readonly #running: Map<Node, Set<Node>> = new Map()
  readonly #assumed: Pairs
  readonly budget: Budget

  constructor(policy: Policy, incompatible: Pairs, budget: Budget) {
    this.#allowed = compatible[policy]
    this.#assumed = incompatible
    this.budget = budget
  }

  allows({ kind }: Difference): boolean {
    return this.#allowed.has(kind)
  }

  isCompatible(differences: readonly Difference[]): boolean {
    return differences.every(each => this.allows(each))
  }

  incompatible(): Pairs {
    const found: Pairs = new Map()
    for (const [original, updates] of this.#known) {
      const some = Array.from(updates).filter(([, differences]) => !this.isCompatible(differences))
      if (some.length > 0) found.set(original, new Map(some))
    }
    return found
  }

  /** Paths are relative to the pair. */
  compare(original: Node | null, update: Node | null): readonly Difference[] {
    if (original === null) return update === null ? [] : [{ kind: 'SCHEMA_ADDED', path: '' }]
    if (update === null) return [{ kind: 'SCHEMA_REMOVED', path: '' }]
    return this.#pair(referred(original), referred(update))
  }

  /** The same, below `path`. */
  below(path: string, original: Node | null, update: Node | null): Difference[] {
    return under(path, this.compare(original, update))
  }

  #pair(original: Node, update: Node): readonly Difference[] {
    this.budget.spend()
    const known = this.#known.get(original) ?? new Map<Node, readonly Difference[]>()
    this.#known.set(original, known)
    const before = known.get(update)
    if (before !== undefined) {
      this.budget.spend(before.length)
      return before
    }
    const running = this.#running.get(original) ?? new Set()
    this.#running.set(original, running)
    if (running.has(update)) {
      const assumed = this.#assumed.get(original)?.get(update)
      if (assumed === undefined) this.hasAssumed = true
      return assumed ?? []
    }
    running.add(update)
    const found = this.#types(original, update)
    running.delete(update)
    this.budget.spend(found.length)
    known.set(update, found)
    return found
  }

  #types(original: Node, update: Node): Difference[] {
    const throughParts = this.#throughParts(original, update)
    if (throughParts !== null) return throughParts
    if (original.kind !== update.kind) {
      if (original.kind === 'false' || update.kind === 'empty' || update.kind === 'true') return []
      if (original.connectType === 'bytes' && update.connectType === 'bytes') return []
      return [{ kind: 'TYPE_CHANGED', path: '' }]
    }
    return [...annotations(original, update), ...this.#sameKind(original, update)]
  }

  /** A schema and a combination: whether one of the parts will do. null: no. */
  #throughParts(original: Node, update: Node): Difference[] | null {
    const combined = original.kind === 'combined' ? original : update.kind === 'combined' ? update : null
    if (combined === null || (original.kind === 'combined' && update.kind === 'combined')) return null
    const isUpdate = combined === update
    const isSingle = combined.parts.length === 1
    if (!isSingle && (isUpdate ? combined.criterion === 'allOf' : combined.criterion !== 'allOf')) return null
    for (const part of combined.parts) {
      const found = isUpdate ? this.compare(original, part) : this.compare(part, update)
      if (!this.isCompatible(found)) continue
      if (isSingle) return [...found]
      return [...found, { kind: isUpdate ? 'SUM_TYPE_EXTENDED' : 'PRODUCT_TYPE_NARROWED', path: '' }]
    }
    return null
  }

  #sameKind(original: Node, update: Node): readonly Difference[] {
    if (original.kind === 'string' && update.kind === 'string') return strings(original, update)
    if (original.kind === 'number' && update.kind === 'number') return numbers(original, update)
    if (original.kind === 'const' && update.kind === 'const')
      return equalJson(original.value, update.value) ? [] : [{ kind: 'ENUM_ARRAY_CHANGED', path: 'const' }]
    if (original.kind === 'enum' && update.kind === 'enum') return this.#enums(original, update)
    if (original.kind === 'combined' && update.kind === 'combined') return compareCombined(this, original, update)
    if (original.kind === 'not' && update.kind === 'not') return this.#nots(original, update)
    if (original.kind === 'object' && update.kind === 'object') return compareObjects(this, original, update)
    if (original.kind === 'array' && update.kind === 'array') return compareArrays(this, original, update)
    return []
  }

  #enums({ values: before }: EnumNode, { values: after }: EnumNode): Difference[] {
    this.budget.spend((before.length + after.length) / 4)
    const keys = (values: EnumNode['values']) => new Set(values.map(value => keyOf(value)))
    const [old, now] = [keys(before), keys(after)]
    const [added, removed] = [[...now].some(key => !old.has(key)), [...old].some(key => !now.has(key))]
    if (!added && !removed) return []
    return [{ kind: added ? (removed ? 'ENUM_ARRAY_CHANGED' : 'ENUM_ARRAY_EXTENDED') : 'ENUM_ARRAY_NARROWED', path: 'enum' }]
  }

  #nots(original: NotNode, update: NotNode): Difference[] {
    const isNarrowed = this.isCompatible(this.compare(update.part, original.part))
    return [{ kind: isNarrowed ? 'NOT_TYPE_NARROWED' : 'NOT_TYPE_EXTENDED', path: 'not' }]
  }
}

function referred(node: Node): Node {
  let found = node
  for (let step = 0; found.kind === 'reference'; step++) {
    if (step === mostReferences) throw new InvalidSchema('A $ref refers to itself')
    found = found.target()
  }
  return found
}

function annotations(original: Node, update: Node): Difference[] {
  const found: Difference[] = []
  const note = (isSame: boolean, kind: string) => void (isSame || found.push({ kind, path: '' }))
  note(original.id === update.id, 'ID_CHANGED')
  note(original.title === update.title, 'TITLE_CHANGED')
  note(original.description === update.description, 'DESCRIPTION_CHANGED')
  note(equalJson(original.fallback, update.fallback), 'DEFAULT_CHANGED')
  return found
}

function strings(original: StringNode, update: StringNode): Difference[] {
  const found = [
    ...compareLimit('maxLength', 'MAX_LENGTH', original.maxLength, update.maxLength),
    ...compareLimit('minLength', 'MIN_LENGTH', original.minLength, update.minLength),
  ]
  if (original.pattern === update.pattern) return found
  const change = original.pattern === null ? 'ADDED' : update.pattern === null ? 'REMOVED' : 'CHANGED'
  return [...found, { kind: `PATTERN_${change}`, path: 'pattern' }]
}

function numbers(original: NumberNode, update: NumberNode): Difference[] {
  const found = [
    ...compareLimit('maximum', 'MAXIMUM', original.maximum, update.maximum),
    ...compareLimit('minimum', 'MINIMUM', original.minimum, update.minimum),
    ...compareLimit('exclusiveMaximum', 'EXCLUSIVE_MAXIMUM', original.exclusiveMaximum, update.exclusiveMaximum),
    ...compareLimit('exclusiveMinimum', 'EXCLUSIVE_MINIMUM', original.exclusiveMinimum, update.exclusiveMinimum),
    ...multiples(original.multipleOf, update.multipleOf),
  ]
  if (original.isInteger !== update.isInteger) found.push({ kind: original.isInteger ? 'TYPE_EXTENDED' : 'TYPE_NARROWED', path: '' })
  return found
}

function multiples(original: number | null, update: number | null): Difference[] {
  if (original === update) return []
  const isMultiple = (value: number, of: number) => of !== 0 && Math.abs(value / of - Math.round(value / of)) < 1e-9
  const change =
    original === null
      ? 'ADDED'
      : update === null
        ? 'REMOVED'
        : isMultiple(update, original)
          ? 'EXPANDED'
          : isMultiple(original, update)
            ? 'REDUCED'
            : 'CHANGED'
  return [{ kind: `MULTIPLE_OF_${change}`, path: 'multipleOf' }]
}
