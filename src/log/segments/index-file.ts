/**
 * A sorted file of fixed-size entries (`.index`, `.timeindex`). New entries are in memory until they are written; the others are searched in
 * the file, page by page.
 *
 * Hides which pages are in memory ({@link IndexMemory} limits all indexes together), Kafka's preallocated space at the end, and checks:
 * entries that are out of order, such as zeros left by a power cut, are a {@link DamagedIndex}. Nothing is synced: missing or damaged
 * entries are rebuilt from the log.
 */
import { DiskError, type FileHandle } from '../../base.ts'
import type { FileHandles } from './file-handles.ts'

interface Evictable {
  /** Drops from memory what is in the file. */
  unload(): void
}

/** What the indexes of a broker share: a bound on the bytes that they have in memory, of which those of the index not used for longest go. */
export class IndexMemory {
  readonly #limit: number
  readonly #loaded = new Map<Evictable, number>()
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limit = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  touch(index: Evictable, bytes: number): void {
    this.forget(index)
    this.#loaded.set(index, bytes)
    this.#bytes += bytes
    for (const [oldest] of this.#loaded) {
      if (this.#bytes <= this.#limit || oldest === index) return
      oldest.unload()
    }
  }

  forget(index: Evictable): void {
    this.#bytes -= this.#loaded.get(index) ?? 0
    this.#loaded.delete(index)
  }
}

/** The file differs from what was written: the index has to be rebuilt. */
export class DamagedIndex extends Error {
  constructor(path: string, what: string) {
    super(`${path}: ${what}`)
    this.name = 'DamagedIndex'
  }
}

/** What an index's entries look like. */
export interface EntryFormat {
  bytes: number
  /** Whether the entry may stand alone; zeros may not. */
  isPlausible(bytes: Buffer, at: number): boolean
  /** Whether the entry at `next` may come right after the one at `at`. */
  isNext(bytes: Buffer, at: number, next: number): boolean
}

export interface Entry {
  bytes: Buffer
  at: number
}

const pageBytes = 4096
const noBytes = Buffer.alloc(0)

export class IndexFile {
  path: string
  readonly #handles: FileHandles
  readonly #memory: IndexMemory
  readonly #format: EntryFormat
  readonly #entriesPerPage: number
  /** Pages of the file; null: none. */
  #pages: Map<number, Buffer> | null = null
  /** Entries that are not in the file yet. Room at the end may be unused. */
  #pending = noBytes
  #pendingCount = 0
  /** Entries in the file; -1 until it has been looked at. */
  #written: number
  /** The file may hold more than #written entries: preallocated by Kafka, or left by a rollback. */
  #excess = false
  #exists: boolean

  constructor(path: string, format: EntryFormat, isNew: boolean, handles: FileHandles, memory: IndexMemory) {
    this.path = path
    this.#handles = handles
    this.#memory = memory
    this.#format = format
    this.#entriesPerPage = Math.floor(pageBytes / format.bytes)
    this.#written = isNew ? 0 : -1
    this.#exists = !isNew
  }

  /** Number of entries. */
  get count(): number {
    return this.#inFile + this.#pendingCount
  }

  /** How many of them are in the file. */
  get written(): number {
    return Math.max(0, this.#written)
  }

  /** Applies a checkpoint: exactly `count` entries of the file are valid. */
  adopt(count: number): void {
    this.unload()
    this.#pending = noBytes
    this.#pendingCount = 0
    this.#written = count
    this.#excess = true
  }

  /** Room for one more entry, to be filled by the caller at once. */
  append(): Entry {
    if (this.#written < 0) this.#look()
    const { bytes } = this.#format
    const at = this.#pendingCount * bytes
    if (at + bytes > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(4 * bytes, this.#pending.length * 2))
      this.#pending.copy(larger, 0, 0, at)
      this.#pending = larger
    }
    this.#pendingCount++
    return { bytes: this.#pending, at }
  }

  /** Keeps the first `count` entries. */
  truncate(count: number): void {
    if (count >= this.count) return
    this.#pendingCount = Math.max(0, count - this.#written)
    if (count >= this.#written) return
    this.unload()
    this.#written = count
    this.#excess = true
  }

  /** Writes what is not in the file yet. Also makes an empty file. */
  flush(): void {
    if (this.#written < 0 || (this.#pendingCount === 0 && !this.#excess && this.#exists)) return
    const { bytes } = this.#format
    let file = this.#open()
    if (file === null) {
      file = this.#handles.create(this.path)
      this.#exists = true
      // It may have been removed: an index may have few entries, but no gap.
      this.#written = 0
    }
    const end = this.#pendingCount * bytes
    if (end > 0) file.writeSync([this.#pending.subarray(0, end)], this.#written * bytes)
    if (this.#excess) file.truncate(this.count * bytes)
    this.#dropPage(Math.floor(this.#written / this.#entriesPerPage))
    this.#written += this.#pendingCount
    this.#pending = noBytes
    this.#pendingCount = 0
    this.#excess = false
  }

  /** Drops the file's pages from memory. */
  unload(): void {
    this.#memory.forget(this)
    this.#pages = null
  }

  /** The last entry; null when there is none. Rejecting a damaged one is left to `check` and `find`. */
  last(): Entry | null {
    const { bytes } = this.#format
    if (this.#pendingCount > 0) return { bytes: this.#pending, at: (this.#pendingCount - 1) * bytes }
    if (this.#inFile === 0) return null
    const entry = Buffer.alloc(bytes)
    const got = this.#open()?.readSync(entry, (this.#written - 1) * bytes) ?? 0
    return got === bytes && this.#format.isPlausible(entry, 0) ? { bytes: entry, at: 0 } : null
  }

  /** The last entry for which `holds`, which must be true for the first entries up to some one only. Rejects with DamagedIndex. */
  async find(holds: (bytes: Buffer, at: number) => boolean): Promise<Entry | null> {
    if (this.#pendingCount > 0 && holds(this.#pending, 0)) return this.#lastIn(this.#pending, this.#pendingCount, holds)
    let low = -1
    let high = Math.ceil(this.#inFile / this.#entriesPerPage) - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (holds(await this.#page(middle), 0)) low = middle
      else high = middle - 1
    }
    if (low < 0) return null
    const page = await this.#page(low)
    return this.#lastIn(page, page.length / this.#format.bytes, holds)
  }

  /** Reads all that is in the file. Rejects with DamagedIndex when it cannot be what was written. */
  async check(): Promise<void> {
    const { bytes, isNext } = this.#format
    const step = 16 * this.#entriesPerPage
    let last: Buffer | null = null
    for (let first = 0; first < this.#inFile; first += step) {
      const entries = await this.#readEntries(first, Math.min(step, this.#inFile - first))
      if (last !== null && !isNext(Buffer.concat([last, entries.subarray(0, bytes)]), 0, bytes))
        throw new DamagedIndex(this.path, 'has an entry that is out of order')
      last = Buffer.from(entries.subarray(entries.length - bytes))
    }
  }

  get #inFile(): number {
    if (this.#written < 0) this.#look()
    return this.#written
  }

  /** null when there is no such file. */
  #open(): FileHandle | null {
    if (!this.#exists) return null
    try {
      return this.#handles.get(this.path)
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error
      this.#exists = false
      return null
    }
  }

  /** Where the entries of a file end that was just opened: before the zeros that Kafka puts there in advance. */
  #look(): void {
    const { bytes } = this.#format
    const file = this.#open()
    if (file === null) {
      this.#written = 0
      return
    }
    const size = file.size()
    const entry = Buffer.alloc(bytes)
    const isZero = (nth: number) => {
      file.readSync(entry, nth * bytes)
      return entry.every(byte => byte === 0)
    }
    let low = 0
    let high = Math.floor(size / bytes)
    if (high > 0 && !isZero(high - 1)) low = high
    while (low < high) {
      const middle = (low + high) >> 1
      if (isZero(middle)) high = middle
      else low = middle + 1
    }
    this.#written = low
    this.#excess = low * bytes < size
  }

  async #page(number: number): Promise<Buffer> {
    const known = this.#pages?.get(number)
    const written = this.#inFile
    const page = known ?? (await this.#readPage(number))
    // What was written or cut off meanwhile would be missing in it, or be left in it.
    if (this.#written === written) {
      this.#pages ??= new Map()
      this.#pages.set(number, page)
    }
    this.#touch()
    return page
  }

  async #readPage(number: number): Promise<Buffer> {
    const first = number * this.#entriesPerPage
    return await this.#readEntries(first, Math.min(this.#entriesPerPage, this.#inFile - first))
  }

  async #readEntries(first: number, count: number): Promise<Buffer> {
    const { bytes } = this.#format
    if (count <= 0 || this.#open() === null) throw new DamagedIndex(this.path, `has no entry ${first}`)
    const entries = Buffer.allocUnsafeSlow(count * bytes)
    const got = await this.#handles.with(this.path, file => file.read(entries, first * bytes))
    if (got < entries.length) throw new DamagedIndex(this.path, `ends at byte ${first * bytes + got}`)
    this.#checkEntries(entries)
    return entries
  }

  #checkEntries(entries: Buffer): void {
    const { bytes, isPlausible, isNext } = this.#format
    if (!isPlausible(entries, 0)) throw new DamagedIndex(this.path, 'has an invalid entry')
    for (let at = bytes; at < entries.length; at += bytes)
      if (!isNext(entries, at - bytes, at)) throw new DamagedIndex(this.path, 'has an entry that is out of order')
  }

  #dropPage(number: number): void {
    if (this.#pages?.delete(number)) this.#touch()
  }

  #touch(): void {
    this.#memory.touch(this, (this.#pages?.size ?? 0) * pageBytes)
  }

  #lastIn(entries: Buffer, count: number, holds: (bytes: Buffer, at: number) => boolean): Entry {
    const { bytes } = this.#format
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (holds(entries, middle * bytes)) low = middle
      else high = middle - 1
    }
    return { bytes: entries, at: low * bytes }
  }
}
