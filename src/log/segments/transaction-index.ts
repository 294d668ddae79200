/**
 * `.txnindex`: the aborted transactions whose markers lie in a segment, in Kafka's format (AbortedTxn version 0, 34 bytes each, ordered by
 * last offset). There is no file while there is none.
 *
 * Unlike the other indexes it cannot be thinner than the log: an entry that a power cut takes makes aborted records visible. So a checkpoint
 * syncs it with the segment.
 */
import { type FileSystem, type Int64, readInt64, writeInt64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'

export interface AbortedTransaction {
  producerId: Int64
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
  /** What a power cut could take: entries, or the file with its name; of a file that was found nobody knows. */
  #unsynced: 'nothing' | 'entries' | 'file'

  constructor(context: { files: FileSystem; handles: FileHandles }, path: string, baseOffset: Offset, isNew: boolean) {
    this.path = path
    this.#files = context.files
    this.#handles = context.handles
    this.#baseOffset = baseOffset
    this.#entries = isNew ? [] : null
    this.#unsynced = isNew ? 'nothing' : 'file'
  }

  all(): readonly AbortedTransaction[] {
    return this.#load()
  }

  append(aborted: AbortedTransaction): void {
    this.#load().push(aborted)
  }

  /** Whether the file has all entries that a checkpoint counted. */
  has(count: number): boolean {
    if (count === 0) return true
    try {
      const file = this.#files.readFile(this.path)
      return file !== null && decodeAborted(file, this.#baseOffset, count).length === count
    } catch {
      // Damaged: it is made anew from the segment.
      return false
    }
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
    if (this.#unsynced !== 'file') this.#unsynced = this.#files.exists(this.path) ? 'entries' : 'file'
    const added = this.#entries.slice(this.#written).map(encodeAborted)
    this.#handles.get(this.path).writeSync(added, this.#written * abortedTransactionBytes)
    this.#written = this.#entries.length
  }

  /** What was flushed survives a power cut afterwards, but for the name of a new file: true when the directory has to be synced. */
  async datasync(): Promise<boolean> {
    const unsynced = this.#unsynced
    if (unsynced === 'nothing') return false
    this.#unsynced = 'nothing'
    if (!this.#files.exists(this.path)) return false
    try {
      await this.#handles.with(this.path, file => file.datasync())
    } catch (error) {
      this.#unsynced = unsynced
      throw error
    }
    return unsynced === 'file'
  }

  #cutFile(entries: number): void {
    this.#written = entries
    if (!this.#files.exists(this.path)) return
    if (this.#unsynced === 'nothing') this.#unsynced = 'entries'
    this.#handles.get(this.path).truncate(entries * abortedTransactionBytes)
  }

  #load(): AbortedTransaction[] {
    if (this.#entries === null) {
      const file = this.#files.readFile(this.path)
      this.#entries = file === null ? [] : decodeAborted(file, this.#baseOffset, this.#adopted)
      this.#written = this.#entries.length
      if (file !== null && this.#adopted * abortedTransactionBytes < file.length) this.#cutFile(this.#adopted)
    }
    return this.#entries
  }
}

function encodeAborted(aborted: AbortedTransaction): Buffer {
  const bytes = Buffer.allocUnsafe(abortedTransactionBytes)
  bytes.writeInt16BE(version, 0)
  writeInt64(bytes, 2, aborted.producerId)
  writeInt64(bytes, 10, aborted.firstOffset)
  writeInt64(bytes, 18, aborted.lastOffset)
  writeInt64(bytes, 26, aborted.lastStableOffset)
  return bytes
}

/** At most the first `count` entries: what lies behind may be torn. Throws when the file is damaged. */
function decodeAborted(file: Buffer, baseOffset: Offset, count: number): AbortedTransaction[] {
  const end = Math.min(count * abortedTransactionBytes, file.length)
  if (end % abortedTransactionBytes !== 0) throw new Error(`transaction index of ${file.length} bytes`)
  const all: AbortedTransaction[] = []
  let previous = baseOffset - 1
  for (let at = 0; at < end; at += abortedTransactionBytes) {
    if (file.readInt16BE(at) > version) throw new Error(`transaction index entry of version ${file.readInt16BE(at)}`)
    const entry = {
      producerId: readInt64(file, at + 2),
      firstOffset: header.readOffset(file, at + 10),
      lastOffset: header.readOffset(file, at + 18),
      lastStableOffset: header.readOffset(file, at + 26),
    }
    if (entry.lastOffset <= previous || entry.lastOffset > header.maxOffset)
      throw new Error(`transaction index entry ${entry.lastOffset} after ${previous}`)
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
