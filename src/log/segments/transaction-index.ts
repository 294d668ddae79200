/**
 * `.txnindex`: the aborted transactions whose markers are in a segment, in Kafka's format (AbortedTxn version 0, 34 bytes each, ordered by
 * last offset). The file exists only if there are any.
 *
 * Unlike the other indexes, it must be complete and right: otherwise aborted records would be visible, or committed ones would not. So a
 * checkpoint syncs it with the segment, and the index of a sealed segment ends with a checksum. That has the form of an entry which concerns no
 * offset and which nothing can follow: Kafka does not hand it out, and cuts it off before it appends. Kafka's own files have none.
 *
 * Hides when the file is read (off the event loop, because it may have millions of entries), that the index of a sealed segment leaves memory
 * again, and how the few entries that a reader needs are found. While one transaction stays open and many others are aborted, all of their
 * entries would have to be examined; so whole blocks of entries are skipped by the minimum of their first offsets.
 */
import { crc32c, DiskError, type FileSystem, type Int64, readInt64, writeInt64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'
import type { IndexMemory } from './index-file.ts'

export interface AbortedTransaction {
  producerId: Int64
  firstOffset: Offset
  /** Offset of the abort marker. */
  lastOffset: Offset
  /** The last stable offset right after the marker: from here on, older aborted transactions need not be searched. */
  lastStableOffset: Offset
}

const entryBytes = 34
const version = 0
/** First and last offset of the entry with the checksum. */
const nowhere = 2n ** 63n - 1n
const blockEntries = 64
/** Entries that are read and checked at once. */
const stepEntries = 16_384
const noBytes = Buffer.alloc(0)

export class TransactionIndex {
  path: string
  readonly #files: FileSystem
  readonly #handles: FileHandles
  readonly #memory: IndexMemory
  readonly #baseOffset: Offset
  /** Room at the end may be unused. null: not in memory. */
  #bytes: Buffer | null
  /** Number of entries. Anything beyond them in the file is ignored. */
  #count = 0
  #written = 0
  /** Of the entries in the file. */
  #checksum = 0
  /** Of each block of entries the least first offset; too low where entries were taken back. */
  #least: Offset[] = []
  #loading: Promise<void> | null = null
  /** Nothing will be appended: may leave memory. */
  #isSealed: boolean
  /** What a power cut could take: entries, or the file with its name; for a file that already existed this is unknown. */
  #unsynced: 'nothing' | 'entries' | 'file'

  constructor(
    context: { files: FileSystem; handles: FileHandles; indexes: IndexMemory },
    path: string,
    baseOffset: Offset,
    isNew: boolean,
  ) {
    this.path = path
    this.#files = context.files
    this.#handles = context.handles
    this.#memory = context.indexes
    this.#baseOffset = baseOffset
    this.#bytes = isNew ? noBytes : null
    this.#count = isNew ? 0 : Number.POSITIVE_INFINITY
    this.#isSealed = !isNew
    this.#unsynced = isNew ? 'nothing' : 'file'
  }

  async all(): Promise<AbortedTransaction[]> {
    const all: AbortedTransaction[] = []
    await this.collect(0, Number.POSITIVE_INFINITY, all)
    return all
  }

  /**
   * Adds to `into` the entries that a reader of [from, to) must know. True when no later segment's index can hold more. A promise when the
   * file has to be read first; it rejects when that is damaged.
   */
  collect(from: Offset, to: Offset, into: AbortedTransaction[]): boolean | Promise<boolean> {
    return this.#bytes === null ? this.load().then(() => this.#collect(from, to, into)) : this.#collect(from, to, into)
  }

  /** Reads the file into memory. Rejects when it is damaged. */
  load(): Promise<void> {
    if (this.#bytes !== null) return Promise.resolve()
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  append(aborted: AbortedTransaction): void {
    const at = this.#count * entryBytes
    let bytes = this.#loaded()
    if (at + entryBytes > bytes.length) {
      bytes = Buffer.allocUnsafeSlow(Math.max(4 * entryBytes, bytes.length * 2))
      this.#loaded().copy(bytes, 0, 0, at)
      this.#bytes = bytes
    }
    encodeAborted(aborted, bytes, at)
    this.#noteLeast(this.#count, aborted.firstOffset)
    this.#count++
  }

  /** Applies a checkpoint: only the first `count` entries of the file are valid. False if it does not have them all. */
  async adopt(count: number): Promise<boolean> {
    this.#bytes = count === 0 ? noBytes : null
    this.#count = this.#written = count
    this.#checksum = 0
    this.#isSealed = false
    this.#least = []
    try {
      await this.load()
    } catch {
      // Damaged: the segment makes it again.
      return false
    }
    if (this.#count < count) return false
    this.#cutFile()
    return true
  }

  /** The file is touched only where entries that go are in it, or may be. */
  truncateToCount(count: number): void {
    const isKnown = this.#bytes !== null
    if (count === 0) {
      // Also if the file is damaged: recovery discards everything and starts over.
      this.#bytes = noBytes
      this.#isSealed = false
    } else this.#loaded()
    const written = Math.min(this.#written, count)
    this.#count = Math.min(this.#count, count)
    this.#least.length = Math.ceil(this.#count / blockEntries)
    if (isKnown && written === this.#written) return
    this.#written = written
    this.#checksum = crc32c(this.#loaded().subarray(0, written * entryBytes))
    this.#cutFile()
  }

  flush(): void {
    if (this.#bytes === null || this.#count === this.#written) return
    const exists = this.#files.exists(this.path)
    if (this.#unsynced !== 'file') this.#unsynced = exists ? 'entries' : 'file'
    const file = exists ? this.#handles.get(this.path) : this.#handles.create(this.path)
    const added = this.#bytes.subarray(this.#written * entryBytes, this.#count * entryBytes)
    file.writeSync([added], this.#written * entryBytes)
    this.#checksum = crc32c(added, this.#checksum)
    this.#written = this.#count
  }

  /**
   * In place of a damaged file, of a sealed segment. `isWanted`: whether the name is still this segment's. Should the disk refuse, the entries
   * stay in memory.
   */
  async remake(entries: readonly AbortedTransaction[], isWanted: () => boolean): Promise<void> {
    this.#bytes = noBytes
    this.#count = this.#written = 0
    this.#least = []
    for (const entry of entries) this.append(entry)
    const { path } = this
    const remade = `${path}.remade`
    const content = this.#loaded().subarray(0, this.#count * entryBytes)
    const checksum = crc32c(content)
    try {
      // Under another name until it is on the disk: a file that a power cut left empty would say that nothing was aborted.
      await writeDurably(this.#files, remade, this.#count === 0 ? [] : [content, checksumEntry(checksum)])
      if (path !== this.path || !isWanted()) return await this.#files.removeFile(remade)
      this.#handles.forget(path)
      this.#files.rename(remade, path)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      return
    }
    this.#written = this.#count
    this.#checksum = checksum
    this.#unsynced = 'file'
    this.#memory.touch(this, this.#loaded().length)
  }

  /** No more entries will come: from now on it may leave memory. */
  seal(): void {
    this.flush()
    if (!this.#isSealed && this.#bytes !== null && this.#count > 0) {
      this.#handles.get(this.path).writeSync([checksumEntry(this.#checksum)], this.#count * entryBytes)
      if (this.#unsynced === 'nothing') this.#unsynced = 'entries'
    }
    this.#isSealed = true
    if (this.#bytes !== null && this.#count > 0) this.#memory.touch(this, this.#bytes.length)
  }

  /** Drops from memory what is in the file. */
  unload(): void {
    this.#memory.forget(this)
    if (this.#isSealed && this.#written === this.#count && this.#count > 0) this.#bytes = null
  }

  /** What was flushed survives a power cut afterwards, but for the name of a new file: true when the directory has to be synced. */
  async datasync(): Promise<boolean> {
    const unsynced = this.#unsynced
    if (unsynced === 'nothing') return false
    this.#unsynced = 'nothing'
    try {
      if (!this.#files.exists(this.path)) return false
      await this.#handles.with(this.path, file => file.datasync())
    } catch (error) {
      this.#unsynced = unsynced
      throw error
    }
    return unsynced === 'file'
  }

  #collect(from: Offset, to: Offset, into: AbortedTransaction[]): boolean {
    const bytes = this.#loaded()
    if (this.#count === 0) return false
    for (let nth = this.#firstEndingAt(from); nth < this.#count; ) {
      const nextBlock = nth - (nth % blockEntries) + blockEntries
      if (nth % blockEntries === 0 && this.#least[nth / blockEntries]! >= to) {
        nth = Math.min(nextBlock, this.#count)
        if (lastStableOffset(bytes, (nth - 1) * entryBytes) >= to) return true
        continue
      }
      for (; nth < nextBlock && nth < this.#count; nth++) {
        const at = nth * entryBytes
        if (firstOffset(bytes, at) < to) into.push(decodeAborted(bytes, at))
        if (lastStableOffset(bytes, at) >= to) return true
      }
    }
    return false
  }

  /** Number of the first entry whose marker is at `offset` or after it. */
  #firstEndingAt(offset: Offset): number {
    const bytes = this.#loaded()
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (lastOffset(bytes, middle * entryBytes) < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #noteLeast(nth: number, first: Offset): void {
    const block = Math.floor(nth / blockEntries)
    this.#least[block] = Math.min(this.#least[block] ?? Number.POSITIVE_INFINITY, first)
  }

  #cutFile(): void {
    if (!this.#files.exists(this.path)) return
    const file = this.#handles.get(this.path)
    if (file.size() === this.#written * entryBytes) return
    if (this.#unsynced === 'nothing') this.#unsynced = 'entries'
    file.truncate(this.#written * entryBytes)
  }

  #loaded(): Buffer {
    if (this.#bytes === null) throw new Error(`${this.path} has not been read`)
    return this.#bytes
  }

  async #load(): Promise<void> {
    const bytes = await this.#read()
    this.#count = this.#written = bytes.length / entryBytes
    this.#bytes = bytes
    if (this.#isSealed) this.#memory.touch(this, bytes.length)
  }

  async #read(): Promise<Buffer> {
    if (!this.#files.exists(this.path)) return noBytes
    const size = Math.min(this.#handles.get(this.path).size(), this.#count * entryBytes)
    if (size % entryBytes !== 0) throw new Error(`${this.path}: the size of ${size} bytes is not a multiple of ${entryBytes}`)
    const bytes = Buffer.allocUnsafeSlow(size)
    let previous = this.#baseOffset - 1
    this.#least = []
    let checksum = 0
    let end = 0
    for (let from = 0; from < size; from += stepEntries * entryBytes) {
      const step = bytes.subarray(from, from + stepEntries * entryBytes)
      const got = await this.#handles.with(this.path, file => file.read(step, from))
      if (got < step.length) throw new Error(`${this.path}: transaction index ends at byte ${from + got}`)
      const hasChecksum = from + step.length === size && isChecksum(bytes, size - entryBytes)
      end = hasChecksum ? size - entryBytes : from + step.length
      for (let at = from; at < end; at += entryBytes) {
        previous = checkEntry(bytes, at, previous)
        this.#noteLeast(at / entryBytes, firstOffset(bytes, at))
      }
      checksum = crc32c(bytes.subarray(from, end), checksum)
      if (hasChecksum && !bytes.subarray(end).equals(checksumEntry(checksum))) throw new Error(`${this.path}: wrong checksum`)
    }
    this.#checksum = checksum
    return bytes.subarray(0, end)
  }
}

async function writeDurably(files: FileSystem, path: string, content: readonly Buffer[]): Promise<void> {
  const file = files.open(path, 'rw')
  try {
    file.truncate(0)
    await file.write(content, 0)
    await file.datasync()
  } finally {
    file.close()
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

function checksumEntry(checksum: number): Buffer {
  const entry = Buffer.alloc(entryBytes)
  entry.writeInt16BE(version, 0)
  writeInt64(entry, 2, checksum)
  entry.writeBigInt64BE(nowhere, 10)
  entry.writeBigInt64BE(nowhere, 18)
  writeInt64(entry, 26, -1)
  return entry
}

function isChecksum(bytes: Buffer, at: number): boolean {
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
