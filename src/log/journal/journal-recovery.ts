/**
 * Reads the journal after a crash: finds the valid frames, writes their batches to the segment files again (which changes nothing
 * if they are already there), and determines what is known about the end of each partition.
 *
 * Frames are also searched for behind damage, but only those of the file's own life (file-life.ts), in the order of their numbers.
 *
 * A torn end is normal: frames are valid up to the first one that is missing or has an incomplete payload. A missing frame before one that
 * proves it was durable is damage. Then everything readable is still recovered, and the partitions that may have lost records are reported:
 * those that no later frame names, and that the missing ones may have named, by what the frame behind them says.
 */
import { DiskError, type FileSystem } from '../../base.ts'
import { batchHeaderSize, header, type Offset, type Uuid } from '../../protocol.ts'
import { decodeHead, type FileLife, headBytes } from './file-life.ts'
import { FileWindow } from './file-window.ts'
import {
  type Frame,
  firstFrameAt,
  foldChecksums,
  frameHeaderBytes,
  mayBeNamedBefore,
  mayBeNamedSince,
  nextFrameAt,
  readFrame,
  type Share,
  visitFrame,
} from './journal-format.ts'
import type { JournalFile } from './member.ts'
import { partitionKey } from './state-record.ts'

/** What the journal knows of a partition. */
export interface JournalView {
  topic: string
  topicId: Uuid
  partition: number
  deleted: boolean
  /** -1: says nothing. */
  logStartOffset: Offset
  /** What was acknowledged as durable. 0: says nothing. */
  durableEnd: Offset
  /** End of the last batch that was to be acknowledged only when durable. 0: says nothing. */
  syncedEnd: Offset
  /** Bytes bypassed the journal to a segment file: it is unknown whether they are on the disk or only in the page cache. */
  direct: boolean
  /** Why it cannot be known whether all is there; null when it can. */
  damage: string | null
}

export interface RecoveredJournal {
  /** Needed again after another crash, until the next checkpoint. */
  live: JournalFile[]
  released: JournalFile[]
  nextSequence: number
  /** Frames below were durable when they were written. */
  durableSequence: number
  views: JournalView[]
}

/** Bytes that lie at `position` of the segment; no checkpoint has them. */
export type Redo = (view: JournalView, segmentBase: Offset, position: number, bytes: Buffer[]) => void

export interface JournalRecoveryOptions {
  files: FileSystem
  directory: string
  /** Frames below are in checkpoints. */
  trimmedSequence: number
  /** Whether what this frame says of the partition counts no more: it was released later. */
  isVoid(key: string, sequence: number): boolean
  /** Whether a checkpoint holds the batches, or what came of their segment. */
  isChecked(view: JournalView, share: Share): boolean
  /** Called before the first `redo`, with the partitions that the frames bind or declare deleted. */
  indexed(named: readonly NamedPartition[], deleted: ReadonlySet<string>): void
  redo: Redo
}

export interface NamedPartition {
  topic: string
  topicId: Uuid
  partition: number
}

interface FoundFrame {
  file: JournalFile
  at: number
  sequence: number
}

/** Frames that are missing though they were durable. */
interface Hole {
  first: number
  last: number
  /** Of the partitions that they may have named; null: of any. */
  keys: ReadonlySet<string> | null
}

/** Read at once, and so much memory at the least; a larger frame takes more. */
const windowBytes = 4 << 20
/** Enough for recovery: the tail that the process had in memory. */
const roomBytes = 64 << 20

export async function recoverJournal(options: JournalRecoveryOptions): Promise<RecoveredJournal> {
  return await new JournalRecovery(options).run()
}

/** Of one partition while frames are read. */
interface Track {
  view: JournalView
  /** Where its shares end, and the sequence number of the last frame with one that goes so far. A checkpoint may have copied older ones behind it. */
  end: Offset
  lastSequence: number
  base: Offset
  position: number
  bytes: Buffer[]
}

class JournalRecovery {
  readonly #options: JournalRecoveryOptions
  readonly #files: JournalFile[] = []
  #frames: FoundFrame[] = []
  /** Frames below this one were durable. */
  #durable = 0
  readonly #tracks = new Map<string, Track>()
  /** Slots of the file that is read. */
  #slots = new Map<number, Track>()
  readonly #named = new Map<string, NamedPartition>()
  readonly #deleted = new Set<string>()
  /** Of the window: fresh memory for every file would cost more than reading it. */
  #memory: Buffer = Buffer.alloc(0)
  readonly #holes: Hole[] = []
  /** Keys of the partitions that the frames of a file bind, by slot. */
  readonly #bindings = new Map<JournalFile, Map<number, string>>()

  constructor(options: JournalRecoveryOptions) {
    this.#options = options
  }

  async run(): Promise<RecoveredJournal> {
    for (const { name, kind } of this.#options.files.list(this.#options.directory)) {
      const match = /^(\d{8})\.journal$/.exec(name)
      if (match !== null && kind === 'file') this.#index(Number(match[1]))
    }
    this.#frames.sort((a, b) => a.sequence - b.sequence)
    this.#makeRoom()
    this.#options.indexed([...this.#named.values()], this.#deleted)
    const counted = this.#replay()
    await this.#erase(this.#frames.slice(counted))
    const used = new Set(this.#frames.slice(0, counted).map(frame => frame.file))
    return {
      live: this.#files.filter(file => used.has(file)).sort((a, b) => a.firstSequence - b.firstSequence),
      released: this.#files.filter(file => !used.has(file)),
      nextSequence: Math.max(this.#options.trimmedSequence, (this.#frames[counted - 1]?.sequence ?? 0) + 1),
      durableSequence: this.#durable,
      views: this.#views(),
    }
  }

  /** On a full volume there would be no room for what recovery writes: files that hold nothing give theirs back. */
  #makeRoom(): void {
    const { files, directory } = this.#options
    if (!isShort(files, directory)) return
    const used = new Set(this.#frames.map(({ file }) => file))
    for (const file of this.#files) {
      if (used.has(file)) continue
      file.handle.truncate(0)
      file.size = 0
    }
  }

  #window(handle: JournalFile['handle'], beforeMove?: () => void): FileWindow {
    return new FileWindow(handle, windowBytes, beforeMove, this.#memory)
  }

  /** Finds the frames of a file. */
  #index(number: number): void {
    const { files, directory, trimmedSequence } = this.#options
    const path = `${directory}/${String(number).padStart(8, '0')}.journal`
    const handle = files.open(path, 'rw')
    const window = this.#window(handle)
    const life = decodeHead('journal', window.view(0, headBytes), path)
    const firstSequence = life?.numbers[0] ?? 0
    const file: JournalFile = { number, handle, life, slots: 0, bound: new Set(), firstSequence, end: 0, size: window.size, unsynced: true }
    this.#files.push(file)
    if (life === null) return
    this.#durable = Math.max(this.#durable, life.numbers[1])
    const slots = new Map<number, string>()
    this.#bindings.set(file, slots)
    for (const frame of framesOf(window, life)) {
      if (frame.sequence < trimmedSequence) continue
      this.#durable = Math.max(this.#durable, frame.durableSequence)
      this.#frames.push({ file, at: frame.at, sequence: frame.sequence })
      this.#note(frame, slots)
      file.end = frame.end
    }
    this.#memory = window.memory
  }

  #note(frame: Frame, slots: Map<number, string>): void {
    visitFrame(frame, {
      bind: (slot, topicId, topic, partition) => {
        const key = partitionKey(topicId, partition)
        if (this.#options.isVoid(key, frame.sequence)) return
        slots.set(slot, key)
        this.#named.set(key, { topic, topicId, partition })
      },
      share: () => {},
      logStart: () => {},
      deleted: slot => void this.#deleted.add(slots.get(slot) ?? ''),
    })
  }

  /** Answers how many frames count. */
  #replay(): number {
    let expected = this.#options.trimmedSequence || this.#firstSequence()
    let open: JournalFile | null = null
    let window: FileWindow | null = null
    for (let index = 0; index < this.#frames.length; index++) {
      const { file, at, sequence } = this.#frames[index]!
      if (sequence > expected) {
        if (this.#durable <= expected) return this.#finish(index)
        this.#holes.push({ first: expected, last: sequence - 1, keys: this.#mayConcern(expected, index) })
      }
      if (window === null || file !== open) {
        this.#writeAll()
        open = file
        window = this.#window(file.handle, () => this.#writeAll())
        this.#slots = new Map()
      }
      const frame = readFrame(window, at, file.life!, 'payload')
      if (frame === null || !this.#replayFrame(frame, file.life!)) return this.#finish(index)
      this.#memory = window.memory
      expected = sequence + 1
    }
    if (this.#durable > expected) this.#holes.push({ first: expected, last: this.#durable - 1, keys: null })
    return this.#finish(this.#frames.length)
  }

  /** Keys of the partitions that the missing frames from `first` on, up to the one at `index`, may have named; null: of any. */
  #mayConcern(first: number, index: number): ReadonlySet<string> | null {
    // What the frames of a file bind whose head is damaged is unknown.
    if (this.#files.some(({ life, size }) => life === null && size > 0)) return null
    const [before, { file, at, sequence }] = [this.#frames[index - 1], this.#frames[index]!]
    // With windows of their own: from that of the replay, bytes are still to be written.
    const read = (place: number) => readFrame(new FileWindow(file.handle, frameHeaderBytes), place, file.life!, 'entries')!
    const next = read(at)
    const namedIn = (of: JournalFile, mayBeNamed: (slot: number) => boolean) =>
      [...this.#bindings.get(of)!].filter(([slot]) => mayBeNamed(slot)).map(([, key]) => key)
    if (first === file.firstSequence || before?.file === file) {
      const from = first === file.firstSequence ? firstFrameAt(file.life!) : read(before!.at).end
      return new Set(namedIn(file, slot => mayBeNamedSince(next, slot, sequence - first, from)))
    }
    const earlier = [...this.#bindings.keys()].filter(({ firstSequence }) => firstSequence < file.firstSequence)
    const previous = earlier.sort((a, b) => a.firstSequence - b.firstSequence).at(-1)
    if (first < sequence - 1 || previous === undefined) return new Set([...earlier, file].flatMap(each => namedIn(each, () => true)))
    // It was the last frame of the file before. What that bound is bound again by this file.
    const bound = new Set(this.#bindings.get(previous)!.values())
    const again = namedIn(file, () => true).filter(key => !bound.has(key))
    return new Set([...namedIn(previous, slot => mayBeNamedBefore(next, slot)), ...again])
  }

  /** Before the first checkpoint all files count, and the oldest one says with which frame it begins. */
  #firstSequence(): number {
    return Math.min(...this.#files.filter(({ life }) => life !== null).map(({ firstSequence }) => firstSequence))
  }

  #finish(counted: number): number {
    this.#writeAll()
    return counted
  }

  /** False when the payload is not whole and need not be. */
  #replayFrame(frame: Frame, life: FileLife): boolean {
    const { bytes } = frame
    const shares: { track: Track; share: Share; at: number; whole: boolean }[] = []
    const slots = this.#slots
    const unknown = new Map<number, Track>()
    const others: (() => void)[] = []
    visitFrame(frame, {
      bind: (slot, topicId, topic, partition) => {
        if (this.#options.isVoid(partitionKey(topicId, partition), frame.sequence)) return
        unknown.set(slot, this.#track(topicId, topic, partition))
      },
      share: (share, at) => {
        const track = unknown.get(share.slot) ?? slots.get(share.slot)
        if (track === undefined) return
        shares.push({ track, share, at, whole: !share.inline || isWhole(bytes, at, share, life) })
      },
      logStart: (slot, offset) =>
        others.push(() => {
          const track = slots.get(slot)
          if (track !== undefined) track.view.logStartOffset = Math.max(track.view.logStartOffset, offset)
        }),
      deleted: slot => others.push(() => void (slots.get(slot) !== undefined && (slots.get(slot)!.view.deleted = true))),
    })
    const durable = frame.sequence < this.#durable
    if (!durable && shares.some(({ whole }) => !whole)) return false
    for (const [slot, track] of unknown) slots.set(slot, track)
    for (const { track, share, at, whole } of shares) {
      // What it had before this share was in missing frames at the latest, and they were durable.
      if (share.synced && this.#holes.some(hole => concerns(hole, track)))
        track.view.durableEnd = Math.max(track.view.durableEnd, share.baseOffset)
      if (share.endOffset > track.end) {
        track.end = share.endOffset
        track.lastSequence = frame.sequence
      }
      if (durable && share.synced) track.view.durableEnd = Math.max(track.view.durableEnd, share.endOffset)
      if (share.synced) track.view.syncedEnd = Math.max(track.view.syncedEnd, share.endOffset)
      if (!share.inline) track.view.direct = true
      else if (whole) this.#redo(track, share, bytes, at)
    }
    for (const apply of others) apply()
    return true
  }

  #track(topicId: Uuid, topic: string, partition: number): Track {
    const key = partitionKey(topicId, partition)
    let track = this.#tracks.get(key)
    if (track === undefined) {
      const view = {
        topic,
        topicId,
        partition,
        deleted: false,
        logStartOffset: -1,
        durableEnd: 0,
        syncedEnd: 0,
        direct: false,
        damage: null,
      }
      track = { view, end: 0, lastSequence: 0, base: -1, position: 0, bytes: [] }
      this.#tracks.set(key, track)
    }
    return track
  }

  /** Gathers neighbouring bytes, to write them at once. */
  #redo(track: Track, share: Share, bytes: Buffer, at: number): void {
    if (this.#options.isChecked(track.view, share)) return
    const gathered = track.bytes.reduce((sum, piece) => sum + piece.length, 0)
    if (track.base !== share.segmentBase || track.position + gathered !== share.position || track.bytes.length >= 256) {
      this.#write(track)
      track.base = share.segmentBase
      track.position = share.position
    }
    track.bytes.push(bytes.subarray(at, at + share.length))
  }

  #write(track: Track): void {
    if (track.bytes.length === 0) return
    this.#options.redo(track.view, track.base, track.position, track.bytes)
    track.bytes = []
    track.base = -1
  }

  #writeAll(): void {
    for (const track of this.#tracks.values()) this.#write(track)
  }

  /**
   * Invalid frames must not be taken for frames of the next run, whose numbers continue from the last valid one. Files that are
   * needed again are synced, so that an accepted frame is not missing next time.
   */
  async #erase(frames: FoundFrame[]): Promise<void> {
    const blank = Buffer.alloc(frameHeaderBytes)
    for (const { file, at } of frames) file.handle.writeSync([blank], at)
    await Promise.all(this.#files.map(file => file.handle.datasync()))
  }

  /** After a hole nothing can be said of a partition that no later frame names: the hole may have held its last records. */
  #views(): JournalView[] {
    const tracks = [...this.#tracks.values()]
    for (const track of tracks) {
      const hole = this.#holes.findLast(hole => concerns(hole, track))
      if (hole !== undefined && !track.view.deleted)
        track.view.damage = `frames ${hole.first} to ${hole.last} of the journal are damaged and may have contained its last records`
    }
    return tracks.map(({ view }) => view)
  }
}

/** Whether the frames may have named the partition after the last one that did. */
function concerns({ first, keys }: Hole, { view, lastSequence }: Track): boolean {
  return lastSequence < first && (keys?.has(partitionKey(view.topicId, view.partition)) ?? true)
}

/** A volume that does not say how much is free may have room. */
function isShort(files: FileSystem, directory: string): boolean {
  try {
    return files.freeBytes(directory) < roomBytes
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    return false
  }
}

/** In the order of their numbers; what lies between them is damaged. */
export function* framesOf(window: FileWindow, life: FileLife): Generator<Frame> {
  let expected = life.numbers[0]
  for (let at = firstFrameAt(life); at >= 0 && at < window.size; ) {
    const frame = readFrame(window, at, life, 'entries')
    const follows = frame !== null && (life.format === 1 ? frame.sequence === expected : frame.sequence >= expected)
    at = follows ? frame.end : nextFrameAt(window, at + 1, life)
    if (!follows) continue
    expected = frame.sequence + 1
    yield frame
  }
}

/** Whether the bytes are the batches that the entry promises: every one sound, offsets and lengths without a gap. */
export function isWhole(bytes: Buffer, at: number, share: Share, life: FileLife): boolean {
  const end = at + share.length
  const start = at
  let offset = share.baseOffset
  while (at < end) {
    if (end - at < batchHeaderSize || header.magic(bytes, at) !== 2 || header.baseOffset(bytes, at) !== offset) return false
    const size = header.sizeBytes(bytes, at)
    if (size < batchHeaderSize || size > end - at || header.computeCrc(bytes, at) !== header.crc(bytes, at)) return false
    offset = header.lastOffset(bytes, at) + 1
    at += size
  }
  return offset === share.endOffset && (life.format === 1 || foldChecksums(bytes, start, end) === share.checksum)
}
