/** The interface of a mirror; see `../mirror.ts`. */
import type { System } from '../base.ts'
import type { Client } from '../client.ts'

/** In the target: how far each partition is, and which offset of the source is which one here. */
export const stateTopic = '__millrace_mirror'

export class MirrorError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MirrorError'
  }
}

export interface MirrorOptions {
  readonly source: Client
  readonly target: Client
  readonly system: System
  /** Of topics; null: all but internal ones. */
  readonly isWanted: ((topic: string) => boolean) | null
  readonly acls: boolean
  readonly groups: boolean
  /** Copy into topics that have records of others. */
  readonly merge: boolean
  readonly dryRun: boolean
  /** How long to wait for a cluster that does not answer. */
  readonly patienceMs: number
  /** Ends at the next moment at which nothing is under way. */
  readonly signal: AbortSignal
  onProgress(progress: MirrorProgress): void
  /** A cluster does not answer, or does so again (null). */
  onWaiting(reason: string | null): void
}

export interface MirrorProgress {
  readonly step: 'topics' | 'records' | 'groups'
  readonly done: number
  readonly total: number
  readonly records: number
  readonly bytes: number
}

export interface MirrorReport {
  readonly source: string
  readonly target: string
  readonly dryRun: boolean
  /** Whether it was asked to stop before the end. */
  readonly stopped: boolean
  readonly topics: number
  readonly partitions: number
  readonly created: string[]
  /** More partitions, other configs. */
  readonly changed: { topic: string; change: string }[]
  /** Of this run. */
  readonly records: number
  readonly bytes: number
  /** Left for a later run, because it was stopped, or in a dry run. */
  readonly offsetsLeft: bigint
  /** null: not asked for, or not possible; see `left`. */
  readonly acls: { copied: number; there: number } | null
  readonly groups: { copied: number; offsets: number } | null
  /** What was not copied and why, which does not make the copy fail. */
  readonly left: { what: string; names: string[] }[]
  /** What should have been copied and was not. */
  readonly failed: { name: string; reason: string }[]
}

/** What was left out, by reason. */
export class Left {
  readonly #byReason = new Map<string, Set<string>>()

  add(what: string, name?: string): void {
    const names = this.#byReason.get(what) ?? new Set()
    this.#byReason.set(what, names)
    if (name !== undefined) names.add(name)
  }

  list(): MirrorReport['left'] {
    return Array.from(this.#byReason, ([what, names]) => ({ what, names: [...names] }))
  }
}
