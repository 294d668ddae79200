/**
 * What must hold in the two stores at every moment, as nobody but the world can see it: a row names only objects that are there; an object that
 * rows have named stays for the grace after the last of them is gone, because readers may hold that row; and a session that has ended writes nothing
 * more, because others have read its stream to the end.
 */
import type { Clock } from '../../src/base.ts'
import { type Frame, frameKind, type SegmentRow } from '../../src/store.ts'

export interface CrossCheckOptions {
  clock: Clock
  graceMs: number
  isThere(object: string): boolean
  broken(what: string): void
}

/** A transaction reads the time before it commits, and a commit may take so long. */
const toleratedMs = 12_000

export class CrossCheck {
  readonly #options: CrossCheckOptions
  /** By how many rows. */
  readonly #named = new Map<string, number>()
  readonly #unnamedSinceMs = new Map<string, number>()
  readonly #ended = new Set<number>()
  /** By key. A late attempt to write one that waited for the trim writes it again: nobody reads it, for all begins behind it. */
  readonly #trimmed = new Set<string>()

  constructor(options: CrossCheckOptions) {
    this.#options = options
  }

  /** A row was added, changed or deleted. */
  changed(key: string, before: unknown, after: unknown): void {
    this.#checkEnd(key, before, after)
    if (this.#trimmed.has(key)) return
    if (key.startsWith('frame/') && after === undefined) this.#trimmed.add(key)
    for (const object of objectsOf(key, after)) {
      this.#named.set(object, (this.#named.get(object) ?? 0) + 1)
      this.#unnamedSinceMs.delete(object)
      if (!this.#options.isThere(object)) this.#options.broken(`${key} names ${object}, which is not there`)
    }
    for (const object of objectsOf(key, before)) {
      const left = this.#named.get(object)! - 1
      if (left > 0) this.#named.set(object, left)
      else {
        this.#named.delete(object)
        this.#unnamedSinceMs.set(object, this.#options.clock.monotonic())
      }
    }
  }

  #checkEnd(key: string, before: unknown, after: unknown): void {
    if (after === undefined) return
    if (key.startsWith('session/')) {
      const { id, endedAtMs } = after as { id: number; endedAtMs: number | null }
      if (endedAtMs !== null) this.#ended.add(id)
    } else if (key.startsWith('frame/') && before === undefined) {
      const { session, seq, kind } = after as Frame
      if (kind !== frameKind.fence && this.#ended.has(session)) this.#options.broken(`session ${session} wrote frame ${seq} after its end`)
    }
  }

  /** An object was deleted. */
  deleted(object: string): void {
    const { clock, graceMs, broken } = this.#options
    const names = this.#named.get(object)
    if (names !== undefined) broken(`${object} was deleted, and ${names} rows name it`)
    const sinceMs = this.#unnamedSinceMs.get(object)
    if (sinceMs === undefined) return
    const ms = clock.monotonic() - sinceMs
    if (ms < graceMs - toleratedMs)
      broken(`${object} was deleted ${ms.toFixed(0)} ms after its last row, and readers may hold that for ${graceMs} ms`)
  }
}

function objectsOf(key: string, row: unknown): readonly string[] {
  if (row === undefined) return []
  if (key.startsWith('frame/')) return (row as Frame).objects
  return key.startsWith('segment/') || key.startsWith('snapshot/') ? [(row as Pick<SegmentRow, 'object'>).object] : []
}
