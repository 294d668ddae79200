/** A pool of read buffers, so that fetching gigabytes allocates nothing. Sizes are powers of two up to a limit. */
const smallest = 16 << 10
const largest = 4 << 20
/** Bytes kept for the next reader. */
const keptBytes = 32 << 20

export class Slabs {
  readonly #free = new Map<number, Buffer[]>()
  #kept = 0

  /** At least `size` bytes. */
  take(size: number): Buffer {
    if (size > largest) return Buffer.allocUnsafeSlow(size)
    let slab = smallest
    while (slab < size) slab *= 2
    const free = this.#free.get(slab)?.pop()
    if (free === undefined) return Buffer.allocUnsafeSlow(slab)
    this.#kept -= slab
    return free
  }

  /** What `take` gave, once. */
  give(slab: Buffer): void {
    const size = slab.length
    if (size > largest || this.#kept + size > keptBytes) return
    const free = this.#free.get(size)
    if (free === undefined) this.#free.set(size, [slab])
    else free.push(slab)
    this.#kept += size
  }
}
