/** Small helpers of all comparisons. */
import type { Difference } from './differences.ts'

/** With paths below `path`. */
export function under(path: string, differences: readonly Difference[]): Difference[] {
  return differences.map(({ kind, path: inner }) => ({ kind, path: inner === '' ? path : `${path}/${inner}` }))
}

/** Of a keyword whose value is a number: `MAX_LENGTH` has been added, removed, increased or decreased. */
export function compareLimit(path: string, name: string, original: number | null, update: number | null): Difference[] {
  if (original === update) return []
  const change = original === null ? 'ADDED' : update === null ? 'REMOVED' : original < update ? 'INCREASED' : 'DECREASED'
  return [{ kind: `${name}_${change}`, path }]
}
