/**
 * The frames with which upkeep changes rows, one after the other: what one did is applied in memory before the next is made, for that one's rows
 * are made from what is in memory. Otherwise a second frame could put back what the first had moved on.
 */
import { assert } from '../../../base.ts'
import { frameKind, type Writes } from '../../../store.ts'
import { OneAfterAnother } from '../../one-after-another.ts'
import type { RowJournal } from './ports.ts'

export class RowWriter {
  readonly #journal: RowJournal
  readonly #frames = new OneAfterAnother()

  constructor(journal: RowJournal) {
    this.#journal = journal
  }

  /** Nothing is committed any more; what the last frame did is for those to find who read the rows. */
  get ended(): boolean {
    return this.#journal.ended !== null
  }

  /**
   * `make` says what to write, as soon as the frame has its place; an empty answer is fine. `apply` runs once that is committed. When `make` throws,
   * nothing was written; otherwise this rejects only when the session has ended, and then the outcome may be unknown.
   */
  commit(make: (seq: number) => Writes, apply: () => void): Promise<void> {
    return this.alone(async () => {
      const failures: unknown[] = []
      const outcome = await this.#journal.write(frameKind.checkpoint, [], seq => {
        try {
          return make(seq)
        } catch (error) {
          // The frame has its place already, and goes empty.
          failures.push(error)
          return {}
        }
      })
      if (failures.length > 0) throw failures[0]
      assert(outcome === 'committed', 'a frame without metadata is committed, or the session ends')
      apply()
    })
  }

  /** Runs while no frame of upkeep is under way. */
  alone<T>(action: () => Promise<T>): Promise<T> {
    return this.#frames.run(action)
  }
}
