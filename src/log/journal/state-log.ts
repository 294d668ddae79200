/**
 * `journal/state.log`: the state of each partition that recovery needs in order not to read its segments.
 *
 * A record is appended when a checkpoint has made a partition's segments durable; the latest record of a partition counts. A torn end is
 * normal: only its `trimmed` record completes a checkpoint, and until then the journal files it covers are kept. When most of the file is
 * out of date, the rest is written to a new file, which replaces it.
 *
 * Each record carries the token of its file's life (file-life.ts), and the position up to which the file was durable when it was written. So
 * records behind damage are found, and damage can be distinguished from a torn end. The file may have any size: it is read through a window,
 * and written and rewritten in slices off the event loop. Only the positions of the partitions' records are kept in memory.
 *
 *     file:    head (1024 bytes), records
 *     record:  checksum, length of the body, token, durable end, body
 *
 * Format 1 had no head, and records had only length and checksum. It is rewritten at the first checkpoint.
 */
import { dirname } from 'node:path'
import { crc32c, DiskError, type FileHandle, type FileSystem, type Random, writeInt64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { beginLife, decodeHead, encodeHead, type FileLife, headBytes, tokenBytes } from './file-life.ts'
import { FileWindow } from './file-window.ts'
import {
  type BriefState,
  type CheckpointEnd,
  decodePartition,
  decodeStart,
  encodeDeleted,
  encodeLogStart,
  encodePartition,
  encodeReleased,
  encodeTrimmed,
  type PartitionState,
  partitionKey,
  type RecordStart,
  startBytes,
} from './state-record.ts'

const tokenAt = 8
const durableEndAt = 16
const recordHeaderBytes = 24
const oldHeaderBytes = 8
const compactAboveBytes = 1 << 20
/** Read, and written, at once; a larger record is read or written whole. */
const sliceBytes = 1 << 20

export interface LoadedState extends CheckpointEnd {
  partitions: Map<string, BriefState>
  /** Where partitions begin, if not at 0. */
  logStarts: Map<string, Offset>
  /** Of partitions that were released: what frames of the journal below this one say of them counts no more. */
  released: Map<string, number>
  /** Damage in the file may have held a later record of the partition, or its only one. */
  isDoubtful(key: string): boolean
  /** What is wrong with the file; empty when nothing is. */
  problems: string[]
  /** It exists, but nothing in it can be used: it is unknown which of the journal's frames are already in the segments. */
  isLost: boolean
}

/** Where a record lies. */
interface Place {
  at: number
  bodyAt: number
  end: number
}

interface Found extends Place {
  start: RecordStart | null
  durableEnd: number
}

export interface StateLogOptions {
  files: FileSystem
  random: Random
  path: string
  /** What failed, and is tried again. */
  report(what: string, error: unknown): void
}

export class StateLog {
  readonly #options: StateLogOptions
  #handle: FileHandle
  /** null: a new file must be started before anything is appended. */
  #life: FileLife | null = null
  #end = 0
  /** All below is sure to be on the disk. */
  #durableEnd = 0
  /** The file was renamed, and a power cut could still bring its predecessor back. */
  #nameUnsynced = false
  /** Something may lie behind the end. */
  #overlong = false
  /** The latest record of each partition. */
  #places = new Map<string, Place>()
  #liveBytes = 0
  /** As {@link LoadedState.released}, as long as the journal may have such frames. */
  #released = new Map<string, number>()
  #checkpoint: CheckpointEnd = { trimmedSequence: 0, bootId: '' }

  constructor(options: StateLogOptions) {
    this.#options = options
    this.#handle = options.files.open(options.path, 'rw')
  }

  /** Reads all records, also those behind damage. */
  load(): LoadedState {
    const window = new FileWindow(this.#handle, sliceBytes)
    const released = new Map<string, number>()
    const loaded = { partitions: new Map<string, BriefState>(), logStarts: new Map<string, Offset>(), released }
    const gaps: { at: number; end: number }[] = []
    let durable = 0
    this.#life = decodeHead('state', window.view(0, headBytes), this.#options.path)
    this.#end = this.#life === null ? 0 : headBytes
    for (const found of recordsOf(window, this.#life)) {
      if (found.at > this.#end) gaps.push({ at: this.#end, end: found.at })
      this.#take(found, loaded)
      this.#end = found.end
      durable = Math.max(durable, found.durableEnd)
    }
    this.#overlong = window.size > this.#end
    this.#released = released
    const damaged = gaps.filter(({ at }) => at < durable)
    const problems = damaged.map(({ at, end }) => `bytes ${at} to ${end} of ${this.#options.path} are damaged`)
    const isLost = this.#life === null && this.#end === 0 && window.size > 0
    if (isLost) problems.push(`the beginning of ${this.#options.path} is damaged, so nothing in it can be used`)
    const doubted = isLost ? Number.POSITIVE_INFINITY : (damaged.at(-1)?.at ?? -1)
    const isDoubtful = (key: string) => (this.#places.get(key)?.at ?? -1) < doubted
    return { ...this.#checkpoint, ...loaded, isDoubtful, problems, isLost }
  }

  /** The partition's latest record; null when there is none, or it was damaged since. */
  read(key: string): PartitionState | null {
    const place = this.#places.get(key)
    if (place === undefined) return null
    const record = Buffer.allocUnsafe(place.end - place.at)
    this.#handle.readSync(record, place.at)
    const body = soundBody(record, this.#life)
    return body === null ? null : decodePartition(body)
  }

  /** Appends records and makes them durable. `end`: all partitions are noted, which says how far the journal is of no more use. */
  async append(states: readonly PartitionState[], deleted: readonly string[], end: CheckpointEnd | null): Promise<void> {
    if (states.length === 0 && deleted.length === 0 && end === null) return
    await this.#makeReady()
    const slice = new Slice(this.#life!, this.#end, this.#durableEnd)
    for (const state of states) {
      const key = partitionKey(state.topicId, state.partition)
      if (state.logStartOffset > 0) slice.add(startKey(key), encodeLogStart(key, state.logStartOffset))
      slice.add(key, encodePartition(state))
      if (slice.bytes >= sliceBytes) await this.#write(slice)
    }
    for (const key of deleted) slice.add(key, encodeDeleted(key), 'deleted')
    if (end !== null) this.#addEnd(slice, end)
    await this.#write(slice)
    await this.#handle.datasync()
    this.#durableEnd = this.#end
    if (end === null) return
    this.#checkpoint = end
    for (const [key, sequence] of this.#released) if (sequence <= end.trimmedSequence) this.#forgetRelease(key)
    if (this.#end > compactAboveBytes && this.#end > 2 * this.#liveBytes) await this.#compact()
  }

  /** The partition belongs to this log no more, whatever the journal's frames below `sequence` say of it. Durable when it resolves. */
  async release(key: string, sequence: number): Promise<void> {
    await this.#makeReady()
    const slice = new Slice(this.#life!, this.#end, this.#durableEnd)
    // One record, because half of what two say would be wrong.
    slice.add(releaseKey(key), encodeReleased(key, sequence))
    await this.#write(slice)
    await this.#handle.datasync()
    this.#durableEnd = this.#end
    this.#note(key, null)
    this.#released.set(key, sequence)
  }

  /** To be called before what `load` says is acted on: an earlier process may have been killed before it had synced its last records. */
  async sync(): Promise<void> {
    await this.#handle.datasync()
  }

  close(): void {
    this.#handle.close()
  }

  #take({ start, ...place }: Found, { partitions, logStarts, released }: Pick<LoadedState, 'partitions' | 'logStarts' | 'released'>): void {
    if (start === null) return
    if (start.kind === 'trimmed') this.#checkpoint = start.end
    else if (start.kind === 'logStart') {
      logStarts.set(start.key, start.offset)
      this.#note(startKey(start.key), place)
    } else if (start.kind === 'partition') {
      partitions.set(start.key, start.brief)
      this.#note(start.key, place)
    } else {
      partitions.delete(start.key)
      logStarts.delete(start.key)
      this.#note(start.key, null)
      if (start.kind !== 'released') return
      released.set(start.key, start.sequence)
      this.#note(releaseKey(start.key), place)
    }
  }

  #note(key: string, place: Place | null): void {
    const before = this.#places.get(key)
    if (before !== undefined) this.#liveBytes -= before.end - before.at
    if (place === null) {
      this.#places.delete(key)
      if (this.#places.has(startKey(key))) this.#note(startKey(key), null)
      return
    }
    this.#liveBytes += place.end - place.at
    this.#places.set(key, place)
  }

  #forgetRelease(key: string): void {
    this.#released.delete(key)
    this.#note(releaseKey(key), null)
  }

  /** Written twice, because without it, recovery would miss the contents of reused journal files. */
  #addEnd(slice: Slice, end: CheckpointEnd): void {
    for (let copy = 0; copy < 2; copy++) slice.add(null, encodeTrimmed(end))
  }

  async #write(slice: Slice): Promise<void> {
    const { records, bytes, notes } = slice.take()
    if (bytes === 0) return
    // If it stayed, a partly written record could later be taken for a newer one.
    this.#overlong = true
    await this.#handle.write(records, this.#end)
    this.#overlong = false
    this.#end += bytes
    for (const [key, place] of notes) this.#note(key, place)
  }

  /** There is a head, nothing lies behind the end, and the file is the one that the next start finds. */
  async #makeReady(): Promise<void> {
    if (this.#life === null) await this.#rewrite()
    if (this.#nameUnsynced) await this.#syncName()
    if (this.#overlong) this.#handle.truncate(this.#end)
    this.#overlong = false
  }

  /** If that fails, the next checkpoint goes on with what did not succeed. */
  async #compact(): Promise<void> {
    try {
      await this.#rewrite()
    } catch (error) {
      if (!(error instanceof DiskError) || error.isFailedSync) throw error
      this.#options.report(`cannot compact ${this.#options.path}`, error)
    }
  }

  /** The latest records, in a new file that takes the place of this one. If it fails before the renaming, the old file stays in use. */
  async #rewrite(): Promise<void> {
    const { files, random, path } = this.#options
    const newPath = `${path}.new`
    const life = beginLife(random, [0, 0])
    const file = files.open(newPath, 'rw')
    const places = new Map<string, Place>()
    let end = headBytes
    try {
      file.truncate(0)
      await file.write([encodeHead('state', life)], 0)
      for await (const { records, bytes, notes } of this.#latest(life)) {
        await file.write(records, end)
        end += bytes
        for (const [key, place] of notes) if (place !== null) places.set(key, place)
      }
      await file.datasync()
      files.rename(newPath, path)
    } catch (error) {
      closeFile(file)
      // What is left of it is cut off when it is used again.
      await files.removeFile(newPath).catch(() => {})
      throw error
    }
    // The new file is used through the handle that wrote it: it could not be used if it had to be opened again and no descriptor were free.
    closeFile(this.#handle)
    this.#handle = file
    this.#life = life
    this.#places = places
    this.#liveBytes = 0
    for (const place of places.values()) this.#liveBytes += place.end - place.at
    this.#end = this.#durableEnd = end
    this.#overlong = false
    this.#nameUnsynced = true
    await this.#syncName()
  }

  async #syncName(): Promise<void> {
    await this.#options.files.syncDirectory(dirname(this.#options.path))
    this.#nameUnsynced = false
  }

  async *#latest(life: FileLife): AsyncGenerator<ReturnType<Slice['take']>> {
    const slice = new Slice(life, headBytes, 0)
    for (const [key, { at, end }] of [...this.#places].sort(([, a], [, b]) => a.at - b.at)) {
      const record = Buffer.allocUnsafe(end - at)
      await this.#handle.read(record, at)
      const body = soundBody(record, this.#life)
      if (body === null) this.#options.report(`${this.#options.path}: ignoring the damaged record of ${key}`, null)
      else slice.add(key, body)
      if (slice.bytes >= sliceBytes) yield slice.take()
    }
    // The file is not visible under its name before it is synced.
    slice.durableEnd = slice.end
    this.#addEnd(slice, this.#checkpoint)
    yield slice.take()
  }
}

/** What counts in the file is synced, so a failed close loses nothing. */
function closeFile(file: FileHandle): void {
  try {
    file.close()
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
  }
}

/** Of a partition's record that says only where it begins, in the list of places. */
function startKey(key: string): string {
  return `start of ${key}`
}

/** Of the record that says that it was released. */
function releaseKey(key: string): string {
  return `release of ${key}`
}

/** Records to be written one behind the other. */
class Slice {
  bytes = 0
  end: number
  durableEnd: number
  readonly #life: FileLife
  #records: Buffer[] = []
  #notes: [key: string, place: Place | null][] = []

  constructor(life: FileLife, end: number, durableEnd: number) {
    this.#life = life
    this.end = end
    this.durableEnd = durableEnd
  }

  /** `key`: what this is the latest record of; null: of nothing. */
  add(key: string | null, body: Buffer, what: 'kept' | 'deleted' = 'kept'): void {
    const start = Buffer.allocUnsafe(recordHeaderBytes)
    start.writeUInt32BE(body.length, 4)
    this.#life.token.copy(start, tokenAt)
    writeInt64(start, durableEndAt, this.durableEnd)
    start.writeUInt32BE(crc32c(body, crc32c(start.subarray(4))), 0)
    this.#records.push(start, body)
    const at = this.end
    this.end += start.length + body.length
    this.bytes += start.length + body.length
    if (key !== null) this.#notes.push([key, what === 'deleted' ? null : { at, bodyAt: at + start.length, end: this.end }])
  }

  /** What was added since the last call. */
  take(): { records: Buffer[]; bytes: number; notes: readonly [key: string, place: Place | null][] } {
    const taken = { records: this.#records, bytes: this.bytes, notes: this.#notes }
    this.#records = []
    this.#notes = []
    this.bytes = 0
    return taken
  }
}

/** The body, when the record is as it was written. */
function soundBody(record: Buffer, life: FileLife | null): Buffer | null {
  if (life === null) {
    const body = record.subarray(oldHeaderBytes)
    return record.readUInt32BE(4) === crc32c(body) ? body : null
  }
  return record.readUInt32BE(0) === crc32c(record.subarray(4)) ? record.subarray(recordHeaderBytes) : null
}

function* recordsOf(window: FileWindow, life: FileLife | null): Generator<Found> {
  for (let at = life === null ? 0 : headBytes; at >= 0 && at < window.size; ) {
    const found = life === null ? oldRecordAt(window, at) : recordAt(window, at, life)
    if (found !== null) yield found
    at = found?.end ?? (life === null ? afterOldDamage(window, at) : nextRecordAt(window, at, life))
  }
}

function recordAt(window: FileWindow, at: number, { token }: FileLife): Found | null {
  const start = window.view(at, recordHeaderBytes)
  if (start.length < recordHeaderBytes || token.compare(start, tokenAt, tokenAt + tokenBytes) !== 0) return null
  const checksum = start.readUInt32BE(0)
  const durableEnd = header.readOffset(start, durableEndAt)
  return soundAt(
    window,
    { at, bodyAt: at + recordHeaderBytes, end: at + recordHeaderBytes + start.readUInt32BE(4) },
    at + 4,
    checksum,
    durableEnd,
  )
}

function nextRecordAt(window: FileWindow, at: number, { token }: FileLife): number {
  const found = window.find(token, at + 1 + tokenAt)
  return found < 0 ? -1 : found - tokenAt
}

function oldRecordAt(window: FileWindow, at: number): Found | null {
  const start = window.view(at, oldHeaderBytes)
  if (start.length < oldHeaderBytes) return null
  const place = { at, bodyAt: at + oldHeaderBytes, end: at + oldHeaderBytes + start.readUInt32BE(0) }
  return soundAt(window, place, place.bodyAt, start.readUInt32BE(4), Number.POSITIVE_INFINITY)
}

/** By the length of the damaged record: nothing else tells a record from what clients chose. */
function afterOldDamage(window: FileWindow, at: number): number {
  const start = window.view(at, oldHeaderBytes)
  if (start.length < oldHeaderBytes) return -1
  const next = at + oldHeaderBytes + start.readUInt32BE(0)
  return oldRecordAt(window, next) === null ? -1 : next
}

/** The record there, when the file holds all of it and the checksum of what lies between `from` and its end is right. */
function soundAt(window: FileWindow, place: Place, from: number, checksum: number, durableEnd: number): Found | null {
  const { bodyAt, end } = place
  if (end === bodyAt || end > window.size) return null
  let actual = 0
  for (let at = from; at < end; at += sliceBytes) actual = crc32c(window.view(at, Math.min(sliceBytes, end - at)), actual)
  return actual === checksum ? { ...place, start: decodeStart(window.view(bodyAt, Math.min(startBytes, end - bodyAt))), durableEnd } : null
}
