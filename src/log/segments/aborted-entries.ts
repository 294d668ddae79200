/**
 * Aborted transactions as bytes, in Kafka's format (AbortedTxn version 0, 34 bytes each, ordered by last offset): the content of a `.txnindex`,
 * and of the index of a piece in the shared home.
 *
 * Hides how the few entries that a reader needs are found among millions. While one transaction stays open and many others are aborted, all of
 * their entries would have to be examined; so whole blocks of entries are skipped by the minimum of their first offsets.
 */
import { type Int64, readInt64, writeInt64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'

export interface AbortedTransaction {
  producerId: Int64
  firstOffset: Offset
  /** Offset of the abort marker. */
  lastOffset: Offset
  /** The last stable offset right after the marker: from here on, older aborted transactions need not be searched. */
  lastStableOffset: Offset
}

export const abortedEntryBytes = 34
const version = 0
/** First and last offset of the entry with the checksum. */
const nowhere = 2n ** 63n - 1n
const blockEntries = 64
const noBytes = Buffer.alloc(0)

export class AbortedEntries {
  readonly #baseOffset: Offset
  /** Room at the end may be unused. */
  #bytes: Buffer
  #count = 0
  /** Of each block of entries the least first offset; too low where entries were taken back. */
  readonly #least: Offset[] = []

  /** No markers lie below `baseOffset`. `bytes`: of entries that come from elsewhere; they count when `take` has checked them. */
  constructor(baseOffset: Offset, bytes: Buffer = noBytes) {
    this.#baseOffset = baseOffset
    this.#bytes = bytes
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of memory. */
  get size(): number {
    return this.#bytes.length
  }

  /** The next `count` entries are in the bytes given at the beginning. Throws when one of them cannot be. */
  take(count: number): void {
    let previous = this.#count === 0 ? this.#baseOffset - 1 : lastOffset(this.#bytes, (this.#count - 1) * abortedEntryBytes)
    for (let left = count; left > 0; left--) {
      const at = this.#count * abortedEntryBytes
      previous = checkEntry(this.#bytes, at, previous)
      this.#noteLeast(firstOffset(this.#bytes, at))
      this.#count++
    }
  }

  append(aborted: AbortedTransaction): void {
    this.#makeRoom(1)
    encodeAborted(aborted, this.#bytes, this.#count * abortedEntryBytes)
    this.#noteLeast(aborted.firstOffset)
    this.#count++
  }

  /** Entries [nth, nth + count) of another, or as many as it has, which come behind these. */
  appendOf(other: AbortedEntries, nth: number, count: number): void {
    const entries = other.bytes(nth, nth + count)
    this.#makeRoom(entries.length / abortedEntryBytes)
    entries.copy(this.#bytes, this.#count * abortedEntryBytes)
    this.take(entries.length / abortedEntryBytes)
  }

  truncate(count: number): void {
    this.#count = Math.min(this.#count, count)
    this.#least.length = Math.ceil(this.#count / blockEntries)
  }

  /** The bytes of entries [first, end). */
  bytes(first = 0, end = this.#count): Buffer {
    return this.#bytes.subarray(first * abortedEntryBytes, Math.min(end, this.#count) * abortedEntryBytes)
  }

  all(): AbortedTransaction[] {
    return Array.from({ length: this.#count }, (_, nth) => decodeAborted(this.#bytes, nth * abortedEntryBytes))
  }

  /** Adds to `into` the entries that a reader of [from, to) must know. True when entries that come later cannot be among them. */
  collect(from: Offset, to: Offset, into: AbortedTransaction[]): boolean {
    const bytes = this.#bytes
    for (let nth = this.#firstEndingAt(from); nth < this.#count; ) {
      const nextBlock = nth - (nth % blockEntries) + blockEntries
      if (nth % blockEntries === 0 && this.#least[nth / blockEntries]! >= to) {
        nth = Math.min(nextBlock, this.#count)
        if (lastStableOffset(bytes, (nth - 1) * abortedEntryBytes) >= to) return true
        continue
      }
      for (; nth < nextBlock && nth < this.#count; nth++) {
        const at = nth * abortedEntryBytes
        if (firstOffset(bytes, at) < to) into.push(decodeAborted(bytes, at))
        if (lastStableOffset(bytes, at) >= to) return true
      }
    }
    return false
  }

  /** Number of the first entry whose marker is at `offset` or after it. */
  #firstEndingAt(offset: Offset): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (lastOffset(this.#bytes, middle * abortedEntryBytes) < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #makeRoom(count: number): void {
    const used = this.#count * abortedEntryBytes
    const wanted = used + count * abortedEntryBytes
    if (wanted <= this.#bytes.length) return
    const bytes = Buffer.allocUnsafeSlow(Math.max(4 * abortedEntryBytes, this.#bytes.length * 2, wanted))
    this.#bytes.copy(bytes, 0, 0, used)
    this.#bytes = bytes
  }

  #noteLeast(first: Offset): void {
    const block = Math.floor(this.#count / blockEntries)
    this.#least[block] = Math.min(this.#least[block] ?? Number.POSITIVE_INFINITY, first)
  }
}

const producerId = (bytes: Buffer, at: number) => readInt64(bytes, at + 2)
const firstOffset = (bytes: Buffer, at: number) => header.readOffset(bytes, at + 10)
const lastOffset = (bytes: Buffer, at: number) => header.readOffset(bytes, at + 18)
const lastStableOffset = (bytes: Buffer, at: number) => header.readOffset(bytes, at + 26)

function encodeAborted(aborted: AbortedTransaction, into: Buffer, at: number): void {
  into.writeInt16BE(version, at)
  writeInt64(into, at + 2, aborted.producerId)
  writeInt64(into, at + 10, aborted.firstOffset)
  writeInt64(into, at + 18, aborted.lastOffset)
  writeInt64(into, at + 26, aborted.lastStableOffset)
}

function decodeAborted(bytes: Buffer, at: number): AbortedTransaction {
  return {
    producerId: producerId(bytes, at),
    firstOffset: firstOffset(bytes, at),
    lastOffset: lastOffset(bytes, at),
    lastStableOffset: lastStableOffset(bytes, at),
  }
}

/** In the place of an entry behind the last one of a file: the checksum of all before it. It concerns no offset. */
export function checksumEntry(checksum: number): Buffer {
  const entry = Buffer.alloc(abortedEntryBytes)
  entry.writeInt16BE(version, 0)
  writeInt64(entry, 2, checksum)
  entry.writeBigInt64BE(nowhere, 10)
  entry.writeBigInt64BE(nowhere, 18)
  writeInt64(entry, 26, -1)
  return entry
}

export function isChecksumEntry(bytes: Buffer, at: number): boolean {
  return bytes.readBigInt64BE(at + 10) === nowhere
}

/** Throws when the entry cannot come after one that ended at `previous`; answers where it ends. */
function checkEntry(bytes: Buffer, at: number, previous: Offset): Offset {
  if (bytes.readInt16BE(at) !== version) throw new Error(`unknown version ${bytes.readInt16BE(at)} of a transaction index entry`)
  const [first, last, stable] = [firstOffset(bytes, at), lastOffset(bytes, at), lastStableOffset(bytes, at)]
  if (last <= previous || last > header.maxOffset) throw new Error(`transaction index entry ${last} after ${previous}`)
  if (first < 0 || first >= last || stable < 0 || stable > last + 1)
    throw new Error(`invalid transaction index entry: first offset ${first}, last offset ${last}, last stable offset ${stable}`)
  return last
}
