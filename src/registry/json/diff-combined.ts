/** Combinations (`allOf`, `anyOf`, `oneOf`): as many parts as possible are matched with compatible ones. */
import type { Comparison } from './diff.ts'
import { under } from './diff-paths.ts'
import type { Difference } from './differences.ts'
import type { CombinedNode, Node } from './model.ts'

export function compareCombined(comparison: Comparison, original: CombinedNode, update: CombinedNode): Difference[] {
  const changed = criteria(original, update)
  if (changed?.kind === 'COMBINED_TYPE_CHANGED') return [changed]
  const found: Difference[] = changed === null ? [] : [changed]
  const [before, after] = [distinct(comparison, original.parts), distinct(comparison, update.parts)]
  if (before.length < after.length)
    found.push({ kind: update.criterion === 'allOf' ? 'PRODUCT_TYPE_EXTENDED' : 'SUM_TYPE_EXTENDED', path: '' })
  else if (before.length > after.length)
    found.push({ kind: original.criterion === 'allOf' ? 'PRODUCT_TYPE_NARROWED' : 'SUM_TYPE_NARROWED', path: '' })
  const edges = before.map((part, index) => {
    const to = new Map<number, Difference[]>()
    for (const [at, other] of after.entries()) {
      const differences = comparison.compare(part, other)
      if (comparison.isCompatible(differences)) to.set(at, under(`${original.criterion}/${index}`, differences))
    }
    return to
  })
  const matched = match(comparison, edges)
  for (const [at, index] of matched) found.push(...edges[index]!.get(at)!)
  if (matched.size < Math.min(before.length, after.length)) found.push({ kind: 'COMBINED_TYPE_SUBSCHEMAS_CHANGED', path: '' })
  return found
}

function criteria(original: CombinedNode, update: CombinedNode): Difference | null {
  if (original.criterion === update.criterion) return null
  const [wasSingle, isSingle] = [original.parts.length === 1, update.parts.length === 1]
  const isExtended =
    update.criterion === 'anyOf' ||
    (wasSingle && isSingle) ||
    (wasSingle && update.criterion === 'oneOf') ||
    (isSingle && original.criterion === 'allOf')
  return { kind: isExtended ? 'COMBINED_TYPE_EXTENDED' : 'COMBINED_TYPE_CHANGED', path: '' }
}

function distinct({ budget }: Comparison, parts: readonly Node[]): Node[] {
  const byKey = new Map<string, Node>()
  for (const part of parts) {
    const key = part.key()
    budget.spend(1 + key.length / 256)
    byKey.set(key, part)
  }
  return [...byKey.values()]
}

/** A largest matching, as the part of the original for each matched part of the update. */
function match(comparison: Comparison, edges: readonly ReadonlyMap<number, unknown>[]): Map<number, number> {
  const taken = new Map<number, number>()
  const place = (index: number, tried: Set<number>): boolean => {
    for (const at of edges[index]!.keys()) {
      comparison.budget.spend()
      if (tried.has(at)) continue
      tried.add(at)
      const holder = taken.get(at)
      if (holder !== undefined && !place(holder, tried)) continue
      taken.set(at, index)
      return true
    }
    return false
  }
  for (let index = 0; index < edges.length; index++) place(index, new Set())
  return taken
}
