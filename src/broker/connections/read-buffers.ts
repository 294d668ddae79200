/**
 * The memory that connections read into.
 *
 * A connection that holds no bytes reads into one buffer that all connections share, because each read is processed before the next one: the
 * buffer stays in the processor's cache, and no allocator runs. A connection with an incomplete frame leases a buffer of the same size and
 * reads on behind the frame's first part, so that the next read is as large as the first. There are few leases (`mostLeases`); further buffers
 * are small and not reused. So memory stays bounded, however many connections have incomplete frames, and all of them make progress.
 */
const bufferBytes = 256 << 10
/** Of those who come too late for a large one. */
const smallBytes = 16 << 10
const mostLeases = 64
/** Buffers that are kept for the next lease. */
const mostSpare = 4

export class ReadBuffers {
  readonly shared: Buffer
  #leased = 0
  readonly #spare: Buffer[] = []
  readonly #size: number

  constructor(size = bufferBytes) {
    this.#size = size
    this.shared = Buffer.allocUnsafeSlow(size)
  }

  /** At least `bytes` large; `give` takes it back. null: no frame so large is read in a leased buffer. */
  lease(bytes: number): Buffer | null {
    if (bytes > this.#size) return null
    if (this.#leased >= mostLeases) return bytes > smallBytes ? null : Buffer.allocUnsafeSlow(smallBytes)
    this.#leased++
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#size)
  }

  /** Takes back a buffer from `lease`, which must not be used any more. */
  give(buffer: Buffer): void {
    if (buffer.length !== this.#size) return
    this.#leased--
    if (this.#spare.length < mostSpare) this.#spare.push(buffer)
  }
}
