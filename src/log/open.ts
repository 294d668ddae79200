/** Opens the broker's log: recovers it, starts the background work (checkpoints, retention, compaction), and closes it. */
import { dirname } from 'node:path'
import { DiskError, type FileSystem, type System } from '../base.ts'
import type { JournalCounts, Log, LogOptions, LogSettings, PartitionSpec, ReleasedPartition } from '../log.ts'
import { findRecord, KafkaError, type Uuid } from '../protocol.ts'
import { Chores } from './chores.ts'
import { Cleaner } from './cleaner/cleaner.ts'
import { Retention } from './cleaner/retention.ts'
import type { LogContext } from './context.ts'
import { Deletions } from './deletions.ts'
import { isFailedSync, markFailedSync, mayLackWrites, rewriteJournal, unmarkFailedSync } from './failed-sync.ts'
import { FreeSpace } from './free-space.ts'
import { Checkpointer } from './journal/checkpoint.ts'
import { GroupCommit } from './journal/commit.ts'
import { Journal } from './journal/journal.ts'
import { StateLog } from './journal/state-log.ts'
import { partitionKey } from './journal/state-record.ts'
import { Moves, withEpoch } from './moves.ts'
import { LeaderEpochs } from './partition/leader-epochs.ts'
import { Partition } from './partition/partition.ts'
import { hasSegments, writePartitionMetadata } from './partition/partition-directory.ts'
import { orStorageError } from './partition/partition-files.ts'
import type { PartitionStart } from './partition/partition-recovery.ts'
import { PageCache } from './partition/recent-writes.ts'
import { releasedFile } from './partition/released-state.ts'
import { recoverLog } from './recovery.ts'
import { type SegmentContext, segmentContext } from './segments/segment.ts'
import { SegmentList } from './segments/segment-list.ts'
import { Backlog } from './tail/backlog.ts'
import { Valve } from './tail/pressure.ts'
import { Slabs } from './tail/slabs.ts'
import { Tail } from './tail/tail.ts'

/** At most so many files are open, and at most half of those that the process may open: connections need the others. */
const mostOpenFiles = 20_000
/** Where the process may not say how many it may open. */
const usualOpenFiles = 2000
const indexBytes = 32 << 20
/** The journal may grow to so many times its usual size while checkpoints fall behind. */
const journalGrowth = 2
/** What could not be done for want of space is tried again after this long. */
const retryMs = 1000
const cleanShutdownFile = '.kafka_cleanshutdown'

/** The caller holds the directory's lock. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { system, directory } = options
  system.files.makeDirectory(`${directory}/journal`)
  // A power cut must not take the journal's name, nor that of the whole directory, nor what an earlier process had renamed in the journal.
  for (const path of [dirname(directory), directory, `${directory}/journal`]) await system.files.syncDirectory(path)
  const engine = new Engine(options)
  try {
    await engine.open()
  } catch (error) {
    if (isFailedSync(error)) engine.markFailedSync()
    throw error
  }
  return engine
}

class Engine implements Log, LogContext {
  readonly partitions = new Map<string, Partition>()
  readonly system: System
  readonly directory: string
  readonly settings: LogSettings
  readonly segments: SegmentContext
  readonly tail: Tail
  readonly pageCache: PageCache
  readonly commit: GroupCommit
  readonly slabs = new Slabs()
  readonly chores: Chores
  readonly deletions: Deletions
  readonly space: FreeSpace
  readonly findRecord: LogContext['findRecord']
  readonly pressure = new Valve()
  readonly #backlog: Backlog
  readonly #options: LogOptions
  readonly #files: FileSystem
  readonly #journal: Journal
  readonly #stateLog: StateLog
  readonly #checkpoints: Checkpointer
  readonly #moves: Moves
  /** It is to be done at the end of this turn; or later, as it failed. */
  #rotating = false
  #rotateLater = false
  #closed: string | null = null
  #fatal = false
  #unnamed = new Map<string, PartitionStart>()
  #retention: Retention | null = null
  #cleaner: Cleaner | null = null
  /** Under way; and the one after it, which has not begun. */
  #namesSync: Promise<void> | null = null
  #nextNamesSync: Promise<void> | null = null

  constructor(options: LogOptions) {
    const { system, directory, settings } = options
    this.#options = options
    this.system = system
    this.directory = directory
    this.settings = settings
    this.findRecord = options.findRecord ?? (search => findRecord(search))
    this.#files = system.files
    this.segments = segmentContext(system.files, { openFiles: openFilesOf(system.files), indexBytes })
    this.tail = new Tail(settings.tailBytes)
    this.pageCache = new PageCache(system.clock, system.files)
    this.chores = new Chores({ system, report: (what, error) => this.report(what, error), onFatal: error => this.#die(error) })
    const report = (what: string) => this.report(what, null)
    this.space = new FreeSpace({ system, directory, floorBytes: () => settings.freeBytesFloor, report })
    this.#backlog = new Backlog(this.pressure, journalGrowth * settings.journalFiles * settings.journalFileBytes)
    this.#journal = new Journal({
      files: system.files,
      random: system.random,
      directory: `${directory}/journal`,
      fileBytes: settings.journalFileBytes,
      keepFiles: settings.journalFiles,
      extend: settings.durability === 'fsync',
    })
    this.#stateLog = new StateLog({
      files: system.files,
      random: system.random,
      path: `${directory}/journal/state.log`,
      report: (what, error) => this.report(what, error),
    })
    const onFatal = (error: Error) => this.#die(error)
    this.commit = new GroupCommit({ system, journal: this.#journal, tail: this.tail, onFatal, onFull: () => this.#rotate() })
    this.#checkpoints = new Checkpointer({
      system,
      journal: this.#journal,
      commit: this.commit,
      stateLog: this.#stateLog,
      syncNames: () => this.syncNames(),
      onFatal,
      onBegun: () => this.#backlog.checkpointBegan(),
      onDone: () => this.#checkpointed(),
      onFailed: error => this.#failed('a checkpoint failed', error),
    })
    this.deletions = new Deletions(this, (topicId, partition) => this.#checkpoints.noteDeleted(topicId, partition))
    this.#moves = new Moves({
      context: this,
      partitions: this.partitions,
      journal: this.#journal,
      stateLog: this.#stateLog,
      checkpoints: this.#checkpoints,
      stopCleaning: async partition => await this.#cleaner?.forget(partition),
    })
  }

  async open(): Promise<void> {
    const run = bootIdOf(this.#files)
    const writesAgain = mayLackWrites(this.#files, this.directory, run)
    if (writesAgain) {
      this.report('a sync failed before this start: data that may not have reached the disk is rewritten', null)
      await rewriteJournal(this.#files, this.directory)
    }
    await this.#stateLog.sync()
    const recovered = await recoverLog(this, this.#stateLog, { run, writesAgain })
    if (writesAgain) unmarkFailedSync(this.#files, this.directory)
    this.#removeCleanMark()
    this.#unnamed = recovered.unnamed
    for (const partition of recovered.partitions) this.partitions.set(partitionKey(partition.topicId, partition.partition), partition)
    // Where records are gone, frames that describe them must not be called durable before a checkpoint has recorded what is left.
    this.#journal.start(recovered.journal, !recovered.mustBeRecorded)
    const last = recovered.journal.live.at(-1) ?? this.#journal.current
    for (const partition of recovered.changed) last.bound.add(partition)
    if (recovered.changed.length > 0 && last === this.#journal.current) this.#journal.rotate()
    for (const deleted of recovered.deleted) await this.deletions.add(deleted, 0)
    this.deletions.noteAgain()
    this.#backlog.rotated(this.#journal.liveBytes)
    this.#checkpoints.bootId = recovered.run
    if (recovered.mustBeRecorded) this.#backlog.mustBeRecorded()
    this.#checkpoints.start()
    // A kill before the first checkpoint would have the next start apply an outdated state and old frames to what is appended from now on.
    // And if the journal is above the bound (because it was lowered), appends during the start, which cannot wait, must not be rejected.
    if (recovered.mustBeRecorded || this.pressure.on) await this.#checkpoints.idle()
    this.#startHousekeeping()
  }

  get(topicId: Uuid, partition: number): Partition | undefined {
    return this.partitions.get(partitionKey(topicId, partition))
  }

  lead(spec: PartitionSpec, leaderEpoch: number): Partition | Promise<Partition> {
    const adopting = this.get(spec.topicId, spec.partition) === undefined ? this.#moves.adoptReleased(spec) : null
    return adopting === null ? withEpoch(this.create(spec), leaderEpoch) : adopting.then(adopted => withEpoch(adopted, leaderEpoch))
  }

  create(spec: PartitionSpec): Partition {
    const key = partitionKey(spec.topicId, spec.partition)
    const present = this.partitions.get(key)
    if (present !== undefined) {
      present.claim(spec.config)
      return present
    }
    const directory = `${this.directory}/${spec.topic}-${spec.partition}`
    const start = this.#unnamedStart(directory, spec.topicId) ?? this.#emptyStart(directory, spec.topicId)
    const partition = new Partition(this, spec, start)
    for (const segment of start.segments.all) partition.files.unsynced.add(segment)
    partition.claim(spec.config)
    this.partitions.set(key, partition)
    return partition
  }

  /** From now on it says whose it is: checkpoints sync the file that does. Throws KAFKA_STORAGE_ERROR; then it can be tried again. */
  #unnamedStart(directory: string, topicId: Uuid): PartitionStart | undefined {
    const start = this.#unnamed.get(directory)
    if (start?.offline === null) orStorageError(() => writePartitionMetadata(this.#files, directory, topicId))
    this.#unnamed.delete(directory)
    return start
  }

  /** Only Kafka uses it: with it, Kafka does not check the segments. */
  #removeCleanMark(): void {
    const path = `${this.directory}/${cleanShutdownFile}`
    void this.chores.begin(`removing ${path}`, async () => {
      if (this.#files.exists(path)) this.#files.remove(path)
    })
  }

  #emptyStart(directory: string, topicId: Uuid): PartitionStart {
    const offline = this.#whyTaken(directory, topicId)
    return {
      segments: new SegmentList(this.segments, directory, []),
      hasDirectory: offline !== null,
      hasReleased: false,
      logStartOffset: 0,
      logEndOffset: 0,
      leaderEpoch: 0,
      epochs: new LeaderEpochs(),
      producers: null,
      offline,
      suspect: false,
      checkpointedBase: 0,
    }
  }

  /** Recovery opened all directories that it could identify, but for those that were released: others must not be overwritten. */
  #whyTaken(directory: string, topicId: Uuid): string | null {
    if (this.deletions.blocks(directory)) return null
    try {
      if (!this.#files.exists(directory)) return null
      if (this.#files.exists(`${directory}/${releasedFile}`)) return `${directory} was released and not adopted since`
      if (!hasSegments(this.#files, directory)) return null
      return `${directory} contains segments, but partition.metadata does not assign them to topic id ${topicId}`
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      return error.message
    }
  }

  async delete(topicId: Uuid, number: number): Promise<void> {
    const key = partitionKey(topicId, number)
    if (this.#moves.isUnderWay(key)) await this.#moves.settled(key)
    const partition = this.partitions.get(key)
    if (partition === undefined) return
    this.commit.forget(partition)
    partition.markGone('deleted')
    this.partitions.delete(key)
    // A thread that compacts it knows its files by their names.
    const unused = this.#cleaner?.forget(partition)
    // If the journal no longer accepts the deletion, the next start has to repeat it.
    if (this.#closed !== null) return await unused
    const directory = partition.files.hasDirectory ? partition.files.directory : null
    const { topic, config } = partition
    await this.deletions.add({ topic, topicId, partition: number, directory }, config.fileDeleteDelayMs, unused)
  }

  release(topicId: Uuid, partition: number): Promise<ReleasedPartition> {
    return this.#moves.release(topicId, partition)
  }

  adopt(directory: string, spec: PartitionSpec): Promise<Partition> {
    return this.#moves.adopt(directory, spec)
  }

  released(): ReleasedPartition[] {
    return this.#moves.released()
  }

  strays(): { topic: string; topicId: Uuid; partition: number }[] {
    return [...this.partitions.values()]
      .filter(({ claimed }) => !claimed)
      .map(({ topic, topicId, partition }) => ({ topic, topicId, partition }))
  }

  async close(): Promise<void> {
    if (this.#closed !== null) return
    this.#retention?.close()
    this.space.close()
    this.chores.close()
    await this.#moves.close()
    await this.#cleaner?.close()
    this.commit.commit()
    this.#closed = 'The log is closed'
    await this.commit.idle()
    this.commit.close()
    this.#checkpoints.close()
    await this.#checkpoints.idle()
    if (!this.#fatal)
      await this.#closeCleanly().catch(error => {
        if (isFailedSync(error)) this.#die(error)
        this.report('the log was not closed cleanly', error)
      })
    for (const partition of this.partitions.values()) partition.segments.close()
    this.segments.handles.closeAll()
    // All that matters is on the disk; what cannot be closed ends with the process.
    for (const each of [this.#journal, this.#stateLog]) await this.chores.begin('closing the journal', async () => each.close())
  }

  // ---- what partitions share ----

  admit(origin: 'client' | 'coordinator'): void {
    if (this.#closed !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', this.#closed)
    this.#backlog.admit(origin)
    if (origin !== 'client') return
    const { shortage } = this.space
    if (shortage !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', shortage)
  }

  syncNames(): Promise<void> {
    if (this.#namesSync === null) return this.#beginNamesSync()
    // It may have begun before there was the name.
    this.#nextNamesSync ??= this.#namesSync
      .finally(() => {
        this.#nextNamesSync = null
      })
      .then(() => this.#beginNamesSync())
    return this.#nextNamesSync
  }

  #beginNamesSync(): Promise<void> {
    const sync: Promise<void> = this.#files.syncDirectory(this.directory).finally(() => {
      if (this.#namesSync === sync) this.#namesSync = null
    })
    this.#namesSync = sync
    return sync
  }

  async checkpoint(): Promise<void> {
    this.commit.commit()
    if (!this.#rotate()) throw new KafkaError('KAFKA_STORAGE_ERROR', 'Cannot make a checkpoint: the journal cannot start a new file')
    await this.#checkpoints.finished()
    if (this.#closed !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', this.#closed)
  }

  fatal(error: Error): void {
    this.#die(error)
  }

  writeOut(): void {
    this.commit.writeOut()
  }

  report(what: string, error: unknown): void {
    this.#options.report?.(what, error)
  }

  get journal(): JournalCounts {
    return this.commit
  }

  wroteDirectly(bytes: number): void {
    this.#backlog.wroteDirectly(bytes)
    if (this.#backlog.isDue && !this.#checkpoints.isRunning) this.#rotateSoon()
  }

  #rotateSoon(): void {
    if (this.#rotating) return
    this.#rotating = true
    this.system.timers.soon(() => {
      this.#rotating = false
      if (this.#closed !== null) return
      this.commit.commit()
      this.#rotate()
    })
  }

  #checkpointed(): void {
    this.#backlog.checkpointed(this.#journal.liveBytes)
    // The data carried over may have filled more than was released, and appends must wait until there is space.
    if (this.pressure.on) this.#checkpoints.start()
    if (this.#backlog.isDue) this.#rotateSoon()
  }

  /** What makes room failed; it is tried again. */
  #failed(what: string, error: Error): void {
    this.#backlog.failed(error)
    this.report(what, error)
  }

  /** Nothing is gathered at this moment. False when the disk refuses: then the present file is written on, and it is tried again. */
  #rotate(): boolean {
    try {
      if (!this.#rotateLater) {
        this.#beginFile()
        return true
      }
      this.#backlog.journalGrew(this.#journal.liveBytes)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      if (error.isFailedSync) {
        this.#die(error)
        return false
      }
      this.#failed('the journal could not start a new file', error)
      this.#backlog.journalGrew(this.#journal.liveBytes)
      this.#rotateAgain()
    }
    return false
  }

  #beginFile(): void {
    this.#journal.rotate()
    this.deletions.noteAgain()
    this.#backlog.rotated(this.#journal.liveBytes)
    this.#checkpoints.start()
  }

  /** With a timer instead of the next commit, because appends may be impossible before it has succeeded. */
  #rotateAgain(): void {
    this.#rotateLater = true
    this.system.timers.after(retryMs, () => {
      this.#rotateLater = false
      if (this.#closed === null) this.#rotateSoon()
    })
  }

  #startHousekeeping(): void {
    const { system, settings } = this
    this.space.start()
    // Partitions that belong to no topic are left unchanged.
    const partitions = () => [...this.partitions.values()].filter(partition => partition.claimed && !partition.closed)
    this.#retention = new Retention({
      system,
      intervalMs: settings.retentionCheckIntervalMs,
      partitions,
      onError: (partition, error) => this.#neglected('retention', partition as Partition, error),
    })
    this.#cleaner = new Cleaner({
      system,
      context: this.segments,
      directory: this.directory,
      get backoffMs() {
        return settings.cleanerBackoffMs
      },
      get dedupeBufferBytes() {
        return settings.cleanerDedupeBufferBytes
      },
      useThread: this.#options.onThisMachine ?? true,
      partitions,
      onError: (partition, error) => this.#neglected('compaction', partition as Partition, error),
    })
  }

  #neglected(what: string, { gone, name }: Partition, error: unknown): void {
    // Its files may have gone while they were used.
    if (gone === null) this.report(`${what} of ${name} failed`, error)
  }

  /** The last checkpoint: of all partitions that differ from their last one. */
  async #closeCleanly(): Promise<void> {
    this.#beginFile()
    this.commit.commit()
    await this.#checkpoints.finished()
    if (this.#fatal) return
    await this.#files.replaceFile(`${this.directory}/${cleanShutdownFile}`, Buffer.from('{"version":0,"brokerEpoch":-1}'))
  }

  markFailedSync(): void {
    try {
      markFailedSync(this.#files, this.directory, bootIdOf(this.#files))
    } catch (error) {
      // Whatever it is, the process must stop now.
      this.report('cannot record that a sync failed: restart the machine before you start the broker again', error)
    }
  }

  #die(error: Error): void {
    if (this.#fatal) return
    this.#fatal = true
    this.#closed = `The disk failed: ${error.message}`
    if (isFailedSync(error)) this.markFailedSync()
    this.#options.onFatal(error)
  }
}

/** Differs after every start of the operating system; empty where that cannot be known. */
function bootIdOf(files: FileSystem): string {
  return files.readFile('/proc/sys/kernel/random/boot_id')?.toString('latin1').trim() ?? ''
}

function openFilesOf(files: FileSystem): number {
  const limits = files.readFile('/proc/self/limits')?.toString('latin1') ?? ''
  const allowed = /^Max open files +(\d+) /m.exec(limits)?.[1]
  return allowed === undefined ? usualOpenFiles : Math.min(mostOpenFiles, Math.floor(Number(allowed) / 2))
}
