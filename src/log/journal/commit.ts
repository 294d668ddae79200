/**
 * Group commit: what all partitions appended in one turn of the event loop becomes one frame of the journal, written by one `writev`;
 * frames become durable by one `fdatasync` after the other, each taking all that was written while the one before was under way.
 *
 * Hides the gathering, the order in which marks move and promises settle, and what happens when the journal cannot be written: the whole
 * group is taken back, as if it had never been appended. A sync that fails is fatal and never repeated.
 */
import { Durations, type System } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'
import type { Chunk, Tail } from '../tail/tail.ts'
import type { Journal } from './journal.ts'
import { FrameWriter, type Share } from './journal-format.ts'
import type { Member } from './member.ts'

interface Deferred {
  promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** A frame that is written but not durable yet. */
interface Unsynced {
  sequence: number
  members: Member[]
  ends: Offset[]
  durable: Deferred | null
}

/** Consecutive bytes of the tail that belong into the frame. */
interface Run {
  chunk: Chunk
  start: number
  end: number
}

export interface CommitOptions {
  system: System
  journal: Journal
  tail: Tail
  /** A sync failed. */
  onFatal(error: Error): void
  /** The journal's current file is full; nothing is gathered at this moment. */
  onFull(): void
}

/** Segment files that one sync cycle takes directly; beyond, shares go through the journal. */
const maxDirectFiles = 8

export class GroupCommit {
  readonly #options: CommitOptions
  readonly #frame = new FrameWriter()
  #members: Member[] = []
  #runs: Run[] = []
  #payloadBytes = 0
  #written: Deferred | null = null
  #durable: Deferred | null = null
  #needsSync = false
  #scheduled = false
  #unsynced: Unsynced[] = []
  #directFiles = new Set<Segment>()
  #syncing: Promise<void> | null = null
  /** Sequence number after the last frame that told of an idle moment. */
  #notedSequence = -1
  #closed = false
  frames = 0
  bytes = 0
  /** How long each sync took, of the journal and of the segments that went with it. */
  readonly syncs = new Durations()
  /** Set by a failed sync: nothing is accepted any more. */
  fatal: Error | null = null

  constructor(options: CommitOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#members.length === 0 && this.#frame.entries === 0
  }

  /** Settles when this group's frame is written; rejects when it could not be. */
  get written(): Promise<void> {
    return (this.#written ??= makeDeferred()).promise
  }

  get durable(): Promise<void> {
    return (this.#durable ??= makeDeferred()).promise
  }

  /** The member's marks move when this group is written. */
  join(member: Member): void {
    this.#schedule()
    if (member.inGroup) return
    member.inGroup = true
    this.#members.push(member)
  }

  /** The frame says that the member may differ from its checkpoint; true when an earlier frame of this file says so already. */
  bind(member: Member): boolean {
    const { current } = this.#options.journal
    if (member.boundFile === current) return true
    this.#schedule()
    member.boundFile = current
    member.slot = current.slots++
    current.bound.add(member)
    this.#frame.bind(member.slot, member.topicId, member.topic, member.partition)
    return false
  }

  /** Adds the member's share whose bytes are the last `share.length` of `chunk`'s used ones; without a chunk, an extent. */
  add(member: Member, share: Omit<Share, 'slot' | 'inline' | 'synced'>, chunk: Chunk | null): void {
    this.join(member)
    this.bind(member)
    this.#frame.share({ ...share, slot: member.slot, inline: chunk !== null, synced: member.synced })
    if (chunk === null) return
    const start = chunk.used - share.length
    this.#payloadBytes += share.length
    const last = this.#runs.at(-1)
    if (last !== undefined && last.chunk === chunk && last.end === start) last.end = chunk.used
    else {
      // The chunk may be evicted before the frame is written.
      this.#options.tail.pin(chunk)
      this.#runs.push({ chunk, start, end: chunk.used })
    }
  }

  /** The log start offset is durable when `durable` settles. */
  moveLogStart(member: Member, offset: Offset): void {
    this.join(member)
    this.bind(member)
    this.#frame.logStart(member.slot, offset)
    this.#needsSync = true
  }

  /** Recovery must not bring it back. */
  forget(member: Member): void {
    this.bind(member)
    this.#frame.deleted(member.slot)
  }

  /** May the segment file be written directly and be synced with the next cycle? */
  takeDirect(segment: Segment): boolean {
    if (this.#directFiles.has(segment)) return true
    if (this.#directFiles.size >= maxDirectFiles) return false
    this.#directFiles.add(segment)
    return true
  }

  /** Writes the frame now instead of at the end of the turn. */
  commit(): void {
    if (this.isEmpty) return
    const { journal } = this.#options
    const group = { members: this.#members, written: this.#written, durable: this.#durable, sequence: journal.nextSequence }
    let needsSync = this.#needsSync
    for (const member of group.members) {
      member.inGroup = false
      if (member.synced) needsSync = true
    }
    const failure = this.#write()
    this.#reset()
    if (failure !== null) {
      this.#takeBack(group.members)
      group.written?.reject(failure)
      group.durable?.reject(failure)
      return
    }
    // Before anybody is called back, who may gather again: a frame's slots are those of one file.
    if (journal.isFull) this.#options.onFull()
    if (needsSync) {
      const ends = group.members.map(member => member.logEndOffset)
      this.#unsynced.push({ sequence: group.sequence, members: group.members, ends, durable: group.durable })
    }
    for (const member of group.members) member.written()
    group.written?.resolve()
    if (needsSync) this.#sync()
    else group.durable?.resolve()
  }

  /** Waits until all that is written is durable, if anything waits for that. */
  async idle(): Promise<void> {
    this.commit()
    while (this.#syncing !== null) await this.#syncing
  }

  /** Writes nothing any more. */
  close(): void {
    this.#closed = true
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.system.timers.soon(() => {
      this.#scheduled = false
      this.commit()
    })
  }

  /** null when the frame is in the page cache, or when there was nothing to write. */
  #write(): KafkaError | null {
    if (this.#frame.entries === 0) return null
    return this.#writeFrame(this.#runs.map(({ chunk, start, end }) => chunk.bytes.subarray(start, end)))
  }

  #writeFrame(payload: Buffer[]): KafkaError | null {
    const { journal } = this.#options
    const meta = this.#frame.finish(journal.nextSequence, journal.durableSequence, this.#payloadBytes, 0)
    try {
      journal.write(meta, payload, this.#payloadBytes)
      this.frames++
      this.bytes += meta.length + this.#payloadBytes
      return null
    } catch (error) {
      return new KafkaError('KAFKA_STORAGE_ERROR', `The journal cannot be written: ${(error as Error).message}`)
    }
  }

  #reset(): void {
    for (const { chunk } of this.#runs) this.#options.tail.unpin(chunk)
    this.#members = []
    this.#runs = []
    this.#payloadBytes = 0
    this.#written = null
    this.#durable = null
    this.#needsSync = false
    this.#frame.reset()
  }

  #takeBack(members: Member[]): void {
    const { current } = this.#options.journal
    for (const member of members) {
      // Its binding may have been in this very frame; binding twice is harmless.
      if (member.boundFile === current) member.boundFile = null
      member.takeBack()
    }
  }

  #sync(): void {
    if (this.#syncing !== null || this.#unsynced.length === 0 || this.fatal !== null) return
    const frames = this.#unsynced
    const files = this.#directFiles
    this.#unsynced = []
    this.#directFiles = new Set()
    const { clock } = this.#options.system
    const began = clock.monotonic()
    const syncs = [this.#options.journal.sync()]
    for (const segment of files) syncs.push(segment.datasync())
    this.#syncing = Promise.all(syncs).then(
      () => {
        this.syncs.add(clock.monotonic() - began)
        this.#synced(frames)
      },
      error => this.#die(error as Error, frames),
    )
  }

  #synced(frames: Unsynced[]): void {
    const { journal } = this.#options
    this.#syncing = null
    journal.durableSequence = frames.at(-1)!.sequence + 1
    this.#sync()
    for (const { members, ends, durable } of frames) {
      for (let at = 0; at < members.length; at++) members[at]!.durable(ends[at]!)
      durable?.resolve()
    }
    if (this.#syncing === null) this.#options.system.timers.soon(() => this.#noteDurable())
  }

  /**
   * Nothing follows: an empty frame, not synced, tells recovery that the last frames were durable, so that damage to them is not taken for
   * a torn end. If it cannot be written, the next frame says the same.
   */
  #noteDurable(): void {
    const { journal } = this.#options
    if (this.#syncing !== null || !this.isEmpty || this.#closed || this.#notedSequence === journal.nextSequence) return
    const error = this.#writeFrame([])
    if (error === null) this.#notedSequence = journal.nextSequence
  }

  #die(error: Error, frames: Unsynced[]): void {
    this.#syncing = null
    this.fatal = error
    const refused = new KafkaError('KAFKA_STORAGE_ERROR', `The disk did not sync: ${error.message}`)
    for (const { durable } of [...frames, ...this.#unsynced]) durable?.reject(refused)
    this.#unsynced = []
    this.#options.onFatal(error)
  }
}

function makeDeferred(): Deferred {
  const deferred = Promise.withResolvers<void>()
  // With acks=0 nobody looks.
  deferred.promise.catch(() => {})
  return deferred
}
