/**
 * The cleaner's map from each key to its last offset, in bounded memory: 24 bytes per key, in which the first 128 bits of SHA-1 represent
 * the key. A hash collision would lose a record, so the hash must be a good one.
 */
import { hash } from 'node:crypto'
import type { Offset } from '../../protocol.ts'

const bytesPerSlot = 24
const loadFactor = 0.9
const initialSlots = 1 << 12

export class OffsetMap {
  readonly #maxSlots: number
  #slots: number
  /** Four words each. */
  #hashes: Uint32Array
  /** Offset + 1; 0: free. */
  #offsets: Float64Array
  #size = 0
  #word0 = 0
  #word1 = 0
  #word2 = 0
  #word3 = 0

  constructor(maxBytes: number) {
    this.#maxSlots = Math.max(16, Math.floor(maxBytes / bytesPerSlot))
    this.#slots = Math.min(initialSlots, this.#maxSlots)
    this.#hashes = new Uint32Array(4 * this.#slots)
    this.#offsets = new Float64Array(this.#slots)
  }

  get size(): number {
    return this.#size
  }

  /** False when there is no room for another key. */
  put(key: Buffer, offset: Offset): boolean {
    this.#hash(key)
    let slot = this.#find()
    if (this.#offsets[slot] === 0) {
      if (this.#size + 1 > this.#slots * loadFactor) {
        if (!this.#grow()) return false
        this.#hash(key)
        slot = this.#find()
      }
      this.#store(slot)
      this.#size++
    }
    this.#offsets[slot] = offset + 1
    return true
  }

  /** -1 for an unknown key. */
  get(key: Buffer): Offset {
    this.#hash(key)
    return this.#offsets[this.#find()]! - 1
  }

  #hash(key: Buffer): void {
    const digest = hash('sha1', key, 'buffer')
    this.#word0 = digest.readUInt32LE(0)
    this.#word1 = digest.readUInt32LE(4)
    this.#word2 = digest.readUInt32LE(8)
    this.#word3 = digest.readUInt32LE(12)
  }

  /** The slot of the hash in #word0 to #word3, or the free one where it belongs. */
  #find(): number {
    for (let slot = this.#word0 % this.#slots; ; slot = slot + 1 === this.#slots ? 0 : slot + 1) {
      if (this.#offsets[slot] === 0) return slot
      const at = 4 * slot
      const hashes = this.#hashes
      if (hashes[at] === this.#word0 && hashes[at + 1] === this.#word1 && hashes[at + 2] === this.#word2 && hashes[at + 3] === this.#word3)
        return slot
    }
  }

  #store(slot: number): void {
    this.#hashes[4 * slot] = this.#word0
    this.#hashes[4 * slot + 1] = this.#word1
    this.#hashes[4 * slot + 2] = this.#word2
    this.#hashes[4 * slot + 3] = this.#word3
  }

  #grow(): boolean {
    // While growing both arrays exist: the old one counts towards the bound.
    const slots = Math.min(this.#slots * 4, this.#maxSlots - this.#slots)
    if (slots <= this.#slots) return false
    const hashes = this.#hashes
    const offsets = this.#offsets
    this.#hashes = new Uint32Array(4 * slots)
    this.#offsets = new Float64Array(slots)
    this.#slots = slots
    for (let slot = 0; slot < offsets.length; slot++) {
      if (offsets[slot] === 0) continue
      this.#word0 = hashes[4 * slot]!
      this.#word1 = hashes[4 * slot + 1]!
      this.#word2 = hashes[4 * slot + 2]!
      this.#word3 = hashes[4 * slot + 3]!
      const into = this.#find()
      this.#store(into)
      this.#offsets[into] = offsets[slot]!
    }
    return true
  }
}
