/**
 * Limits the memory that fetch responses, and other large ones, hold until slow readers have read them.
 *
 * Above the limit, a fetch gets only its first batch, so that every consumer makes progress, but memory does not grow with the
 * number of readers times `fetch.max.bytes`. Above twice the limit it gets an empty response, and other large responses are not written,
 * until other clients have read their responses or were closed for not doing so (server.ts).
 */
export class FetchBudget {
  readonly #bound: number
  #held = 0
  #freed: PromiseWithResolvers<void> | null = null

  constructor(boundBytes: number) {
    this.#bound = boundBytes
  }

  get heldBytes(): number {
    return this.#held
  }

  /** Not even a first batch may be gathered. */
  get exhausted(): boolean {
    return this.#held >= 2 * this.#bound
  }

  /** Half of what is left: what one more response may gather, so that the last reader is not starved by the first. */
  get room(): number {
    return Math.max(0, Math.floor((this.#bound - this.#held) / 2))
  }

  /** How many bytes a response may gather; they count as held from now on, because others are gathered at the same time. */
  take(wantedBytes: number): number {
    const granted = Math.max(0, Math.min(wantedBytes, this.room))
    this.#held += granted
    return granted
  }

  /** It became `bytes`: fewer, or a first batch that is larger than what was granted. */
  settle(granted: number, bytes: number): void {
    this.#held += bytes - granted
  }

  give(bytes: number): void {
    this.#held -= bytes
    if (this.#freed === null || this.exhausted) return
    this.#freed.resolve()
    this.#freed = null
  }

  /** Resolves when it is not exhausted. */
  async freed(): Promise<void> {
    while (this.exhausted) await (this.#freed ??= Promise.withResolvers()).promise
  }
}
