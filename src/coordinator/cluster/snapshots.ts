/**
 * Snapshots of the metadata, as Kafka has them: `<first offset not contained>-<epoch>.checkpoint` beside the log, holding the state as
 * record batches between a header and a footer control record.
 *
 * Hides when a snapshot is taken and what may be deleted: the two newest snapshots and the log from the older one on are kept, so that one bad
 * file never loses the metadata. A log whose beginning is missing without an intact snapshot is an error, never an empty cluster.
 */
import { type Clock, DiskError, type FileSystem, runInSlices, type Turns } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import { type BatchView, batchesIn, forEachRecordOf, type Offset } from '../../protocol.ts'
import type { Coordinator } from '../shard.ts'
import type { Decisions } from './decisions.ts'
import type { Reporter } from './open-topics.ts'
import type { ClusterShard } from './shard.ts'
import { isWholeSnapshot, listSnapshots, type Snapshot, snapshotInSteps, snapshotName } from './snapshot-file.ts'

export interface SnapshotOptions {
  files: FileSystem
  clock: Clock
  turns: Turns
  directory: string
  log: PartitionLog
  reporter: Reporter
  /** One is due when the log has grown by this since the last one. */
  afterBytes: number
  afterRecords: number
}

const kept = 2

export class Snapshots {
  readonly #options: SnapshotOptions
  #lastOffset = 0
  /** The log's size when the last one was taken. */
  #lastBytes = 0

  constructor(options: SnapshotOptions) {
    this.#options = options
  }

  /** Replays the newest good snapshot into the fresh shard and returns the first offset that it does not contain. */
  async restore(shard: ClusterShard): Promise<Offset> {
    const { turns } = this.#options
    this.#lastBytes = 0
    const state = this.newest()
    this.#lastOffset = state.offset
    for (const batch of state.batches) {
      if (turns.over) await turns.next()
      forEachRecordOf(batch, record => shard.replay({ key: null, value: record.value }, record.offset))
    }
    shard.nextOffset = state.offset
    return state.offset
  }

  /** The state from which the log goes on: the newest good snapshot, or nothing if the log has its beginning. */
  newest(): { offset: Offset; batches: BatchView[] } {
    const { log, reporter } = this.#options
    // An import writes the imported metadata into a snapshot at offset 0.
    let isNeeded = log.logStartOffset > 0
    for (const { name, offset } of this.#list()) {
      if (offset < log.logStartOffset || offset > log.logEndOffset) {
        reporter.warn(
          { name, logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset },
          'ignoring a metadata snapshot that does not fit its log',
        )
        continue
      }
      isNeeded ||= offset === log.logStartOffset
      const bytes = this.#read(name)
      if (bytes !== null) return { offset, batches: [...batchesIn(bytes)].filter(batch => !batch.header.isControl) }
    }
    if (isNeeded) {
      throw new Error(`the metadata log begins at offset ${log.logStartOffset}, but there is no intact snapshot of the state before it`)
    }
    return { offset: 0, batches: [] }
  }

  /**
   * Takes one when it is due and the shard's image is exactly what is durable. Failing is no harm: the log is still there, and the next
   * change tries again.
   */
  async maybeTake(coordinator: Coordinator<ClusterShard>, decisions: Decisions): Promise<void> {
    const { log, reporter } = this.#options
    const records = log.logEndOffset - this.#lastOffset
    if (records < this.#options.afterRecords && log.sizeBytes() - this.#lastBytes < this.#options.afterBytes) return
    if (records <= 0) return
    try {
      const taken = await decisions.alone(() => this.#encode(coordinator))
      if (taken !== null) await this.#keep(taken.content, taken.offset)
    } catch (error) {
      reporter.warn({ err: error }, 'cannot write a metadata snapshot')
    }
  }

  async #encode(coordinator: Coordinator<ClusterShard>): Promise<{ content: Buffer; offset: Offset } | null> {
    const { log, clock, turns } = this.#options
    if (coordinator.state !== 'active') return null
    const { shard } = coordinator
    const offset = log.highWatermark
    if (shard.nextOffset !== offset) return null
    const content = await runInSlices(turns, snapshotInSteps(shard.image.records(), clock.now()))
    return { content, offset }
  }

  async #keep(content: Buffer, offset: Offset): Promise<void> {
    const { files, log, directory } = this.#options
    const name = snapshotName(offset, log.leaderEpoch)
    files.makeDirectory(directory)
    await files.replaceFile(this.#path(name), content)
    this.#lastOffset = offset
    const snapshots = this.#list()
    const oldest = snapshots[kept - 1]
    if (oldest !== undefined) await log.deleteBefore(oldest.offset)
    for (const obsolete of snapshots.slice(kept)) files.remove(this.#path(obsolete.name))
    this.#lastBytes = log.sizeBytes()
  }

  /** null if it is incomplete or cannot be read. */
  #read(name: string): Buffer | null {
    const { files, reporter } = this.#options
    try {
      const bytes = files.readFile(this.#path(name))
      if (bytes !== null && isWholeSnapshot(bytes)) return bytes
      reporter.warn({ name }, 'ignoring an incomplete metadata snapshot')
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      reporter.warn({ name, err: error }, 'cannot read a metadata snapshot')
    }
    return null
  }

  #list(): Snapshot[] {
    return listSnapshots(this.#options.files, this.#options.directory)
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`
  }
}
