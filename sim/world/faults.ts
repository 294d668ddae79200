/** Disk errors on demand: the n-th call of a kind on matching paths fails, or the space runs out after a number of bytes. */
import { DiskError } from '../../src/base.ts'

export type Operation = 'open' | 'create' | 'write' | 'read' | 'truncate' | 'datasync' | 'syncDirectory' | 'rename' | 'remove'

/** As errors name them: after a failed sync the log does not try again, whatever file it was. */
const systemCalls: Partial<Record<Operation, string>> = { datasync: 'fdatasync', syncDirectory: 'fsync' }

export interface Faults {
  /** The call number `nth` (from 1 on, counted from now) of this kind on a matching path throws; then this fault is spent. */
  fail(operation: Operation, code: string, options?: { nth?: number; path?: RegExp }): void
  /** Planted faults that have not struck never will. */
  forget(): void
  /** Only this many bytes more can be written; null: no limit. A write that does not fit is cut short. */
  space: number | null
  /** Faults that struck so far. */
  readonly struck: number
  /** Throws if a fault is due. */
  check(operation: Operation, path: string): void
  /** How many of the bytes of a write reach the cache, and the error after them. */
  takeSpace(path: string, bytes: number): { taken: number; error: DiskError | null }
  freeBytes(): number
}

export function faultInjector(): Faults {
  let planted: { operation: Operation; code: string; left: number; path: RegExp }[] = []
  const due = (operation: Operation, path: string): DiskError | null => {
    for (const fault of planted) {
      if (fault.operation !== operation || !fault.path.test(path) || --fault.left > 0) continue
      planted = planted.filter(each => each !== fault)
      state.struck++
      return new DiskError(systemCalls[operation] ?? operation, path, fault.code)
    }
    return null
  }
  const state = {
    space: null as number | null,
    struck: 0,
    fail(operation: Operation, code: string, options: { nth?: number; path?: RegExp } = {}): void {
      planted.push({ operation, code, left: options.nth ?? 1, path: options.path ?? /(?:)/ })
    },
    forget(): void {
      planted = []
    },
    check(operation: Operation, path: string): void {
      const error = due(operation, path)
      if (error !== null) throw error
    },
    takeSpace(path: string, bytes: number): { taken: number; error: DiskError | null } {
      const error = due('write', path)
      // A failed write may have left a part behind.
      if (error !== null) return { taken: bytes >> 1, error }
      if (state.space === null) return { taken: bytes, error: null }
      const taken = Math.min(bytes, state.space)
      state.space -= taken
      if (taken === bytes) return { taken, error: null }
      state.struck++
      return { taken, error: new DiskError('write', path, 'ENOSPC') }
    },
    freeBytes: () => state.space ?? Number.MAX_SAFE_INTEGER,
  }
  return state
}
