/**
 * Limits the memory that responses hold over all connections, from when they are made until clients have read them
 * (`fetch.response.memory.bytes`).
 *
 * Above the limit, a fetch gets only its first batch, so that every consumer makes progress, but memory does not grow with the
 * number of readers times `fetch.max.bytes`. Above twice the limit it gets an empty response.
 * Other large responses may take half of the limit, so that they never starve fetches. Above that, no further one is begun
 * (`dispatch/large-requests.ts`). Responses of a few kilobytes never wait.
 *
 * Nobody holds memory forever: above the limits, clients that read nothing, or read too slowly, are disconnected (memory-holders.ts).
 */
export class ResponseMemory {
  readonly boundBytes: number
  #heldBytes = 0
  /** Of these, what is not of fetches. */
  #otherBytes = 0
  /** Called when there is more room. */
  onRoom: () => void = () => {}

  constructor(boundBytes: number) {
    this.boundBytes = boundBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Not even a first batch may be gathered. */
  get exhausted(): boolean {
    return this.#heldBytes >= 2 * this.boundBytes
  }

  /** Whether a large response of another API than Fetch may be begun. */
  get admitsOther(): boolean {
    return this.#otherBytes < this.boundBytes / 2 && !this.exhausted
  }

  /** How many bytes clients must read so that many of the large responses that wait can be begun, not just one. */
  get excessBytes(): number {
    return this.admitsOther ? 0 : this.#otherBytes - this.boundBytes / 4
  }

  /** Half of what is left: what one more fetch may gather, so that the last reader is not starved by the first. */
  get room(): number {
    return Math.max(0, Math.floor((this.boundBytes - this.#heldBytes) / 2))
  }

  /** How many bytes a fetch may gather; they count as held from now on, because others are gathered at the same time. */
  take(wantedBytes: number): number {
    const granted = Math.max(0, Math.min(wantedBytes, this.room))
    this.#heldBytes += granted
    return granted
  }

  /** It became `bytes`: fewer, or a first batch that is larger than what was granted. */
  settle(granted: number, bytes: number): void {
    this.#heldBytes += bytes - granted
    if (bytes < granted) this.onRoom()
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes
    this.onRoom()
  }

  /** A response of another API has been made. */
  holdOther(bytes: number): void {
    this.#heldBytes += bytes
    this.#otherBytes += bytes
  }

  giveOther(bytes: number): void {
    this.#otherBytes -= bytes
    this.give(bytes)
  }
}
