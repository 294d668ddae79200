/**
 * Writes partitions of the shared home into directories of their own, from which a log on a disk adopts them. Changes nothing in the cluster.
 *
 * What is in pieces is copied, and what is in no piece yet is replayed from the streams of the sessions, as when a broker takes the partitions
 * over. Memory is bounded: what was replayed goes to the disk on the way.
 *
 * The streams count up to the newest frames that the caller has seen. If nothing was written to the cluster from then until now, which the
 * caller finds out when this is done, all of it is of one moment.
 */
import { chunks, type System, severalAtOnce, Turns } from '../../base.ts'
import type { PartitionSpec } from '../../log.ts'
import type { Offset } from '../../protocol.ts'
import { findRecord } from '../../protocol.ts'
import type { Database, ObjectStore, PartitionRow, SegmentRow } from '../../store.ts'
import { decodePartition } from '../journal/state-record.ts'
import { type SegmentContext, segmentContext } from '../segments/segment.ts'
import type { SharedContext } from '../shared/context.ts'
import type { SessionJournal } from '../shared/journal.ts'
import { LogMemory } from '../shared/memory.ts'
import { SharedPartition } from '../shared/partition.ts'
import { gapIn, startOf } from '../shared/partition-start.ts'
import { PieceStore } from '../shared/pieces/piece-store.ts'
import { replayStream } from '../shared/replay.ts'
import { nameOf, partitionRows, segmentRows } from '../shared/rows.ts'
import { sharedDefaults } from '../shared/settings.ts'
import { topicIdOf } from '../shared/topic-id.ts'
import { CopyFailed } from './copy-failed.ts'
import { PartitionWriter } from './partition-writer.ts'
import { copySettings } from './settings.ts'
import { type Counted, Tally } from './tally.ts'

export interface ClusterExportOptions {
  /** Its files are where the directories are made. */
  system: System
  database: Database
  objects: ObjectStore
  /** The newest frame of each session that has not ended. */
  heads: ReadonlyMap<number, number>
  /** Only reads, and makes no directory. */
  dryRun: boolean
  /** Where the directory of a partition is to be made; null: it is there. It may hold what an earlier attempt left. */
  pathFor(spec: PartitionSpec): string | null
  /** The directory is whole. Not called for a partition that has nothing. */
  done(spec: PartitionSpec, path: string, exported: ExportedPartition): Promise<void>
  /** Is called with all batches of each partition, in order. */
  seen(spec: PartitionSpec, batches: Buffer): void
  report(what: string, error: unknown): void
}

export interface ExportedPartition extends Counted {
  readonly logStart: Offset
  readonly endOffset: Offset
}

interface Copy {
  readonly spec: PartitionSpec
  readonly path: string
  readonly row: PartitionRow
  readonly partition: SharedPartition
  readonly writer: Pick<PartitionWriter, 'written' | 'expect' | 'add' | 'finish'>
}

/** Each of them has its state in memory, and streams are read once for all of them. */
const partitionsAtOnce = 1_000
const copiesAtOnce = 8
const openFiles = 500
const indexBytes = 8 << 20
/** Of what was replayed and is not on the disk yet. */
const mostReplayedBytes = 32 << 20

/** Those that the cluster has no data of have no directory, as in a log. Rejects with an error that says what is wrong. */
export async function exportPartitions(specs: readonly PartitionSpec[], options: ClusterExportOptions): Promise<void> {
  const clusterExport = new ClusterExport(options)
  try {
    for (const some of chunks(specs, partitionsAtOnce)) await clusterExport.run(some)
  } finally {
    clusterExport.close()
  }
}

class ClusterExport {
  readonly #options: ClusterExportOptions
  readonly #turns: Turns
  readonly #segments: SegmentContext
  readonly #context: SharedContext
  #copies: Copy[] = []
  #replayedBytes = 0
  #writing: Promise<void> | null = null

  constructor(options: ClusterExportOptions) {
    this.#options = options
    const { system, objects, report } = options
    this.#turns = new Turns(system)
    this.#segments = segmentContext(system.files, { openFiles, indexBytes })
    const refuse = () => {
      throw new Error('an export writes nothing to the cluster')
    }
    this.#context = {
      system,
      settings: copySettings,
      get journal(): SessionJournal {
        return refuse()
      },
      pieces: new PieceStore({ system, objects, settings: sharedDefaults, nameObject: refuse, report }),
      memory: new LogMemory(0),
      findRecord,
      admit: refuse,
      report() {},
    }
  }

  async run(specs: readonly PartitionSpec[]): Promise<void> {
    this.#copies = []
    await this.#begin(specs)
    await severalAtOnce(this.#copies, copiesAtOnce, copy => this.#copyPieces(copy))
    await this.#replayAll()
    await this.#writeReplayed()
    await severalAtOnce(this.#copies, copiesAtOnce, copy => this.#finish(copy))
  }

  close(): void {
    this.#segments.handles.closeAll()
  }

  async #begin(specs: readonly PartitionSpec[]): Promise<void> {
    const { database, dryRun, pathFor, system } = this.#options
    const wanted = specs.flatMap(spec => {
      const path = pathFor(spec)
      return path === null ? [] : [{ spec, path, key: { topicId: topicIdOf(spec.topicId), partition: spec.partition } }]
    })
    const keys = wanted.map(({ key }) => key)
    const rows = await partitionRows(database, keys)
    const segments = await segmentRows(database, [...rows.values()])
    for (const { spec, path, key } of wanted) {
      const row = rows.get(nameOf(key))
      if (row === undefined) continue
      if (!dryRun) await system.files.removeDirectory(path)
      this.#copies.push(this.#open(spec, path, row, segments.get(nameOf(key)) ?? []))
    }
  }

  #open(spec: PartitionSpec, path: string, row: PartitionRow, segments: readonly SegmentRow[]): Copy {
    const { dryRun, system } = this.#options
    const { clock } = system
    const gap = gapIn(segments, row.logStart, row.flushedEnd)
    if (gap !== null) throw damaged(spec, gap)
    let partition: SharedPartition
    try {
      partition = new SharedPartition(this.#context, spec, startOf(row, segments, spec, copySettings, clock.history()))
    } catch (error) {
      throw damaged(spec, `the state in its row is damaged: ${(error as Error).message}`)
    }
    const base = segments[0]?.baseOffset ?? row.flushedEnd
    const writer = dryRun ? new Nowhere() : new PartitionWriter(this.#segments, path, base, spec.config, clock.now())
    return { spec, path, row, partition, writer }
  }

  async #copyPieces({ spec, partition, writer }: Copy): Promise<void> {
    const { pieces } = this.#context
    for (const row of partition.segments) {
      const { aborted } = await pieces.index(row)
      writer.expect(aborted.all())
      for await (const batches of pieces.batches(row)) {
        await writer.add(batches)
        this.#options.seen(spec, batches)
      }
    }
  }

  async #replayAll(): Promise<void> {
    const { database, objects, heads } = this.#options
    const replayed = (bytes: number) => this.#writeSoon(bytes)
    for (const [session, of] of Map.groupBy(this.#copies, ({ row }) => row.session))
      await replayStream(session, of, { database, objects, turns: this.#turns, replayed, lastSeq: heads.get(session) })
    for (const { spec, partition } of this.#copies) if (partition.damage !== null) throw damaged(spec, partition.damage)
  }

  #writeSoon(bytes: number): Promise<void> | undefined {
    this.#replayedBytes += bytes
    if (this.#writing === null && this.#replayedBytes <= mostReplayedBytes) return undefined
    this.#writing ??= this.#writeReplayed().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async #writeReplayed(): Promise<void> {
    this.#replayedBytes = 0
    for (const { spec, partition, writer } of this.#copies) {
      const flush = partition.takeForFlush()
      if (flush === null) continue
      writer.expect(flush.piece.aborted)
      for (const batches of flush.piece.batches) {
        await writer.add(batches)
        this.#options.seen(spec, batches)
      }
      // It leaves memory.
      partition.flushed({ flushedEnd: flush.end, fromSeq: 0 }, [])
    }
  }

  async #finish({ spec, path, partition, writer }: Copy): Promise<void> {
    const { dryRun, system, done } = this.#options
    const { logStartOffset: logStart, logEndOffset: endOffset } = partition
    if (endOffset === 0) {
      if (!dryRun) await system.files.removeDirectory(path)
      return
    }
    await writer.finish(spec.topicId, decodePartition(partition.encodeState()))
    const { batches, records, bytes } = writer.written
    await done(spec, path, { batches, records, bytes, logStart, endOffset })
  }
}

/** In the place of a writer: only counts. */
class Nowhere {
  readonly written = new Tally()

  expect(): void {}

  async add(batches: Buffer): Promise<void> {
    this.written.add(batches)
  }

  async finish(): Promise<void> {}
}

function damaged({ topic, partition }: PartitionSpec, reason: string): Error {
  return new CopyFailed(`partition ${topic}-${partition} cannot be exported: ${reason}`)
}
