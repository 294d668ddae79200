/**
 * Checkpoints: make segments durable and store the state of each partition, so that journal files can be reused and a restart need not
 * read segments.
 *
 * A checkpoint runs concurrently with appends, over batches of the partitions that the full journal files refer to. In short slices it
 * flushes them and takes their state; then, off the event loop, it syncs their files and the state log. When all are stored, it releases the
 * journal files. With `durability=os` the active segment is not synced unless something in it was acknowledged as durable, and the state says so.
 */
import { DiskError, type System, Turns } from '../../base.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import { allSynced } from '../failed-sync.ts'
import { OneAfterAnother } from '../one-after-another.ts'
import type { Partition } from '../partition/partition.ts'
import { stateOf } from '../partition/partition-state.ts'
import type { Segment } from '../segments/segment.ts'
import { carry } from './carry.ts'
import type { GroupCommit } from './commit.ts'
import type { Journal } from './journal.ts'
import type { StateLog } from './state-log.ts'
import { type PartitionState, partitionKey } from './state-record.ts'

/** Threads that are left to the journal and to reads while segments are synced. */
const otherThreads = 4
/** Partitions whose state is noted together: what is synced already need not be read again, should the process die before the rest is. */
const portion = 512
/** Or fewer, whose producers take this much memory until they are noted. */
const portionBytes = 8 << 20
/** At most this many partitions get complete indexes at the end. With more, creating their files would take seconds; Kafka rebuilds missing ones. */
const mostIndexed = 1000
/** A checkpoint that failed for want of space is tried again after this long. */
const retryMs = 1000

export interface CheckpointOptions {
  system: System
  journal: Journal
  commit: GroupCommit
  stateLog: StateLog
  /** Names of new partition directories. */
  syncNames(): Promise<void>
  /** A sync failed: what the disk holds is unknown. */
  onFatal(error: Error): void
  onBegun(): void
  /** Journal files were released. */
  onDone(): void
  /** The disk refused something; it is tried again. */
  onFailed(error: Error): void
}

interface Work {
  partition: Partition
  state: PartitionState
  segments: Segment[]
}

export class Checkpointer {
  /** Identity of the run of the operating system, in which all partitions were recovered; empty when there is none. */
  bootId = ''
  readonly #options: CheckpointOptions
  readonly #turns: Turns
  #running: Promise<void> | null = null
  #again = false
  #closed = false
  #indexing = false
  #carrying = false
  #deleted: string[] = []
  /** What uses partitions' files and the state log, one after the other. */
  readonly #actions = new OneAfterAnother()
  /** Partitions of the running one whose files the disk refuses, or that are offline: the journal keeps what it has of them. */
  #troubled = new Set<Partition>()
  /** Why the last one failed. */
  #failure: Error | null = null

  constructor(options: CheckpointOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Recovery need not look for it any more. */
  noteDeleted(topicId: Uuid, partition: number): void {
    this.#deleted.push(partitionKey(topicId, partition))
  }

  /** Runs `action` while no checkpoint looks at partitions or writes the state log. It must not wait for a checkpoint. */
  alone<T>(action: () => Promise<T>): Promise<T> {
    return this.#actions.run(action)
  }

  /** Releases all journal files but the current one, sooner or later. */
  start(): void {
    if (this.#running !== null) {
      // What is carried over fills files, too: were that a reason to begin again, there would be no end.
      if (!this.#carrying) this.#again = true
      return
    }
    // Begun in a microtask: its first steps may commit a group, fill the journal and come back here.
    this.#running = Promise.resolve()
      .then(() => this.#run())
      .catch(error => this.#fail(error as Error))
      .finally(() => {
        this.#running = null
        if (this.#again) {
          this.#again = false
          this.start()
        }
      })
  }

  /** Resolves when no checkpoint is running. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  /** Resolves when the one that is running is done; rejects when it failed, though it is tried again. */
  async finished(): Promise<void> {
    await this.idle()
    if (this.#failure !== null) throw this.#failure
  }

  /** The next one is the last: indexes are written, and it is not tried again. */
  close(): void {
    this.#closed = true
  }

  /** After a failed sync, the state of the disk is unknown. After any other error nothing has changed, except that more is on the disk. */
  #fail(error: Error): void {
    this.#failure = error
    // The journal refuses with a KafkaError.
    const isRefusal = error instanceof DiskError ? !error.isFailedSync : error instanceof KafkaError
    if (!isRefusal) {
      this.#options.onFatal(error)
      return
    }
    this.#options.onFailed(error)
    this.#options.system.timers.after(retryMs, () => {
      if (!this.#closed) this.start()
    })
  }

  async #run(): Promise<void> {
    const { journal } = this.#options
    const files = journal.retired()
    this.#failure = null
    if (files.length === 0) return
    const trimmed = journal.current.firstSequence
    this.#options.onBegun()
    const partitions = new Set<Partition>()
    for (const file of files) for (const member of file.bound) partitions.add(member as Partition)
    const deleted = [...this.#deleted]
    this.#indexing = this.#closed && partitions.size <= mostIndexed
    this.#troubled = new Set()
    const waiting = [...partitions]
    while (waiting.length > 0) await this.alone(() => this.#noteSome(waiting))
    const { stateLog, syncNames, commit } = this.#options
    if (this.#troubled.size > 0) {
      this.#carrying = true
      await this.alone(() => carry(this.#turns, journal, commit, files, this.#troubled)).finally(() => {
        this.#carrying = false
      })
    }
    // Once the deletion is forgotten, a directory that a power cut gave its old name back would be taken for a topic's.
    if (deleted.length > 0) await syncNames()
    await this.alone(() => stateLog.append([], deleted, { trimmedSequence: trimmed, bootId: this.bootId }))
    this.#deleted = this.#deleted.slice(deleted.length)
    journal.recorded()
    journal.release(files)
    this.#options.onDone()
  }

  /** Takes partitions from those that wait, and puts their states into the state log once what these say is on disk. */
  async #noteSome(waiting: Partition[]): Promise<void> {
    const works: Work[] = []
    try {
      await this.#flush(waiting, works)
      await this.#syncAll(works)
      const noted = works.filter(({ partition }) => !partition.deleted && !this.#troubled.has(partition))
      await this.#options.stateLog.append(
        noted.map(({ state }) => state),
        [],
        null,
      )
      for (const { partition, state } of noted) partition.upkeep.checkpointed(state)
    } catch (error) {
      for (const work of works) putBack(work)
      throw error
    }
  }

  /** One partition's trouble is not to keep the journal's files for all. */
  #refused(partition: Partition, error: unknown): void {
    if (!(error instanceof DiskError) || error.isFailedSync || error.isShortage) throw error
    // Its files went while they were used.
    if (partition.deleted) return
    this.#troubled.add(partition)
    if (!this.#options.journal.isHeld) {
      partition.upkeep.refused(error)
      return
    }
    // The state log has its state of an earlier run, which must not be applied to what is appended from now on, and not be taken for one of this run.
    this.bootId = ''
    partition.upkeep.giveUp(error)
  }

  async #flush(waiting: Partition[], works: Work[]): Promise<void> {
    let bytes = 0
    while (waiting.length > 0 && works.length < portion && bytes < portionBytes) {
      if (this.#turns.over) await this.#turns.next()
      const partition = waiting.pop()!
      if (partition.deleted) continue
      // What is not in the journal yet may still be taken back.
      partition.settleGroup()
      if (partition.deleted) continue
      if (partition.offline !== null) this.#troubled.add(partition)
      else
        try {
          const work = this.#take(partition)
          works.push(work)
          bytes += work.state.producers?.length ?? 0
        } catch (error) {
          this.#refused(partition, error)
        }
    }
  }

  #take(partition: Partition): Work {
    partition.flush()
    partition.files.noteEpochs(partition.epochs)
    const { active } = partition.segments
    if (this.#indexing) active?.flushIndexes()
    const { unsynced } = partition.files
    const isPromised = partition.synced || partition.promised
    const segments = [...unsynced].filter(segment => isPromised || segment !== active)
    // If the disk refuses something here, it stays known what has to be synced.
    const state = stateOf(partition, active === undefined || isPromised || !unsynced.has(active))
    partition.promised = false
    for (const segment of segments) unsynced.delete(segment)
    return { partition, state, segments }
  }

  async #syncAll(works: Work[]): Promise<void> {
    // An empty log has no files to sync, but if it does not begin at 0, its directory must survive: recovery ignores a state without one.
    const jobs = works.filter(({ segments, state }) => segments.length > 0 || (state.active === null && state.endOffset > 0))
    if (jobs.length === 0) return
    let next = 0
    const worker = async () => {
      while (next < jobs.length) {
        const work = jobs[next++]!
        await this.#sync(work).catch(error => {
          putBack(work)
          this.#refused(work.partition, error)
        })
      }
    }
    const parallel = Math.max(2, (this.#options.system.files.threads ?? 0) - otherThreads)
    await allSynced([this.#options.syncNames(), ...Array.from({ length: parallel }, worker)])
  }

  async #sync({ partition, segments }: Work): Promise<void> {
    let newNames = segments.length === 0
    for (const segment of segments) {
      if (partition.deleted || !partition.segments.all.includes(segment)) continue
      await segment.datasync()
      newNames = (await segment.transactions.datasync()) || newNames
    }
    if (!partition.deleted) await partition.files.syncNames(newNames)
  }
}

/** It is unknown whether its segments were synced. */
function putBack({ partition, segments }: Work): void {
  for (const segment of segments) partition.files.unsynced.add(segment)
  partition.promised = true
}
