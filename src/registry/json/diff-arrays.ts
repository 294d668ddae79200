/** Arrays: items by position come and go as properties of objects do. */
import type { Comparison } from './diff.ts'
import { compareCovered, compareRest, compareUnevaluated, isAnything, restOf } from './diff-objects.ts'
import { compareLimit, under } from './diff-paths.ts'
import type { Difference } from './differences.ts'
import type { ArrayNode, Node } from './model.ts'

export function compareArrays(comparison: Comparison, original: ArrayNode, update: ArrayNode): Difference[] {
  const found = [
    ...comparison.below('items', original.items, update.items),
    ...positions(comparison, original, update),
    ...under('additionalItems', compareRest(comparison, 'ADDITIONAL_ITEMS', original.additional, update.additional)),
    ...under('unevaluatedItems', compareUnevaluated(comparison, 'UNEVALUATED_ITEMS', original.unevaluated, update.unevaluated)),
    ...compareLimit('maxItems', 'MAX_ITEMS', original.maxItems, update.maxItems),
    ...compareLimit('minItems', 'MIN_ITEMS', original.minItems, update.minItems),
  ]
  if (original.isUnique !== update.isUnique)
    found.push({ kind: original.isUnique ? 'UNIQUE_ITEMS_REMOVED' : 'UNIQUE_ITEMS_ADDED', path: 'uniqueItems' })
  return [
    ...found,
    ...compareLimit('maxContains', 'MAX_CONTAINS', original.maxContains, update.maxContains),
    ...compareLimit('minContains', 'MIN_CONTAINS', original.minContains, update.minContains),
  ]
}

function positions(comparison: Comparison, original: ArrayNode, update: ArrayNode): Difference[] {
  const found: Difference[] = []
  for (let index = 0; index < Math.max(original.first.length, update.first.length); index++) {
    const [before, after] = [original.first[index], update.first[index]]
    const path = `items/${index}`
    if (before === undefined) found.push(...under(path, added(comparison, original, after!)))
    else if (after === undefined) found.push(...under(path, removed(comparison, update, before)))
    else found.push(...comparison.below(path, before, after))
  }
  return found
}

function removed(comparison: Comparison, update: ArrayNode, before: Node): Difference[] {
  if (isOpen(update)) return [{ kind: 'ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL', path: '' }]
  const rest = restOf(update)
  if (rest === null)
    return [
      {
        kind: before.kind === 'false' ? 'ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL' : 'ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL',
        path: '',
      },
    ]
  return compareCovered(comparison, 'ITEM_REMOVED', before, rest)
}

function added(comparison: Comparison, original: ArrayNode, after: Node): Difference[] {
  if (isOpen(original))
    return [
      { kind: isAnything(after) ? 'ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL' : 'ITEM_ADDED_TO_OPEN_CONTENT_MODEL', path: '' },
    ]
  const rest = restOf(original)
  if (rest === null) return [{ kind: 'ITEM_ADDED_TO_CLOSED_CONTENT_MODEL', path: '' }]
  return compareCovered(comparison, 'ITEM_ADDED', rest, after)
}

function isOpen({ additional, unevaluated }: ArrayNode): boolean {
  return additional === true && (unevaluated === null || isAnything(unevaluated))
}
