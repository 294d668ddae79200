/**
 * Bounds the memory that fetch responses may hold until slow readers have taken them.
 *
 * Above the bound a fetch still gets its first batch, so every consumer makes progress, but nothing more: memory does not grow with the
 * number of readers times `fetch.max.bytes`.
 */
export class FetchBudget {
  readonly #bound: number
  #held = 0

  constructor(boundBytes: number) {
    this.#bound = boundBytes
  }

  get heldBytes(): number {
    return this.#held
  }

  /** How many bytes one more response may gather: half of what is left, so that the last reader is not starved by the first. */
  grant(): number {
    return Math.max(0, Math.floor((this.#bound - this.#held) / 2))
  }

  take(bytes: number): void {
    this.#held += bytes
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}
