/**
 * How old what is in a piece is. Records without a timestamp are as old as this session has known their piece: they live a little longer
 * where partitions move often, and none goes early.
 */
import { ageOf, type ClockHistory, type System } from '../../../base.ts'
import type { SegmentRow } from '../../../store.ts'

export class RowAges {
  readonly #clock: System['clock']
  /** On the wall clock. */
  readonly #seen = new WeakMap<SegmentRow, number>()

  constructor({ clock }: Pick<System, 'clock'>) {
    this.#clock = clock
  }

  /** Of its newest record. Negative if that has a time in the future. */
  ageMs(row: SegmentRow, history: ClockHistory): number {
    return ageOf(row.maxTimestamp >= 0 ? row.maxTimestamp : this.#seenMs(row), history)
  }

  #seenMs(row: SegmentRow): number {
    const seen = this.#seen.get(row) ?? this.#clock.now()
    this.#seen.set(row, seen)
    return seen
  }
}
