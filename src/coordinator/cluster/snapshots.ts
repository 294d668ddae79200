/**
 * Snapshots of the metadata, as Kafka has them: `<first offset not contained>-<epoch>.checkpoint` beside the log, holding the state as
 * record batches between a header and a footer control record.
 *
 * Hides when one is taken, how a torn one is told from a whole one (checksums and the footer), and what may be dropped: the two newest
 * are kept and the log from the older one on, so that one bad file never costs the metadata. A log whose beginning was dropped without
 * a good snapshot is an error, never an empty cluster.
 */
import type { Clock, FileSystem } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import {
  batchesIn,
  buildBatch,
  controlRecords,
  encodeMessage,
  forEachRecordOf,
  intactBatchSize,
  type NewRecord,
  type Offset,
} from '../../protocol.ts'
import type { Coordinator } from '../shard.ts'
import { encodeMetadataRecord } from './metadata-records.ts'
import type { Reporter } from './open-topics.ts'
import type { ClusterShard } from './shard.ts'

export interface SnapshotOptions {
  files: FileSystem
  clock: Clock
  directory: string
  log: PartitionLog
  reporter: Reporter
  /** One is due when the log has grown by this since the last one. */
  afterBytes: number
  afterRecords: number
}

/** Of Kafka's ControlRecordType. */
const headerType = 3
const footerType = 4
const recordsPerBatch = 1_000
const namePattern = /^(\d{20})-(\d{10})\.checkpoint$/
const kept = 2

interface Snapshot {
  name: string
  offset: Offset
}

export class Snapshots {
  readonly #options: SnapshotOptions
  #lastOffset = 0
  /** The log's size when the last one was taken. */
  #lastBytes = 0

  constructor(options: SnapshotOptions) {
    this.#options = options
  }

  /** Replays the newest good snapshot into the fresh shard and returns the first offset that it does not contain. */
  restore(shard: ClusterShard): Offset {
    const { log, reporter } = this.#options
    this.#lastBytes = 0
    this.#lastOffset = log.logStartOffset
    for (const { name, offset } of this.#list()) {
      if (offset < log.logStartOffset || offset > log.logEndOffset) {
        reporter.warn(
          { name, logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset },
          'ignoring a metadata snapshot that does not fit its log',
        )
        continue
      }
      const bytes = this.#options.files.readFile(this.#path(name))
      if (bytes === null || !isWhole(bytes)) {
        reporter.warn({ name }, 'ignoring an incomplete metadata snapshot')
        continue
      }
      for (const batch of batchesIn(bytes)) {
        if (!batch.header.isControl) forEachRecordOf(batch, record => shard.replay({ key: null, value: record.value }, record.offset))
      }
      shard.nextOffset = offset
      this.#lastOffset = offset
      return offset
    }
    if (log.logStartOffset > 0) {
      throw new Error(`the metadata log begins at offset ${log.logStartOffset}, but no good snapshot of what was before it is left`)
    }
    return 0
  }

  /**
   * Takes one when it is due and the shard's image is exactly what is durable. Failing is no harm: the log is still there, and the next
   * change tries again.
   */
  async maybeTake(coordinator: Coordinator<ClusterShard>): Promise<void> {
    const { log, reporter } = this.#options
    const records = log.logEndOffset - this.#lastOffset
    if (records < this.#options.afterRecords && log.sizeBytes() - this.#lastBytes < this.#options.afterBytes) return
    if (coordinator.state !== 'active') return
    const { shard } = coordinator
    const offset = log.highWatermark
    if (records <= 0 || shard.nextOffset !== offset) return
    try {
      await this.#take(shard, offset)
    } catch (error) {
      reporter.warn({ err: error }, 'cannot write a metadata snapshot')
    }
  }

  async #take(shard: ClusterShard, offset: Offset): Promise<void> {
    const { files, log, directory } = this.#options
    const name = `${String(offset).padStart(20, '0')}-${String(log.leaderEpoch).padStart(10, '0')}.checkpoint`
    const content = serialize(shard, this.#options.clock.now())
    files.makeDirectory(directory)
    await files.replaceFile(this.#path(name), content)
    this.#lastOffset = offset
    const snapshots = this.#list()
    const oldest = snapshots.slice(0, kept).at(-1)!
    await log.deleteBefore(oldest.offset)
    for (const obsolete of snapshots.slice(kept)) files.remove(this.#path(obsolete.name))
    this.#lastBytes = log.sizeBytes()
  }

  /** Newest first. */
  #list(): Snapshot[] {
    const { files, directory } = this.#options
    if (!files.exists(directory)) return []
    const snapshots: Snapshot[] = []
    for (const { name, kind } of files.list(directory)) {
      const match = kind === 'file' ? namePattern.exec(name) : null
      if (match !== null) snapshots.push({ name, offset: Number(match[1]) })
    }
    return snapshots.sort((a, b) => b.offset - a.offset || (a.name < b.name ? 1 : -1))
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`
  }
}

function serialize(shard: ClusterShard, timestamp: number): Buffer {
  const batches: Buffer[] = []
  let baseOffset = 0
  const add = (records: NewRecord[], isControl: boolean) => {
    batches.push(buildBatch({ records, isControl, baseOffset, timestamp, partitionLeaderEpoch: 0 }))
    baseOffset += records.length
  }
  const { snapshotHeaderRecord, snapshotFooterRecord } = controlRecords
  add([controlRecord(headerType, encodeMessage(snapshotHeaderRecord, 0, { version: 0, lastContainedLogTimestamp: timestamp }))], true)
  let records: NewRecord[] = []
  for (const record of shard.image.records()) {
    records.push(encodeMetadataRecord(record))
    if (records.length < recordsPerBatch) continue
    add(records, false)
    records = []
  }
  if (records.length > 0) add(records, false)
  add([controlRecord(footerType, encodeMessage(snapshotFooterRecord, 0, { version: 0 }))], true)
  return Buffer.concat(batches)
}

function controlRecord(type: number, value: Buffer): NewRecord {
  const key = Buffer.alloc(4)
  key.writeInt16BE(type, 2)
  return { key, value }
}

/** From the header to the footer without a damaged byte. */
function isWhole(bytes: Buffer): boolean {
  const types: number[] = []
  let position = 0
  while (position < bytes.length) {
    const size = intactBatchSize(bytes, position)
    if (size === 0) return false
    position += size
  }
  for (const batch of batchesIn(bytes)) {
    let type = 0
    if (batch.header.isControl) forEachRecordOf(batch, record => void (type = record.key?.readInt16BE(2) ?? 0))
    types.push(type)
  }
  return types.length >= 2 && types[0] === headerType && types.at(-1) === footerType
}
