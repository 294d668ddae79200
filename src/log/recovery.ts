/**
 * Recovers the whole log: reads the state log, then the journal, then every partition's directory.
 *
 * A fault of one partition affects only that partition. If its files differ from what was written ("damage"), it stays offline until an
 * operator removes the mark in its directory. If the disk returns errors ("trouble"), it is offline until the next start. In both cases
 * checkpoints keep its records that are in the journal.
 */
import { basename } from 'node:path'
import { DiskError } from '../base.ts'
import type { TopicConfig } from '../log.ts'
import type { Offset, Uuid } from '../protocol.ts'
import type { LogContext } from './context.ts'
import type { DeletedPartition } from './deletions.ts'
import type { Share } from './journal/journal-format.ts'
import { type JournalView, type NamedPartition, type RecoveredJournal, recoverJournal } from './journal/journal-recovery.ts'
import type { LoadedState, StateLog } from './journal/state-log.ts'
import { type PartitionState, partitionKey } from './journal/state-record.ts'
import { type Known, keepOffline, type Opened, openDirectory, type Place, startOffline, type Trust } from './opening.ts'
import { Partition } from './partition/partition.ts'
import { condemnedName, hasSegments, isCondemned, readTopicId, writePartitionMetadata } from './partition/partition-directory.ts'
import type { PartitionStart } from './partition/partition-recovery.ts'
import { readReleased, releasedFile } from './partition/released-state.ts'
import { ReplayedSegments } from './segments/replayed-segments.ts'
import { parseTopicValues, topicConfigOf } from './topic-config.ts'

export interface RecoveredLog {
  partitions: Partition[]
  /** Those that differ from their checkpoint, or have none. */
  changed: Partition[]
  /** The journal says so; their directories may still be there. */
  deleted: DeletedPartition[]
  /**
   * By directory: those with segments, but without a topic id. A power cut leaves such a directory if nothing in it was synced; it belongs to
   * the topic of that name, as in Kafka.
   */
  unnamed: Map<string, PartitionStart>
  journal: RecoveredJournal
  /** Some logs end differently from what journal and state log say: nothing may be appended before a checkpoint has recorded them. */
  mustBeRecorded: boolean
  /** What checkpoints record as the run of the operating system. Empty while the state of an offline partition is from an earlier one. */
  run: string
}

/** Until the topic's own config is known; nothing is removed from a partition that belongs to no topic. */
const builtInConfig: TopicConfig = topicConfigOf(parseTopicValues(new Map()), new Map())

/** Partitions that are opened at the same time: their files are read by a few threads. */
const parallel = 4

interface Found extends Place {
  topicId: Uuid
}

const nothingChecked = { endOffset: 0, activeBase: 0 }
const nothingKnown: Known = { state: null, logStart: -1, view: null, doubtful: false }

export interface Circumstances {
  /** Identity of the run of the operating system; empty when unknown. */
  run: string
  /** A sync failed in this run: see failed-sync.ts. The journal has been written again. */
  writesAgain: boolean
}

export async function recoverLog(context: LogContext, stateLog: StateLog, circumstances: Circumstances): Promise<RecoveredLog> {
  return await new LogRecovery(context, stateLog, circumstances).run()
}

class LogRecovery {
  readonly #context: LogContext
  readonly #stateLog: StateLog
  readonly #loaded: LoadedState
  readonly #run: string
  readonly #sameRun: boolean
  readonly #trust: Trust
  #found = new Map<string, Found>()
  #condemned: ReadonlySet<string> = new Set()
  /** The names of the directories of all partitions that state log and journal know. */
  readonly #homes = new Map<string, string>()
  /** By name of the directory: the topic that was deleted there. */
  readonly #deleted = new Map<string, NamedPartition>()
  #views = new Map<string, JournalView>()
  /** Why a partition's files cannot be used. */
  readonly #troubles = new Map<string, string>()
  readonly #replayed: ReplayedSegments<NamedPartition>
  /** With segments; of which topic id, is not known. */
  readonly #unnamed: Place[] = []
  /** Directories that were released and that no log has: they stay as they are. */
  readonly #released = new Set<string>()
  /** Of partitions that were adopted and are in no checkpoint of this log yet: as their last log released them. */
  readonly #adopted = new Map<string, PartitionState>()

  constructor(context: LogContext, stateLog: StateLog, { run, writesAgain }: Circumstances) {
    this.#context = context
    this.#stateLog = stateLog
    this.#loaded = stateLog.load()
    this.#replayed = new ReplayedSegments(context.segments, this.#loaded.isLost)
    for (const problem of this.#loaded.problems) context.report(problem, null)
    this.#run = run
    this.#sameRun = run !== '' && this.#loaded.bootId === run
    this.#trust = { sameRun: this.#sameRun, writesAgain }
  }

  async run(): Promise<RecoveredLog> {
    const loaded = this.#loaded
    // A log that began anew after its segment was lost has nothing to do with what the journal still has of that one.
    const isChecked = (view: JournalView, share: Share) => {
      const { endOffset, activeBase } = loaded.partitions.get(keyOf(view)) ?? nothingChecked
      return share.endOffset <= endOffset || share.segmentBase < activeBase
    }
    const journal = await recoverJournal({
      files: this.#context.system.files,
      directory: `${this.#context.directory}/journal`,
      trimmedSequence: loaded.trimmedSequence,
      isVoid: (key, sequence) => sequence < (loaded.released.get(key) ?? 0),
      isChecked,
      indexed: (named, deleted) => {
        this.#condemned = deleted
        this.#findDirectories([...loaded.partitions.values(), ...named])
        for (const one of named) if (!loaded.partitions.has(keyOf(one))) this.#findReleased(one)
      },
      redo: (view, segmentBase, position, bytes) => this.#redo(view, segmentBase, position, bytes),
    })
    this.#replayed.finish((view, action) => this.#attempt(view, action))
    this.#views = new Map(journal.views.map(view => [keyOf(view), view]))
    const deleted: DeletedPartition[] = []
    for (const view of journal.views) {
      view.deleted ||= this.#condemned.has(keyOf(view))
      if (!view.deleted) continue
      const directory = this.#found.get(keyOf(view))?.directory ?? null
      this.#found.delete(keyOf(view))
      if (directory !== null) this.#context.segments.handles.forgetIn(directory)
      deleted.push({ ...view, directory })
    }
    this.#replaceLost(journal.views)
    const opened = await this.#openAll()
    return { ...opened, deleted, unnamed: await this.#openUnnamed(), journal }
  }

  /** A power cut took these with their directories: those who had read them must not be told that nothing had ever been there. */
  #replaceLost(views: readonly JournalView[]): void {
    if (this.#sameRun) return
    const { partitions, isDoubtful } = this.#loaded
    const isLive = (named: NamedPartition) => !this.#condemned.has(keyOf(named)) && partitions.get(keyOf(named))?.synced !== true
    for (const view of views) if (isLive(view)) this.#attempt(view, () => this.#place(view))
    for (const [key, state] of partitions) if (isLive(state) && !isDoubtful(key)) this.#attempt(state, () => this.#place(state))
  }

  async #openAll(): Promise<Pick<RecoveredLog, 'partitions' | 'changed' | 'mustBeRecorded' | 'run'>> {
    const partitions: Partition[] = []
    const changed: Partition[] = []
    let mustBeRecorded = false
    const waiting = [...this.#found.values()]
    const open = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const known = this.#known(keyOf(next))
        const { partition, isRemade } = await this.#open(next, known)
        partitions.push(partition)
        const { state, view, doubtful } = known
        const isForeign = state === null && view === null
        const isOutdated = doubtful || isRemade || isForeign || (!this.#sameRun && state?.synced === false)
        const isNoted = view === null && !this.#adopted.has(keyOf(next)) && partition.logEndOffset === state?.endOffset
        if (isNoted && !isOutdated) continue
        changed.push(partition)
        mustBeRecorded ||= isOutdated || !this.#sameRun
      }
    }
    await Promise.all(Array.from({ length: parallel }, open))
    const isComplete = this.#sameRun || partitions.every(({ offline }) => offline === null)
    return { partitions, changed, mustBeRecorded, run: isComplete ? this.#run : '' }
  }

  async #openUnnamed(): Promise<Map<string, PartitionStart>> {
    const named = new Set([...this.#found.values()].map(({ directory }) => directory))
    const unnamed = new Map<string, PartitionStart>()
    for (const place of this.#unnamed) {
      if (named.has(place.directory)) continue
      const { start } = await this.#start(place, place.directory, nothingKnown)
      unnamed.set(place.directory, { ...start, suspect: !this.#sameRun })
    }
    return unnamed
  }

  #known(key: string): Known {
    const { logStarts, isDoubtful } = this.#loaded
    return {
      state: this.#stateLog.read(key) ?? this.#adopted.get(key) ?? null,
      logStart: logStarts.get(key) ?? -1,
      view: this.#views.get(key) ?? null,
      doubtful: isDoubtful(key),
    }
  }

  /** `isRemade`: files that the state log vouches for were written again. */
  async #open(found: Found, known: Known): Promise<{ partition: Partition; isRemade: boolean }> {
    const { topic, topicId, partition } = found
    const { state, view, doubtful } = known
    const { start, damage, repaired } = await this.#start(found, keyOf(found), known)
    // A write past the journal may come before the frame that names the partition.
    const isLonger = state !== null && start.logEndOffset !== state.endOffset
    const changed = view !== null || doubtful || repaired || isLonger || state?.synced === false
    const spec = { topic, topicId, partition, config: builtInConfig }
    const opened = new Partition(this.#context, spec, { ...start, suspect: changed && !this.#sameRun })
    const reason = damage ?? (repaired ? null : (view?.damage ?? null))
    if (reason !== null) keepOffline(this.#context, opened, reason)
    if (state !== null && !this.#adopted.has(keyOf(found))) opened.files.forgetReleased()
    // What the journal just wrote again, and what an earlier process left to the page cache, is in no checkpoint before it is synced.
    const isRemade = repaired || start.checkpointedBase < (state?.active?.baseOffset ?? 0)
    if (changed || state === null || isRemade)
      for (const segment of opened.segments.all)
        if (repaired || segment.baseOffset >= start.checkpointedBase) opened.files.unsynced.add(segment)
    opened.exposed = changed && (state?.synced !== true || (view?.syncedEnd ?? 0) !== opened.logEndOffset)
    opened.promised = changed
    if (view?.direct === true && (opened.synced || view.durableEnd > 0)) await this.#sync(opened)
    return { partition: opened, isRemade }
  }

  /** What is read from now on must not be taken back by a power cut. */
  async #sync(partition: Partition): Promise<void> {
    try {
      for (const segment of partition.files.unsynced) await segment.datasync()
    } catch (error) {
      if (!(error instanceof DiskError) || error.isFailedSync) throw error
      partition.goOffline(error.message)
    }
  }

  /** `key`: what trouble with it is noted under. */
  async #start(place: Place, key: string, known: Known): Promise<Opened> {
    if (!this.#troubles.has(key))
      try {
        return await openDirectory(this.#context, this.#trust, place, known)
      } catch (error) {
        if (!(error instanceof DiskError) || error.isFailedSync) throw error
        this.#noteTrouble(key, error)
      }
    return { start: startOffline(this.#context, place.directory, known, this.#troubles.get(key)!), damage: null, repaired: false }
  }

  #redo(view: JournalView, segmentBase: Offset, position: number, bytes: Buffer[]): void {
    // What was deleted later must not come back for a moment: it would be in the way of a topic of the same name.
    if (view.deleted || this.#condemned.has(keyOf(view))) return
    this.#attempt(view, () => {
      const directory = this.#place(view)
      if (directory === null || (this.#loaded.isLost && segmentBase < this.#newestBase(directory))) return
      this.#replayed.write(view, directory, segmentBase, position, bytes)
    })
  }

  /** Segments before it are complete, and may have been compacted, or have been left behind by the log's start. */
  #newestBase(directory: string): Offset {
    const logs = this.#context.system.files.list(directory).filter(({ name }) => /^\d{20}\.log$/.test(name))
    return Number(logs.at(-1)?.name.slice(0, 20) ?? -1)
  }

  /** Does nothing more for a partition whose files have refused something. */
  #attempt(one: NamedPartition, action: () => void): void {
    const key = keyOf(one)
    if (this.#troubles.has(key)) return
    try {
      action()
    } catch (error) {
      this.#noteTrouble(key, error)
      const { topic, topicId, partition } = one
      const directory = this.#found.get(key)?.directory ?? `${this.#context.directory}/${topic}-${partition}`
      this.#found.set(key, { topic, topicId, partition, directory })
    }
  }

  #noteTrouble(key: string, error: unknown): void {
    if (!(error instanceof DiskError)) throw error
    this.#troubles.set(key, error.message)
  }

  // ---- directories ----

  /**
   * Directories named `<topic>-<partition>`, and whose they are. `known`: partitions of checkpoints and the journal. What a deletion left is
   * removed.
   */
  #findDirectories(known: readonly NamedPartition[]): void {
    const { files } = this.#context.system
    const ids = new Map<string, Set<Uuid>>()
    for (const one of known) {
      const name = `${one.topic}-${one.partition}`
      this.#homes.set(keyOf(one), name)
      if (this.#condemned.has(keyOf(one))) {
        this.#deleted.set(name, one)
        continue
      }
      const all = ids.get(name)
      if (all === undefined) ids.set(name, new Set([one.topicId]))
      else all.add(one.topicId)
    }
    for (const { name, kind } of files.list(this.#context.directory)) {
      if (kind !== 'directory') continue
      const directory = `${this.#context.directory}/${name}`
      if (isCondemned(name)) this.#context.chores.add(`removing ${directory}`, 0, () => files.removeDirectory(directory))
      const match = /^(.+)-(\d+)$/.exec(name)
      if (match !== null) this.#identify(match[1]!, Number(match[2]), directory, ids.get(name) ?? new Set())
    }
  }

  #identify(topic: string, partition: number, directory: string, known: ReadonlySet<Uuid>): void {
    const place = { topic, partition, directory }
    const { files } = this.#context.system
    try {
      const stored = readTopicId(files, directory)
      // Nobody's, until a log adopts it. If this log had, its journal would name it: nothing was appended since.
      if (stored !== null && !this.#homes.has(partitionKey(stored, partition)) && files.exists(`${directory}/${releasedFile}`)) {
        this.#released.add(directory)
        return
      }
      const topicId = this.#topicIdOf(directory, partition, stored, known)
      if (topicId !== null) this.#take({ ...place, topicId })
      else if (hasSegments(files, directory)) this.#unnamed.push(place)
    } catch (error) {
      // Whose it is can be guessed only if there is no choice. Otherwise the topic of that name finds out when it asks for its directory.
      const topicId = known.size === 1 ? [...known][0]! : null
      this.#noteTrouble(topicId === null ? directory : partitionKey(topicId, partition), error)
      if (topicId === null) this.#unnamed.push(place)
      else this.#found.set(partitionKey(topicId, partition), { ...place, topicId })
    }
  }

  /** The state of a partition that the journal knows, and no checkpoint: where it was adopted, `millrace.released` has it. */
  #findReleased(one: NamedPartition): void {
    const key = keyOf(one)
    const directory = this.#found.get(key)?.directory
    if (directory === undefined) return
    this.#attempt(one, () => {
      try {
        const state = readReleased(this.#context.system.files, directory)
        if (state === null) return
        this.#adopted.set(key, state)
        this.#loaded.partitions.set(key, { ...state, activeBase: state.active?.baseOffset ?? state.endOffset })
      } catch (error) {
        if (error instanceof DiskError) throw error
        // Damaged: what it said of gaps and ends is not known.
        this.#troubles.set(key, (error as Error).message)
      }
    })
  }

  /** If an operator copied a partition's directory to another name, the copy is left alone. */
  #take(found: Found): void {
    const { directory } = found
    const key = keyOf(found)
    const home = this.#homes.get(key)
    const other = this.#found.get(key)?.directory ?? (home === undefined ? directory : `${this.#context.directory}/${home}`)
    if (other === directory) this.#found.set(key, found)
    else this.#context.report(`ignoring ${directory}: it contains the same partition as ${other}`, null)
  }

  /** By `partition.metadata`; where that is damaged, or names a topic that nothing else knows, by what else is known of the name. */
  #topicIdOf(directory: string, partition: number, stored: Uuid | null, known: ReadonlySet<Uuid>): Uuid | null {
    const { files } = this.#context.system
    // A power cut may have undone the renaming of a deleted one, and emptied its file. Nothing of a later topic of that name is lost by taking the
    // directory for the deleted one's: what was acknowledged there is in the journal, or the file was synced.
    const deleted = stored === null ? this.#deleted.get(basename(directory)) : undefined
    if (
      deleted !== undefined &&
      !files.exists(`${this.#context.directory}/${condemnedName(deleted.topic, deleted.partition, deleted.topicId)}`)
    )
      return deleted.topicId
    if (stored !== null && (known.size === 0 || known.has(stored) || this.#condemned.has(partitionKey(stored, partition)))) return stored
    // A topic that neither state log nor journal knows has nothing to lose. The known one needs a place for its records in the journal.
    if (known.size !== 1) return stored
    const topicId = [...known][0]!
    this.#context.report(`${directory}/partition.metadata is damaged; rewriting it`, null)
    writePartitionMetadata(files, directory, topicId)
    return topicId
  }

  /**
   * Where the partition lies; made again when a power cut took its name. null: another topic of that name has its place. One of the
   * condemned has not: its deletion was in the journal before anything of its successor.
   */
  #place(named: NamedPartition): string | null {
    const present = this.#found.get(keyOf(named))
    if (present !== undefined) return present.directory
    const { files } = this.#context.system
    const { topic, topicId, partition } = named
    const directory = `${this.#context.directory}/${topic}-${partition}`
    if (this.#released.has(directory)) return null
    for (const other of this.#found.values()) {
      if (other.directory !== directory) continue
      if (!this.#condemned.has(keyOf(other))) return null
      this.#context.segments.handles.forgetIn(directory)
      this.#context.deletions.moveAway(other, directory, 0)
      this.#found.delete(keyOf(other))
    }
    files.makeDirectory(directory)
    writePartitionMetadata(files, directory, topicId)
    this.#found.set(keyOf(named), { topic, topicId, partition, directory })
    return directory
  }
}

function keyOf(of: { topicId: Uuid; partition: number }): string {
  return partitionKey(of.topicId, of.partition)
}
