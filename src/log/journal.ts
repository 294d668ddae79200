/**
 * The journal's files: where the next frame goes, what must be synced, and which files may be used again.
 *
 * A file is overwritten in place once all it holds is in the segments ("released"), so that in the steady state `fdatasync` has no
 * metadata to write. A file that is new is extended with zeros a step ahead of the frames for the same reason.
 */
import type { FileSystem } from '../base.ts'
import { align, encodeFileHeader, fileHeaderBytes } from './journal-format.ts'
import type { JournalFile } from './member.ts'

const zeroStep = 1 << 20
const zeros = Buffer.alloc(zeroStep)

export interface JournalOptions {
  files: FileSystem
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
  readonly #syncing = new Map<JournalFile, number>()
  readonly #doomed = new Set<JournalFile>()
  #nextNumber = 1
  #nextSequence = 1
  /** Frames below this one survive a power cut. */
  durableSequence = 1

  constructor(options: JournalOptions) {
    this.#options = options
  }

  get current(): JournalFile {
    return this.#live.at(-1)!
  }

  /** Sequence number of the next frame. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Files that hold what is not in the segments yet. */
  get liveFiles(): number {
    return this.#live.length
  }

  get isFull(): boolean {
    return this.current.end >= this.#options.fileBytes
  }

  /** Takes over what recovery found. `live` must be replayed again after a crash; the others are free. */
  start(found: { live: JournalFile[]; released: JournalFile[]; nextSequence: number }): void {
    this.#live = found.live
    this.#released = found.released
    this.#nextSequence = found.nextSequence
    this.durableSequence = found.nextSequence
    this.#nextNumber = 1 + Math.max(0, ...[...found.live, ...found.released].map(file => file.number))
    this.rotate()
  }

  /** Writes the next frame behind the last one. Throws DiskError; then it is as if nothing had been written. */
  write(meta: Buffer, payload: readonly Buffer[], payloadBytes: number): void {
    const file = this.current
    const length = meta.length + payloadBytes
    this.#extend(file, file.end + length)
    file.handle.writeSync(payload.length === 0 ? [meta] : [meta, ...payload], file.end)
    file.end = align(file.end + length)
    file.size = Math.max(file.size, file.end)
    file.unsynced = true
    this.#nextSequence++
  }

  /** Begins another file: all frames from now on go there. Throws DiskError; then the current one is written on. */
  rotate(): void {
    const file = this.#released[0] ?? this.#create()
    const head = encodeFileHeader({ firstSequence: this.#nextSequence, durableSequence: this.durableSequence })
    file.handle.writeSync([head], 0)
    if (this.#released[0] === file) this.#released.shift()
    else this.#nextNumber++
    Object.assign(file, { slots: 0, bound: new Set(), firstSequence: this.#nextSequence, end: fileHeaderBytes, unsynced: true })
    file.size = Math.max(file.size, file.end)
    this.#live.push(file)
  }

  /** All frames written before the call are durable when it resolves. */
  async sync(): Promise<void> {
    const files = this.#live.filter(file => file.unsynced)
    for (const file of files) file.unsynced = false
    await Promise.all(files.map(file => this.#syncFile(file)))
  }

  /** Files before the current one. */
  retired(): JournalFile[] {
    return this.#live.slice(0, -1)
  }

  /** Nothing in these files is needed any more, and that is durable. */
  release(files: readonly JournalFile[]): void {
    this.#live = this.#live.filter(file => !files.includes(file))
    for (const file of files) {
      if (this.#live.length + this.#released.length < this.#options.keepFiles) this.#released.push(file)
      else if (this.#syncing.has(file)) this.#doomed.add(file)
      else this.#remove(file)
    }
  }

  close(): void {
    for (const file of [...this.#live, ...this.#released]) file.handle.close()
    this.#live = []
    this.#released = []
  }

  /** A file that is released meanwhile stays open until then: its descriptor could be another file's. */
  async #syncFile(file: JournalFile): Promise<void> {
    this.#syncing.set(file, (this.#syncing.get(file) ?? 0) + 1)
    try {
      await file.handle.datasync()
    } finally {
      const others = this.#syncing.get(file)! - 1
      if (others > 0) this.#syncing.set(file, others)
      else {
        this.#syncing.delete(file)
        if (this.#doomed.delete(file)) this.#remove(file)
      }
    }
  }

  #remove(file: JournalFile): void {
    file.handle.close()
    this.#options.files.remove(file.handle.path)
  }

  #create(): JournalFile {
    const number = this.#nextNumber
    const { files, directory } = this.#options
    const handle = files.open(journalPath(directory, number), 'rw')
    files.syncDirectorySync(directory)
    return { number, handle, slots: 0, bound: new Set(), firstSequence: 0, end: 0, size: handle.size(), unsynced: false }
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

export function journalPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(8, '0')}.journal`
}
