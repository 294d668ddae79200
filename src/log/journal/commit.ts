/**
 * Group commit: everything that all partitions append in one turn of the event loop becomes one journal frame, written with one `writev`.
 * Only one `fdatasync` runs at a time; each covers all frames written while the previous one was running.
 *
 * Data that bypasses the journal is durable after the sync of its segment. The journal's entry for it, by which recovery distinguishes damage
 * from a torn end, is synced with the next sync of the journal, or soon after.
 *
 * Hides the gathering, the states of the groups (group.ts), and the order in which marks advance and promises settle. A failed sync
 * is fatal and never repeated.
 */
import { Durations, type System } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'
import type { Chunk, Tail } from '../tail/tail.ts'
import { Group } from './group.ts'
import type { Journal } from './journal.ts'
import { FrameWriter, foldChecksums, type Share } from './journal-format.ts'
import type { DirectMember, JournalFile, Member } from './member.ts'

/** A group whose frame is written but not durable yet. */
interface Unsynced {
  sequence: number
  group: Group
  ends: Offset[]
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

/** How much later than the segments that it describes the journal may be synced. */
const journalBehindMs = 500

/** Bindings that are to be said again in a frame of the file that begins at `from` or behind it. */
interface Repetition {
  file: JournalFile
  from: number
  members: readonly Member[]
}

/** Segment files that one sync cycle takes directly; beyond, shares go through the journal. */
const maxDirectFiles = 8
/** More than a bad sector takes. */
const repetitionBytes = 16 << 10

export class GroupCommit {
  readonly #options: CommitOptions
  /** Gathered: its members and, in `#frame` and `#runs`, what the journal will say of them. */
  #group = new Group()
  readonly #frame = new FrameWriter()
  /** Bound by the frame that is gathered. */
  #bound: Member[] = []
  #repetitions: Repetition[] = []
  #runs: Run[] = []
  #payloadBytes = 0
  /** What goes past the journal is a group for each partition: it needs no frame, and one that the disk refuses does not concern others. */
  #direct: { group: Group; member: Member }[] = []
  /** Settled without the journal: those who wait for them are called at the end of the turn. */
  #settled = new Set<Member>()
  #scheduled = false
  #unsynced: Unsynced[] = []
  /** Written past the journal since the last sync began, and whose they are. */
  #directFiles = new Map<Segment, DirectMember>()
  #syncing: Promise<void> | null = null
  /** Sequence number after the last frame that was reported as durable. The journal is not always synced that far. */
  #toldSequence = 0
  /** Monotonic; when the last sync of the journal began. */
  #journalSyncedMs = 0
  #catchingUp = false
  /** Sequence number after the last frame that recorded an idle moment. */
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

  /** The group that is gathered now; it is sent at the end of the turn. */
  get group(): Group {
    return this.#group
  }

  /** Removes everything that was refused from the journal; throws DiskError as long as that is not possible. */
  mend(): void {
    this.#options.journal.mend()
  }

  /** Call before the member changes anything that the group may have to undo. */
  join(member: Member): Group {
    this.#schedule()
    this.#group.join(member)
    return this.#group
  }

  /** The same for a member whose bytes go past the journal. They are its caller's until `writeOut`. */
  joinDirect(member: Member): Group {
    this.#schedule()
    const group = new Group()
    group.join(member)
    this.#direct.push({ group, member })
    return group
  }

  /** Writes what members gathered past the journal, or what this one did; answers why that was not possible, for the last one that failed. */
  writeOut(only: Member | null = null): KafkaError | null {
    if (this.#direct.length === 0) return null
    const sent = only === null ? this.#direct : this.#direct.filter(({ member }) => member === only)
    this.#direct = only === null ? [] : this.#direct.filter(({ member }) => member !== only)
    let failure: KafkaError | null = null
    for (const { group, member } of sent) {
      group.send()
      const refused = member.writeOut()
      if (refused === null) {
        group.commit()
        group.settle()
        this.#settled.add(member)
      } else {
        group.refuse(refused, null)
        failure = refused
      }
    }
    return failure
  }

  /** Does the journal's current file say already that the member may differ from its checkpoint? */
  isBound(member: Member): boolean {
    return member.boundFile === this.#options.journal.current
  }

  /** The frame says that the member may differ from its checkpoint. */
  bind(member: Member): void {
    if (this.isBound(member)) return
    const { current } = this.#options.journal
    this.#schedule()
    member.boundFile = current
    member.slot = current.slots++
    current.bound.add(member)
    this.#group.binds(member)
    this.#bound.push(member)
    this.#frame.bind(member.slot, member.topicId, member.topic, member.partition)
  }

  /**
   * Adds the share of a member that has joined: the last `share.length` of `chunk`'s used bytes; without a chunk, an extent. `synced`: it is
   * acknowledged only when durable.
   */
  add(member: Member, share: Omit<Share, 'slot' | 'inline' | 'synced' | 'checksum'>, chunk: Chunk | null, synced = member.synced): void {
    this.bind(member)
    const { slot } = member
    if (synced && chunk !== null) this.#group.needsJournal = true
    const start = chunk === null ? 0 : chunk.used - share.length
    const checksum = chunk === null ? 0 : foldChecksums(chunk.bytes, start, chunk.used)
    this.#frame.share({ ...share, slot, inline: chunk !== null, synced, checksum })
    if (chunk === null) return
    this.#payloadBytes += share.length
    const last = this.#runs.at(-1)
    if (last !== undefined && last.chunk === chunk && last.end === start) last.end = chunk.used
    else {
      // Should the partition be deleted, nothing else would keep the chunk.
      this.#options.tail.pin(chunk)
      this.#runs.push({ chunk, start, end: chunk.used })
    }
  }

  /** The log start offset of a member that has joined is durable when the group is. */
  moveLogStart(member: Member, offset: Offset): void {
    this.bind(member)
    this.#frame.logStart(member.slot, offset)
    this.#group.needsSync = true
    this.#group.needsJournal = true
  }

  /** Recovery must not bring it back. */
  forget(member: Member): void {
    this.bind(member)
    this.#frame.deleted(member.slot)
  }

  /** May the segment file be written directly and be synced with the next cycle? */
  takeDirect(member: DirectMember, segment: Segment): boolean {
    if (this.#directFiles.has(segment)) return true
    if (this.#directFiles.size >= maxDirectFiles) return false
    this.#directFiles.set(segment, member)
    return true
  }

  /** Sends the group now instead of at the end of the turn. */
  commit(): void {
    this.writeOut()
    const settled = this.#settled
    if (settled.size > 0) this.#settled = new Set()
    if (!this.#group.isEmpty || this.#frame.entries > 0) this.#send()
    for (const member of settled) member.notify()
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

  #send(): void {
    this.#bindAgain()
    const { journal } = this.#options
    const group = this.#group
    const sequence = journal.nextSequence
    group.send()
    const failure = this.#frame.entries === 0 ? null : this.#writeFrame()
    this.#gatherAnew()
    if (failure !== null) {
      group.refuse(failure, journal.current)
      return
    }
    const ends = group.commit()
    // Before callbacks run, which may gather again: the slots of a frame belong to one file.
    if (journal.isFull) this.#options.onFull()
    if (group.needsSync) this.#unsynced.push({ sequence, group, ends })
    group.tellWritten()
    this.#sync()
  }

  /** null when the frame is in the page cache. */
  #writeFrame(): KafkaError | null {
    const { journal } = this.#options
    const file = journal.current
    const later = this.#repeatBindings(file)
    const from = file.end
    const payload = this.#runs.map(({ chunk, start, end }) => chunk.bytes.subarray(start, end))
    const meta = this.#frame.finish(from, journal.nextSequence, journal.durableSequence, this.#payloadBytes, journal.token)
    try {
      journal.write(meta, payload, this.#payloadBytes)
      this.#frame.wrote(from)
      this.#repetitions = later
      for (const again of this.#bound.length > 0 ? [from, from + repetitionBytes] : [])
        this.#repetitions.push({ file, from: again, members: this.#bound })
      this.frames++
      this.bytes += meta.length + this.#payloadBytes
      return null
    } catch (error) {
      return new KafkaError('KAFKA_STORAGE_ERROR', `The journal cannot be written: ${(error as Error).message}`)
    }
  }

  /** What should have been said again in a file that is full is said in the next one. */
  #bindAgain(): void {
    if (this.#repetitions.length === 0) return
    const { current } = this.#options.journal
    const missed = this.#repetitions.filter(({ file }) => file !== current)
    this.#repetitions = this.#repetitions.filter(({ file }) => file === current)
    for (const { file, members } of missed)
      for (const member of members) if (member.boundFile === file && !member.deleted) this.bind(member)
  }

  /** Without them damage to a frame could hide which partitions it concerns, and these would end early as if nothing were missing. */
  #repeatBindings(file: JournalFile): Repetition[] {
    if (this.#repetitions.length === 0) return this.#repetitions
    const later: Repetition[] = []
    for (const repetition of this.#repetitions) {
      if (repetition.from > file.end) later.push(repetition)
      else
        for (const member of repetition.members)
          if (member.boundFile === file) this.#frame.bind(member.slot, member.topicId, member.topic, member.partition)
    }
    return later
  }

  #gatherAnew(): void {
    for (const { chunk } of this.#runs) this.#options.tail.unpin(chunk)
    this.#group = new Group()
    this.#bound = []
    this.#runs = []
    this.#payloadBytes = 0
    this.#frame.reset()
  }

  #sync(): void {
    // What was gathered when the sync failed is sent after it.
    if (this.fatal !== null) this.#rejectUnsynced(this.fatal)
    if (this.#syncing !== null || this.#unsynced.length === 0) return
    const frames = this.#unsynced
    const files = this.#directFiles
    this.#unsynced = []
    this.#directFiles = new Map()
    const { journal, system } = this.#options
    const began = system.clock.monotonic()
    const isDue = journal.mustSync || began - this.#journalSyncedMs > journalBehindMs
    const withJournal = isDue || frames.some(({ group }) => group.needsJournal)
    const direct = syncsOf(files)
    const syncs: Promise<unknown>[] = withJournal ? [journal.sync()] : []
    for (const sync of direct.values()) syncs.push(sync.catch(unlessRefused))
    for (const { group } of frames) syncs.push(...group.protect(direct))
    this.#syncing = Promise.all(syncs).then(
      () => {
        this.syncs.add(system.clock.monotonic() - began)
        this.#toldSequence = frames.at(-1)!.sequence + 1
        if (withJournal) this.#journalSynced(began)
        this.#synced(frames)
      },
      error => this.#die(error as Error, frames),
    )
  }

  #journalSynced(beganMs: number): void {
    this.#journalSyncedMs = beganMs
    this.#options.journal.durableSequence = this.#toldSequence
  }

  #synced(frames: Unsynced[]): void {
    this.#syncing = null
    this.#sync()
    for (const { group, ends } of frames) group.becameDurable(ends)
    if (this.#syncing === null) this.#options.system.timers.soon(() => this.#noteDurable())
  }

  /** Nothing followed for a while: the journal is synced, too. */
  #catchUp(): void {
    const { journal, system } = this.#options
    if (this.#catchingUp) return
    this.#catchingUp = true
    system.timers.after(journalBehindMs, () => {
      this.#catchingUp = false
      if (this.#closed || this.fatal !== null || journal.durableSequence === this.#toldSequence) return
      // What is being synced now looks at the time itself.
      if (this.#syncing !== null) this.#catchUp()
      else
        this.#syncing = journal.sync().then(
          () => {
            this.#journalSynced(system.clock.monotonic())
            this.#synced([])
          },
          error => this.#die(error as Error, []),
        )
    })
  }

  /**
   * If nothing follows, an empty frame, not synced, tells recovery that the last frames were durable, so that damage to them is not taken for
   * a torn end. If it cannot be written, the next frame says the same.
   */
  #noteDurable(): void {
    const { journal } = this.#options
    const idle = this.#syncing === null && this.#group.isEmpty && this.#frame.entries === 0
    if (!idle || this.#closed || this.#notedSequence === journal.nextSequence) return
    if (journal.durableSequence < this.#toldSequence) {
      this.#catchUp()
      return
    }
    this.#bindAgain()
    // Then a frame follows, which tells the same.
    if (this.#frame.entries > 0) return
    const error = this.#writeFrame()
    this.#frame.reset()
    if (error === null) this.#notedSequence = journal.nextSequence
  }

  #die(error: Error, frames: Unsynced[]): void {
    this.#syncing = null
    this.fatal = error
    this.#unsynced.unshift(...frames)
    this.#rejectUnsynced(error)
    this.#options.onFatal(error)
  }

  #rejectUnsynced(error: Error): void {
    const refused = new KafkaError('KAFKA_STORAGE_ERROR', `The sync of the disk failed: ${error.message}`)
    for (const { group } of this.#unsynced) group.rejectDurable(refused)
    this.#unsynced = []
  }
}

/** By member. */
function syncsOf(files: ReadonlyMap<Segment, DirectMember>): Map<Member, Promise<unknown>> {
  const syncs = new Map<Member, Promise<unknown>>()
  for (const [segment, member] of files)
    if (!member.deleted) syncs.set(member, Promise.all([syncs.get(member), member.upkeep.syncDirect(segment)]))
  return syncs
}

/** The member is offline, and its groups are told. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof KafkaError)) throw error
}
