/**
 * A sorted file of fixed-size entries (`.index`, `.timeindex`), of which as little as needed is in memory: new entries until they are
 * written, the whole of it while it is being searched. {@link IndexMemory} bounds what all of them together keep.
 */
import type { FileHandles } from './file-handles.ts'

/** What the index files of a broker share: a bound on the bytes of loaded indexes, of which those not used for longest go. */
export class IndexMemory {
  readonly #limit: number
  readonly #loaded = new Map<IndexFile, number>()
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limit = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  touch(index: IndexFile, bytes: number): void {
    this.forget(index)
    this.#loaded.set(index, bytes)
    this.#bytes += bytes
    for (const [oldest] of this.#loaded) {
      if (this.#bytes <= this.#limit || oldest === index) return
      oldest.unload()
    }
  }

  forget(index: IndexFile): void {
    this.#bytes -= this.#loaded.get(index) ?? 0
    this.#loaded.delete(index)
  }
}

export class IndexFile {
  path: string
  readonly #handles: FileHandles
  readonly #memory: IndexMemory
  readonly #entryBytes: number
  /** Whether entry `at` of `bytes` may follow the one before; the first that may not, and all after it, are not believed. */
  readonly #follows: (bytes: Buffer, at: number) => boolean
  /** Entries from number #from on. Room at the end may be unused. */
  #bytes = noBytes
  #from = 0
  /** Entries there are; -1 until the file has been looked at. */
  #count: number
  /** How many of them are in the file. */
  #written: number
  /** The file holds more than #written entries of ours: preallocated by Kafka, or left by a rollback. */
  #excess = false
  /** Entries that a checkpoint counted but a damaged file no longer has. Searching only begins earlier without them. */
  #lost = 0

  constructor(
    path: string,
    entryBytes: number,
    isNew: boolean,
    follows: (bytes: Buffer, at: number) => boolean,
    handles: FileHandles,
    memory: IndexMemory,
  ) {
    this.path = path
    this.#handles = handles
    this.#memory = memory
    this.#entryBytes = entryBytes
    this.#follows = follows
    this.#count = isNew ? 0 : -1
    this.#written = isNew ? 0 : -1
  }

  /** Number of entries. */
  get count(): number {
    if (this.#count < 0) this.load()
    return this.#count
  }

  /** How many of them are in the file. */
  get written(): number {
    return Math.max(0, this.#written)
  }

  /** Believes a checkpoint: exactly `count` entries of the file are valid. */
  adopt(count: number): void {
    this.unload()
    this.#count = count
    this.#written = count
    this.#from = count
    this.#bytes = noBytes
    this.#excess = true
    this.#lost = 0
  }

  /** All entries, `count` × entry size bytes; valid until the next call. */
  load(): Buffer {
    if (this.#count < 0 || this.#from > 0) this.#read()
    this.#memory.touch(this, this.#bytes.length)
    return this.#bytes.subarray(0, this.#count * this.#entryBytes)
  }

  /** Room for one more entry, to be filled by the caller at once. */
  append(): { bytes: Buffer; at: number } {
    const at = (this.count - this.#from) * this.#entryBytes
    if (at + this.#entryBytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(4 * this.#entryBytes, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    this.#count++
    return { bytes: this.#bytes, at }
  }

  /** Keeps the first `count` entries. */
  truncate(count: number): void {
    const kept = Math.max(0, count - this.#lost)
    if (kept >= this.count) return
    if (kept < this.#from) {
      this.#bytes = noBytes
      this.#from = kept
      this.#memory.forget(this)
    }
    this.#count = kept
    if (this.#written > kept) {
      this.#written = kept
      this.#excess = true
    }
  }

  /** Writes what is not in the file yet. Also makes an empty file. */
  flush(): void {
    if (this.#count < 0 || (this.#written === this.#count && !this.#excess && this.#count > 0)) return
    const file = this.#handles.get(this.path)
    const first = (this.#written - this.#from) * this.#entryBytes
    const last = (this.#count - this.#from) * this.#entryBytes
    if (last > first) file.writeSync([this.#bytes.subarray(first, last)], this.#written * this.#entryBytes)
    if (this.#excess) file.truncate(this.#count * this.#entryBytes)
    this.#written = this.#count
    this.#excess = false
  }

  /** Drops from memory what is in the file. */
  unload(): void {
    this.#memory.forget(this)
    if (this.#count < 0 || this.#written === this.#from) return
    const first = (this.#written - this.#from) * this.#entryBytes
    const last = (this.#count - this.#from) * this.#entryBytes
    this.#bytes = last > first ? Buffer.from(this.#bytes.subarray(first, last)) : noBytes
    this.#from = this.#written
  }

  #read(): void {
    const known = this.#written
    const file = this.#handles.get(this.path)
    const inFile = Math.floor(file.size() / this.#entryBytes)
    const toRead = known < 0 ? inFile : Math.min(known, inFile)
    const pending = known < 0 ? 0 : this.#count - this.#from
    const bytes = Buffer.allocUnsafeSlow((toRead + pending) * this.#entryBytes)
    const got = file.readSync(bytes.subarray(0, toRead * this.#entryBytes), 0)
    const valid = this.#believed(bytes, Math.floor(got / this.#entryBytes))
    if (pending > 0) this.#bytes.copy(bytes, valid * this.#entryBytes, 0, pending * this.#entryBytes)
    if (known >= 0) this.#lost += known - valid
    this.#count = valid + pending
    this.#written = valid
    this.#excess ||= valid * this.#entryBytes < file.size()
    this.#bytes = bytes
    this.#from = 0
  }

  #believed(bytes: Buffer, entries: number): number {
    for (let entry = 0; entry < entries; entry++) if (!this.#follows(bytes, entry * this.#entryBytes)) return entry
    return entries
  }
}

const noBytes = Buffer.alloc(0)
