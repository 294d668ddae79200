/** Objects: whether properties may come and go depends on what the schema says of those that it does not list (its content model). */
import type { Comparison } from './diff.ts'
import { compareLimit, under } from './diff-paths.ts'
import type { Difference } from './differences.ts'
import type { Node, ObjectNode } from './model.ts'
import { matches } from './patterns.ts'

export function compareObjects(comparison: Comparison, original: ObjectNode, update: ObjectNode): Difference[] {
  return [
    ...under('required', required(original, update)),
    ...under('properties', properties(comparison, original, update)),
    ...under('dependencies', dependencies(comparison, original, update)),
    ...under('additionalProperties', compareRest(comparison, 'ADDITIONAL_PROPERTIES', original.additional, update.additional)),
    ...under('unevaluatedProperties', compareUnevaluated(comparison, 'UNEVALUATED_PROPERTIES', original.unevaluated, update.unevaluated)),
    ...compareLimit('maxProperties', 'MAX_PROPERTIES', original.maxProperties, update.maxProperties),
    ...compareLimit('minProperties', 'MIN_PROPERTIES', original.minProperties, update.minProperties),
  ]
}

export function isAnything(node: Node): boolean {
  return node.kind === 'empty' || node.kind === 'true'
}

/** What is said of the rest: of properties, or of items. */
export function compareRest(comparison: Comparison, name: string, original: boolean | Node, update: boolean | Node): readonly Difference[] {
  const [allowed, allows] = [original !== false, update !== false]
  if (allowed !== allows) return [{ kind: `${name}_${allows ? 'ADDED' : 'REMOVED'}`, path: '' }]
  const [before, after] = [typeof original === 'boolean' ? null : original, typeof update === 'boolean' ? null : update]
  if (before === null) return after === null ? [] : [{ kind: `${name}_NARROWED`, path: '' }]
  if (after === null) return [{ kind: `${name}_EXTENDED`, path: '' }]
  return comparison.compare(before, after)
}

export function compareUnevaluated(
  comparison: Comparison,
  name: string,
  original: Node | null,
  update: Node | null,
): readonly Difference[] {
  const change = (kind: string) => [{ kind: `${name}_${kind}`, path: '' }]
  if (original === update) return []
  if (original === null) return change(update!.kind === 'false' ? 'REMOVED' : 'NARROWED')
  if (update === null) return change(original.kind === 'false' ? 'ADDED' : 'EXTENDED')
  if (original.kind === 'false' || update.kind === 'false')
    return original.kind === update.kind ? [] : change(original.kind === 'false' ? 'ADDED' : 'REMOVED')
  if (isAnything(original) !== isAnything(update)) return change(isAnything(original) ? 'NARROWED' : 'EXTENDED')
  return comparison.compare(original, update)
}

/** The schema of what is not listed; null: there is none. */
export function restOf({ additional, unevaluated }: Pick<ObjectNode, 'additional' | 'unevaluated'>): Node | null {
  if (typeof additional !== 'boolean') return additional
  return additional && unevaluated !== null && unevaluated.kind !== 'false' && !isAnything(unevaluated) ? unevaluated : null
}

/** What came or went, with the schema of what is not listed: `ITEM_REMOVED`, `PROPERTY_ADDED` and their like. */
export function compareCovered(comparison: Comparison, name: string, original: Node, update: Node): Difference[] {
  const found = comparison.compare(original, update)
  const covered = comparison.isCompatible(found) ? 'IS' : 'NOT'
  return [...found, { kind: `${name}_${covered}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`, path: '' }]
}

function required(original: ObjectNode, update: ObjectNode): Difference[] {
  const found: Difference[] = []
  for (const path of original.properties.keys()) {
    const now = update.properties.get(path)
    if (now === undefined || original.required.has(path) === update.required.has(path)) continue
    if (original.required.has(path)) found.push({ kind: 'REQUIRED_ATTRIBUTE_REMOVED', path })
    else found.push({ kind: now.fallback === undefined ? 'REQUIRED_ATTRIBUTE_ADDED' : 'REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED', path })
  }
  return found
}

function properties(comparison: Comparison, original: ObjectNode, update: ObjectNode): Difference[] {
  const names = new Set([...original.properties.keys(), ...update.properties.keys()])
  return Array.from(names).flatMap(name => {
    const [before, after] = [original.properties.get(name), update.properties.get(name)]
    if (before === undefined) return under(name, added(comparison, original, update, name, after!))
    return after === undefined ? under(name, removed(comparison, update, name, before)) : comparison.below(name, before, after)
  })
}

function removed(comparison: Comparison, update: ObjectNode, name: string, before: Node): Difference[] {
  if (isOpen(update)) return [{ kind: 'PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL', path: '' }]
  const rest = restFor(comparison, update, name)
  if (rest === null) {
    const kind =
      before.kind === 'false' ? 'PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL' : 'PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL'
    return [{ kind, path: '' }]
  }
  return compareCovered(comparison, 'PROPERTY_REMOVED', before, rest)
}

function added(comparison: Comparison, original: ObjectNode, update: ObjectNode, name: string, after: Node): Difference[] {
  const isOpenBefore = isOpen(original)
  const how = !update.required.has(name)
    ? 'OPTIONAL_PROPERTY'
    : after.fallback === undefined
      ? 'REQUIRED_PROPERTY'
      : 'REQUIRED_PROPERTY_WITH_DEFAULT'
  if (isOpenBefore) {
    const kind = isAnything(after) ? 'PROPERTY_WITH_EMPTY_SCHEMA' : how
    return [{ kind: `${kind}_ADDED_TO_OPEN_CONTENT_MODEL`, path: '' }]
  }
  const last = { kind: `${how}_ADDED_TO_UNOPEN_CONTENT_MODEL`, path: '' }
  const rest = restFor(comparison, original, name)
  if (rest === null) return [last]
  return [...compareCovered(comparison, 'PROPERTY_ADDED', rest, after), last]
}

function isOpen({ additional, patterns, unevaluated }: ObjectNode): boolean {
  return additional === true && patterns.size === 0 && (unevaluated === null || isAnything(unevaluated))
}

/** The schema of a property that is not listed; null: there is none. */
function restFor(comparison: Comparison, node: ObjectNode, name: string): Node | null {
  for (const [pattern, matching] of node.patterns) if (matches(comparison.budget, pattern, name)) return matching
  return restOf(node)
}

function dependencies(comparison: Comparison, original: ObjectNode, update: ObjectNode): Difference[] {
  const found: Difference[] = []
  for (const path of new Set([...original.neededProperties.keys(), ...update.neededProperties.keys()])) {
    const [before, after] = [original.neededProperties.get(path), update.neededProperties.get(path)]
    if (after === undefined) found.push({ kind: 'DEPENDENCY_ARRAY_REMOVED', path })
    else if (before === undefined) found.push({ kind: 'DEPENDENCY_ARRAY_ADDED', path })
    else {
      const [more, fewer] = [[...after].some(each => !before.has(each)), [...before].some(each => !after.has(each))]
      if (more || fewer) found.push({ kind: `DEPENDENCY_ARRAY_${more ? (fewer ? 'CHANGED' : 'EXTENDED') : 'NARROWED'}`, path })
    }
  }
  for (const path of new Set([...original.neededSchemas.keys(), ...update.neededSchemas.keys()])) {
    const [before, after] = [original.neededSchemas.get(path), update.neededSchemas.get(path)]
    if (after === undefined) found.push({ kind: 'DEPENDENCY_SCHEMA_REMOVED', path })
    else if (before === undefined) found.push({ kind: 'DEPENDENCY_SCHEMA_ADDED', path })
    else found.push(...comparison.below(path, before, after))
  }
  return found
}
