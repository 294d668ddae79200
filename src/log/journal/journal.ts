/**
 * The journal's files: where the next frame is written, what must be synced, and which files can be reused.
 *
 * A file is overwritten in place once everything in it is in the segments ("released"), so that normally `fdatasync` has no
 * metadata to write. For the same reason, a new file is extended with zeros a step ahead of the frames.
 */
import { assert, DiskError, type FileHandle, type FileSystem, type Random } from '../../base.ts'
import { beginLife, encodeHead, headBytes } from './file-life.ts'
import { align, frameHeaderBytes } from './journal-format.ts'
import type { JournalFile, Member } from './member.ts'

const zeroStep = 1 << 20
const zeros = Buffer.alloc(zeroStep)
const blankHeader = Buffer.alloc(frameHeaderBytes)

export interface JournalOptions {
  files: FileSystem
  random: Random
  directory: string
  fileBytes: number
  /** Released files above this many are removed. */
  keepFiles: number
  /** Extend new files with zeros ahead of use: pays only when they are synced. */
  extend: boolean
}

export class Journal {
  readonly #options: JournalOptions
  /** Begun and not released, oldest first; the last one is written to. */
  #live: JournalFile[] = []
  #released: JournalFile[] = []
  /** Files with syncs under way, and how many; and those of them that are to be removed afterwards. */
  readonly #syncing = new Map<FileHandle, number>()
  readonly #doomed = new Set<FileHandle>()
  #nextNumber = 1
  #nextSequence = 1
  /** Sequence numbers of the frames that recovery found, though nothing says that they, and what went past the journal with them, were durable. */
  #unproven = { from: 0, to: 0 }
  /** A frame that was refused may be in the current file, where the next one goes. */
  #refused = false
  /**
   * A frame that was refused may be on the disk, though what erased it is not: recovery would put it over what went past the journal to its
   * place. So nothing is durable before the journal is synced.
   */
  mustSync = false
  /** Frames below this one survive a power cut. */
  #durableSequence = 1
  /** Of what the frames describe that recovery found, some is not there: as long as no checkpoint says so, they must not be called durable. */
  #isHeld = false

  constructor(options: JournalOptions) {
    this.#options = options
  }

  get current(): JournalFile {
    return this.#live.at(-1)!
  }

  /** What the next frame says of those before it. */
  get durableSequence(): number {
    return this.#isHeld ? this.#unproven.from : this.#durableSequence
  }

  set durableSequence(sequence: number) {
    this.#durableSequence = sequence
  }

  /** Recovery found logs that end differently from what journal and state log say, and no checkpoint has recorded that yet. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** A checkpoint has recorded what recovery found. */
  recorded(): void {
    this.#isHeld = false
  }

  /** Sequence number of the next frame. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Whether what the frame describes may have been acknowledged as durable. */
  isProven(sequence: number): boolean {
    return sequence < this.#unproven.from || sequence >= this.#unproven.to
  }

  /** In files that hold what is not in the segments yet. */
  get liveBytes(): number {
    let bytes = 0
    for (const file of this.#live) bytes += file.end
    return bytes
  }

  get isFull(): boolean {
    return this.current.end >= this.#options.fileBytes
  }

  /**
   * Takes over what recovery found. `live` must be replayed again after a crash; the others are free. `isComplete`: all that its frames describe
   * is there.
   */
  start(found: { live: JournalFile[]; released: JournalFile[]; nextSequence: number; durableSequence: number }, isComplete: boolean): void {
    this.#live = found.live
    this.#released = found.released
    this.#nextSequence = found.nextSequence
    this.#durableSequence = isComplete ? found.nextSequence : found.durableSequence
    this.#isHeld = !isComplete
    this.#unproven = { from: found.durableSequence, to: found.nextSequence }
    this.#nextNumber = 1 + Math.max(0, ...[...found.live, ...found.released].map(file => file.number))
    this.rotate()
  }

  /** What the next frame has to carry. */
  get token(): Buffer {
    return this.current.life!.token
  }

  /** Writes the next frame behind the last one. Throws DiskError; then it is as if nothing had been written. */
  write(meta: Buffer, payload: readonly Buffer[], payloadBytes: number): void {
    const file = this.current
    const length = meta.length + payloadBytes
    try {
      this.#extend(file, file.end + length)
      file.handle.writeSync(payload.length === 0 ? [meta] : [meta, ...payload], file.end)
    } catch (error) {
      this.#refused = true
      this.#tryToMend()
      throw error
    }
    this.#refused = false
    file.end = align(file.end + length)
    file.size = Math.max(file.size, file.end)
    file.unsynced = true
    this.#nextSequence++
  }

  /**
   * To be called before anything is appended, in the journal or past it. A frame whose write failed may be whole in the file all the same, and
   * recovery would put what was refused over what came after it. Throws DiskError as long as it cannot be erased.
   */
  mend(): void {
    if (!this.#refused) return
    const { current } = this
    if (current.handle.size() > current.end) current.handle.writeSync([blankHeader], current.end)
    current.unsynced = this.mustSync = true
    this.#refused = false
  }

  /** Begins another file: all frames from now on go there. Throws DiskError; then the current one is written on. */
  rotate(): void {
    this.mend()
    const used = this.#released[0]
    const { number, handle, size } = used ?? this.#create()
    const firstSequence = this.#nextSequence
    const life = beginLife(this.#options.random, [firstSequence, this.durableSequence])
    try {
      handle.writeSync([encodeHead('journal', life)], 0)
    } catch (error) {
      if (used === undefined) handle.close()
      throw error
    }
    if (used === undefined) this.#nextNumber++
    else this.#released.shift()
    const end = headBytes
    // A new object also for a reused file: bindings of its earlier life are no longer valid.
    const file = { number, handle, life, slots: 0, bound: new Set<Member>(), firstSequence, end, size: Math.max(size, end), unsynced: true }
    this.#live.push(file)
  }

  /** All frames written before the call are durable when it resolves. */
  async sync(): Promise<void> {
    const files = this.#live.filter(file => file.unsynced)
    for (const file of files) file.unsynced = false
    this.mustSync = false
    await Promise.all(files.map(file => this.#syncFile(file)))
  }

  /** Files before the current one. */
  retired(): JournalFile[] {
    return this.#live.slice(0, -1)
  }

  /** Nothing in these files is needed any more, and that is durable. */
  release(files: readonly JournalFile[]): void {
    assert(
      files.every((file, nth) => this.#live[nth] === file) && files.length < this.#live.length,
      'the oldest files of the journal are released, once, and never the current one',
    )
    this.#live = this.#live.slice(files.length)
    for (const file of files) {
      if (this.#live.length + this.#released.length < this.#options.keepFiles) this.#released.push(file)
      else if (this.#syncing.has(file.handle)) this.#doomed.add(file.handle)
      else this.#remove(file.handle)
    }
  }

  close(): void {
    for (const file of [...this.#live, ...this.#released]) file.handle.close()
    this.#live = []
    this.#released = []
  }

  /** A file that is released meanwhile stays open until then: its descriptor could be another file's. */
  async #syncFile({ handle }: JournalFile): Promise<void> {
    this.#syncing.set(handle, (this.#syncing.get(handle) ?? 0) + 1)
    try {
      await handle.datasync()
    } finally {
      const others = this.#syncing.get(handle)! - 1
      if (others > 0) this.#syncing.set(handle, others)
      else {
        this.#syncing.delete(handle)
        if (this.#doomed.delete(handle)) this.#remove(handle)
      }
    }
  }

  #tryToMend(): void {
    try {
      this.mend()
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  /** If the disk refuses, the file only takes space: the next start finds that nothing in it is needed. */
  #remove(handle: FileHandle): void {
    try {
      handle.close()
      this.#options.files.remove(handle.path)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  #create(): JournalFile {
    const number = this.#nextNumber
    const { files, directory } = this.#options
    const handle = files.open(journalPath(directory, number), 'rw')
    try {
      files.syncDirectorySync(directory)
    } catch (error) {
      handle.close()
      throw error
    }
    return { number, handle, life: null, slots: 0, bound: new Set(), firstSequence: 0, end: 0, size: handle.size(), unsynced: false }
  }

  /** Keeps zeros a step ahead of what is written, so that syncing a frame is not syncing a new file size. */
  #extend(file: JournalFile, end: number): void {
    if (!this.#options.extend || end <= file.size) return
    const from = file.size
    const to = Math.max(end, Math.min(from + zeroStep, this.#options.fileBytes))
    for (let at = from; at < to; at += zeroStep) file.handle.writeSync([zeros.subarray(0, Math.min(zeroStep, to - at))], at)
    file.size = to
  }
}

function journalPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(8, '0')}.journal`
}
