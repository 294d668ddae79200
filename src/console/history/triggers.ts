/** What the triggers of this process have done, over time: what their counters say at each look. */
import type { Counts, TriggerRow } from '../triggers/service.ts'
import { Ring } from './ring.ts'

export const mostTriggers = 200

interface Kept {
  /** Per second. */
  readonly calls: Ring
  readonly errors: Ring
  readonly throttles: Ring
  /** Milliseconds: of a call, on the average since the look before; of the oldest record that is not done. */
  readonly duration: Ring
  readonly age: Ring
  before: { counts: Counts; atMs: number } | null
}

export class TriggerHistory {
  readonly #points: number
  readonly #triggers = new Map<string, Kept>()

  constructor(points: number) {
    this.#points = points
  }

  /** Empty, if nothing is known. */
  of(trigger: string): Omit<Kept, 'before'> {
    return this.#triggers.get(trigger) ?? this.#empty()
  }

  /** `nowMs` since the epoch, `atMs` on the monotonic clock. */
  look(rows: readonly TriggerRow[], nowMs: number, atMs: number): void {
    const chosen = rows.slice(0, mostTriggers)
    const names = new Set(chosen.map(each => each.name))
    for (const name of this.#triggers.keys()) if (!names.has(name)) this.#triggers.delete(name)
    for (const counts of chosen) {
      const kept = this.#triggers.get(counts.name) ?? this.#empty()
      this.#triggers.set(counts.name, kept)
      add(kept, counts, nowMs, atMs)
    }
  }

  #empty(): Kept {
    const ring = () => new Ring(this.#points)
    return { calls: ring(), errors: ring(), throttles: ring(), duration: ring(), age: ring(), before: null }
  }
}

function add(kept: Kept, counts: Counts, nowMs: number, atMs: number): void {
  const { before } = kept
  // Less than before: the trigger was made anew.
  const isSame = before !== null && counts.calls >= before.counts.calls
  const rate = (name: 'calls' | 'errors' | 'throttles') =>
    isSame ? ((counts[name] - before.counts[name]) / (atMs - before.atMs)) * 1_000 : null
  kept.calls.add(nowMs, rate('calls'))
  kept.errors.add(nowMs, rate('errors'))
  kept.throttles.add(nowMs, rate('throttles'))
  const calls = isSame ? counts.calls - before.counts.calls : 0
  kept.duration.add(nowMs, calls === 0 ? null : ((counts.seconds - before!.counts.seconds) / calls) * 1_000)
  kept.age.add(nowMs, counts.ageMs)
  kept.before = { counts, atMs }
}
