/**
 * `.txnindex`: the aborted transactions whose markers lie in a segment, in Kafka's format (AbortedTxn version 0, 34 bytes each, ordered by
 * last offset). There is no file while there is none.
 */
import type { FileSystem } from '../base.ts'
import type { Offset } from '../protocol.ts'
import type { FileHandles } from './file-handles.ts'

export interface AbortedTransaction {
  producerId: number
  firstOffset: Offset
  /** Offset of the abort marker. */
  lastOffset: Offset
  /** The last stable offset right after the marker: from here on, older aborted transactions need not be searched. */
  lastStableOffset: Offset
}

const abortedTransactionBytes = 34
const version = 0

export class TransactionIndex {
  path: string
  readonly #files: FileSystem
  readonly #handles: FileHandles
  readonly #baseOffset: Offset
  /** null: not read yet. */
  #entries: AbortedTransaction[] | null
  #written = 0
  /** A checkpoint's count: what the file has beyond is cut when it is read. */
  #adopted = Number.POSITIVE_INFINITY

  constructor(context: { files: FileSystem; handles: FileHandles }, path: string, baseOffset: Offset, isNew: boolean) {
    this.path = path
    this.#files = context.files
    this.#handles = context.handles
    this.#baseOffset = baseOffset
    this.#entries = isNew ? [] : null
  }

  all(): readonly AbortedTransaction[] {
    return this.#load()
  }

  append(aborted: AbortedTransaction): void {
    this.#load().push(aborted)
  }

  /** Believes a checkpoint: only the first `count` entries of the file are valid. */
  adopt(count: number): void {
    this.#entries = null
    this.#adopted = count
  }

  /** Drops entries at and above `offset`. */
  truncateTo(offset: Offset): void {
    this.truncateToCount(this.#load().filter(aborted => aborted.lastOffset < offset).length)
  }

  truncateToCount(count: number): void {
    // Also when the file is damaged: recovery drops everything and begins anew.
    if (count === 0) this.#entries = []
    else this.#load().length = Math.min(count, this.#load().length)
    if (this.#entries!.length < this.#written || count === 0) this.#cutFile(this.#entries!.length)
  }

  flush(): void {
    if (this.#entries === null || this.#entries.length === this.#written) return
    const added = this.#entries.slice(this.#written).map(encodeAborted)
    this.#handles.get(this.path).writeSync(added, this.#written * abortedTransactionBytes)
    this.#written = this.#entries.length
  }

  #cutFile(entries: number): void {
    this.#written = entries
    if (this.#files.exists(this.path)) this.#handles.get(this.path).truncate(entries * abortedTransactionBytes)
  }

  #load(): AbortedTransaction[] {
    if (this.#entries === null) {
      const file = this.#files.readFile(this.path)
      this.#entries = file === null ? [] : decodeAborted(file, this.#baseOffset)
      this.#written = this.#entries.length
      if (this.#written > this.#adopted) {
        this.#entries.length = this.#adopted
        this.#cutFile(this.#adopted)
      }
    }
    return this.#entries
  }
}

function encodeAborted(aborted: AbortedTransaction): Buffer {
  const bytes = Buffer.allocUnsafe(abortedTransactionBytes)
  bytes.writeInt16BE(version, 0)
  bytes.writeBigInt64BE(BigInt(aborted.producerId), 2)
  bytes.writeBigInt64BE(BigInt(aborted.firstOffset), 10)
  bytes.writeBigInt64BE(BigInt(aborted.lastOffset), 18)
  bytes.writeBigInt64BE(BigInt(aborted.lastStableOffset), 26)
  return bytes
}

/** Throws when the file is damaged. */
function decodeAborted(file: Buffer, baseOffset: Offset): AbortedTransaction[] {
  if (file.length % abortedTransactionBytes !== 0) throw new Error(`transaction index of ${file.length} bytes`)
  const all: AbortedTransaction[] = []
  let previous = baseOffset - 1
  for (let at = 0; at < file.length; at += abortedTransactionBytes) {
    if (file.readInt16BE(at) > version) throw new Error(`transaction index entry of version ${file.readInt16BE(at)}`)
    const entry = {
      producerId: Number(file.readBigInt64BE(at + 2)),
      firstOffset: Number(file.readBigInt64BE(at + 10)),
      lastOffset: Number(file.readBigInt64BE(at + 18)),
      lastStableOffset: Number(file.readBigInt64BE(at + 26)),
    }
    if (entry.lastOffset <= previous) throw new Error(`transaction index entry ${entry.lastOffset} after ${previous}`)
    previous = entry.lastOffset
    all.push(entry)
  }
  return all
}

/**
 * Adds to `into` those of `index` that a reader of [from, to) must know. True when no later segment's index can hold more: then stop.
 */
export function collectAborted(index: readonly AbortedTransaction[], from: Offset, to: Offset, into: AbortedTransaction[]): boolean {
  for (const aborted of index) {
    if (aborted.lastOffset >= from && aborted.firstOffset < to) into.push(aborted)
    if (aborted.lastStableOffset >= to) return true
  }
  return false
}
