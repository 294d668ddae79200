/**
 * When a member that reads a stream of events has got what was sent to it, as far as that can be known without its word: what has left this process, over a connection that
 * is still there some seconds later. Only that is committed, so who breaks off within those seconds, or crashes, is given again what may not have reached it.
 */
import type { System } from '../../base.ts'
import type { PartitionOffset } from '../../client.ts'

interface Sent {
  readonly positions: readonly PartitionOffset[]
  /** Of the whole stream, up to these positions. */
  readonly bytes: number
}

export class HeldCommits {
  readonly #clock: System['clock']
  readonly #holdMs: number
  #written = 0
  #last: Sent | null = null
  /** Not all of it has left yet. */
  #leaving: Sent | null = null
  /** It has left at this time. */
  #left: { readonly positions: readonly PartitionOffset[]; readonly ms: number } | null = null
  /** What was due before and could not be committed. */
  #again: readonly PartitionOffset[] = []

  constructor({ clock }: Pick<System, 'clock'>, holdMs: number) {
    this.#clock = clock
    this.#holdMs = holdMs
  }

  /** Bytes of the stream; `positions`: behind the records in them, null if there are none. */
  written(bytes: number, positions: readonly PartitionOffset[] | null): void {
    this.#written += bytes
    if (positions !== null) this.#last = { positions, bytes: this.#written }
  }

  /** What may be committed now. `waiting`: bytes of the stream that have not left yet. */
  due(waiting: number): readonly PartitionOffset[] {
    this.#advance(waiting)
    if (this.#left === null || this.#clock.monotonic() - this.#left.ms < this.#holdMs) return this.#takeAgain()
    return this.#takeLeft()
  }

  /** These could not be committed: they are due again, unless newer ones are. */
  again(positions: readonly PartitionOffset[]): void {
    this.#again = positions
  }

  /** The same when this process ends the stream while its reader is there. */
  atEnd(waiting: number): readonly PartitionOffset[] {
    const before = this.#left === null ? this.#takeAgain() : this.#takeLeft()
    this.#leaving = null
    this.#advance(waiting)
    return this.#left === null ? before : this.#takeLeft()
  }

  #advance(waiting: number): void {
    if (this.#leaving === null) {
      this.#leaving = this.#last
      this.#last = null
    }
    if (this.#left !== null || this.#leaving === null || this.#leaving.bytes > this.#written - waiting) return
    this.#left = { positions: this.#leaving.positions, ms: this.#clock.monotonic() }
    this.#leaving = null
  }

  #takeLeft(): readonly PartitionOffset[] {
    const { positions } = this.#left!
    this.#left = null
    this.#again = []
    return positions
  }

  #takeAgain(): readonly PartitionOffset[] {
    const positions = this.#again
    this.#again = []
    return positions
  }
}
