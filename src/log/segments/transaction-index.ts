/**
 * `.txnindex`: the aborted transactions whose markers are in a segment, in Kafka's format. The file exists only if there are any.
 *
 * Unlike the other indexes, it must be complete and right: otherwise aborted records would be visible, or committed ones would not. So a
 * checkpoint syncs it with the segment, and the index of a sealed segment ends with a checksum. That has the form of an entry which concerns no
 * offset and which nothing can follow: Kafka does not hand it out, and cuts it off before it appends. Kafka's own files have none.
 *
 * Hides when the file is read (off the event loop, because it may have millions of entries), and that the index of a sealed segment leaves
 * memory again.
 */
import { crc32c, DiskError, type FileSystem } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import { AbortedEntries, type AbortedTransaction, abortedEntryBytes, checksumEntry, isChecksumEntry } from './aborted-entries.ts'
import type { FileHandles } from './file-handles.ts'
import type { IndexMemory } from './index-file.ts'

/** Entries that are read and checked at once. */
const stepEntries = 16_384

export class TransactionIndex {
  path: string
  readonly #files: FileSystem
  readonly #handles: FileHandles
  readonly #memory: IndexMemory
  readonly #baseOffset: Offset
  /** null: not in memory, or there are none. */
  #entries: AbortedEntries | null = null
  /** Without them: how many of the file's entries count. Most partitions have none. */
  #known: number
  #written = 0
  /** Of the entries in the file. */
  #checksum = 0
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
    this.#known = isNew ? 0 : Number.POSITIVE_INFINITY
    this.#isSealed = !isNew
    this.#unsynced = isNew ? 'nothing' : 'file'
  }

  async all(): Promise<AbortedTransaction[]> {
    await this.load()
    return this.#loaded().all()
  }

  /**
   * Adds to `into` the entries that a reader of [from, to) must know. True when no later segment's index can hold more. A promise when the
   * file has to be read first; it rejects when that is damaged.
   */
  collect(from: Offset, to: Offset, into: AbortedTransaction[]): boolean | Promise<boolean> {
    if (this.#isLoaded) return this.#entries?.collect(from, to, into) ?? false
    return this.load().then(() => this.collect(from, to, into))
  }

  /** Reads the file into memory. Rejects when it is damaged. */
  load(): Promise<void> {
    if (this.#isLoaded) return Promise.resolve()
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  append(aborted: AbortedTransaction): void {
    this.#loaded().append(aborted)
  }

  /** Of the entries in the file. */
  get checksum(): number {
    return this.#checksum
  }

  /** Applies a checkpoint: only the first `count` entries of the file are valid. False if it does not have them all, or others. */
  async adopt(count: number, checksum: number | null = null): Promise<boolean> {
    this.#entries = null
    this.#known = this.#written = count
    this.#checksum = 0
    this.#isSealed = false
    try {
      await this.load()
    } catch {
      // Damaged: the segment makes it again.
      return false
    }
    if (this.#count < count || (checksum !== null && checksum !== this.#checksum)) return false
    this.#cutFile()
    return true
  }

  /** The file is touched only where entries that go are in it, or may be. */
  truncateToCount(count: number): void {
    const isKnown = this.#isLoaded
    if (count === 0) {
      // Also if the file is damaged: recovery discards everything and starts over.
      this.#entries = null
      this.#known = 0
      this.#isSealed = false
    } else this.#loaded().truncate(count)
    const written = Math.min(this.#written, count)
    if (isKnown && written === this.#written) return
    this.#written = written
    this.#checksum = this.#entries === null ? 0 : crc32c(this.#entries.bytes(0, written))
    this.#cutFile()
  }

  flush(): void {
    const entries = this.#entries
    if (entries === null || entries.count === this.#written) return
    const exists = this.#files.exists(this.path)
    if (this.#unsynced !== 'file') this.#unsynced = exists ? 'entries' : 'file'
    const file = exists ? this.#handles.get(this.path) : this.#handles.create(this.path)
    const added = entries.bytes(this.#written)
    file.writeSync([added], this.#written * abortedEntryBytes)
    this.#checksum = crc32c(added, this.#checksum)
    this.#written = entries.count
  }

  /**
   * In place of a damaged file, of a sealed segment. `isWanted`: whether the name is still this segment's. Should the disk refuse, the entries
   * stay in memory.
   */
  async remake(entries: readonly AbortedTransaction[], isWanted: () => boolean): Promise<void> {
    const remadeEntries = new AbortedEntries(this.#baseOffset)
    for (const entry of entries) remadeEntries.append(entry)
    this.#entries = remadeEntries
    this.#written = 0
    const { path } = this
    const remade = `${path}.remade`
    const content = remadeEntries.bytes()
    const checksum = crc32c(content)
    try {
      // Under another name until it is on the disk: a file that a power cut left empty would say that nothing was aborted.
      await writeDurably(this.#files, remade, content.length === 0 ? [] : [content, checksumEntry(checksum)])
      if (path !== this.path || !isWanted()) return await this.#files.removeFile(remade)
      this.#handles.forget(path)
      this.#files.rename(remade, path)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      return
    }
    this.#written = remadeEntries.count
    this.#checksum = checksum
    this.#unsynced = 'file'
    this.#memory.touch(this, remadeEntries.size)
  }

  /** No more entries will come: from now on it may leave memory. */
  seal(): void {
    this.flush()
    const count = this.#entries?.count ?? 0
    if (!this.#isSealed && count > 0) {
      this.#handles.get(this.path).writeSync([checksumEntry(this.#checksum)], count * abortedEntryBytes)
      if (this.#unsynced === 'nothing') this.#unsynced = 'entries'
    }
    this.#isSealed = true
    if (count > 0) this.#memory.touch(this, this.#loaded().size)
  }

  /** Drops from memory what is in the file. */
  unload(): void {
    this.#memory.forget(this)
    const count = this.#entries?.count ?? 0
    if (!this.#isSealed || count === 0 || this.#written !== count) return
    this.#entries = null
    this.#known = count
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

  #cutFile(): void {
    if (!this.#files.exists(this.path)) return
    const file = this.#handles.get(this.path)
    if (file.size() === this.#written * abortedEntryBytes) return
    if (this.#unsynced === 'nothing') this.#unsynced = 'entries'
    file.truncate(this.#written * abortedEntryBytes)
  }

  get #isLoaded(): boolean {
    return this.#entries !== null || this.#known === 0
  }

  get #count(): number {
    return this.#entries?.count ?? this.#known
  }

  #loaded(): AbortedEntries {
    if (!this.#isLoaded) throw new Error(`${this.path} has not been read`)
    return (this.#entries ??= new AbortedEntries(this.#baseOffset))
  }

  async #load(): Promise<void> {
    const entries = await this.#read()
    this.#entries = entries
    this.#known = this.#written = entries?.count ?? 0
    if (this.#isSealed && entries !== null) this.#memory.touch(this, entries.size)
  }

  async #read(): Promise<AbortedEntries | null> {
    if (!this.#files.exists(this.path)) return null
    const size = Math.min(this.#handles.get(this.path).size(), this.#known * abortedEntryBytes)
    if (size % abortedEntryBytes !== 0) throw new Error(`${this.path}: the size of ${size} bytes is not a multiple of ${abortedEntryBytes}`)
    const bytes = Buffer.allocUnsafeSlow(size)
    const entries = new AbortedEntries(this.#baseOffset, bytes)
    let checksum = 0
    for (let from = 0; from < size; from += stepEntries * abortedEntryBytes) {
      const step = bytes.subarray(from, from + stepEntries * abortedEntryBytes)
      const got = await this.#handles.with(this.path, file => file.read(step, from))
      if (got < step.length) throw new Error(`${this.path}: transaction index ends at byte ${from + got}`)
      const hasChecksum = from + step.length === size && isChecksumEntry(bytes, size - abortedEntryBytes)
      const end = hasChecksum ? size - abortedEntryBytes : from + step.length
      entries.take((end - from) / abortedEntryBytes)
      checksum = crc32c(bytes.subarray(from, end), checksum)
      if (hasChecksum && !bytes.subarray(end).equals(checksumEntry(checksum))) throw new Error(`${this.path}: wrong checksum`)
    }
    this.#checksum = checksum
    return entries
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
