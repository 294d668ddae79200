/**
 * Makes the directory of a partition from its batches and its state: as a log leaves it that has released the partition (see `moves.ts`), so that
 * the log in whose directory it lies adopts it, with everything that its producers need.
 */

import type { TopicConfig } from '../../log.ts'
import { header, type Offset, type Uuid } from '../../protocol.ts'
import { rollLimits } from '../cleaner/retention.ts'
import type { PartitionState } from '../journal/state-record.ts'
import { encodePartitionMetadata } from '../kafka-files.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { writeReleased } from '../partition/released-state.ts'
import type { AbortedTransaction } from '../segments/aborted-entries.ts'
import { Segment, type SegmentContext } from '../segments/segment.ts'
import type { RollLimits } from '../segments/segment-state.ts'
import { CopyFailed } from './copy-failed.ts'
import { Tally } from './tally.ts'

export class PartitionWriter {
  readonly written = new Tally()
  readonly #context: SegmentContext
  readonly #directory: string
  readonly #config: TopicConfig
  readonly #limits: RollLimits
  readonly #nowMs: number
  /** Where the log begins, though the first batches may be missing. */
  #base: Offset
  readonly #segments: Segment[] = []
  /** Whose markers come in later batches, in their order. */
  #aborted: AbortedTransaction[] = []
  readonly #info = emptyBatchInfo()

  /** The directory is empty, or is made. */
  constructor(context: SegmentContext, directory: string, base: Offset, config: TopicConfig, nowMs: number) {
    this.#context = context
    this.#directory = directory
    this.#base = base
    this.#config = config
    this.#limits = rollLimits(config)
    this.#nowMs = nowMs
    context.files.makeDirectory(directory)
  }

  /** Of transactions whose markers are in batches that follow; behind those that were given before. */
  expect(aborted: readonly AbortedTransaction[]): void {
    this.#aborted = [...this.#aborted, ...aborted]
  }

  /** Whole batches, which follow those before. */
  async add(batches: Buffer): Promise<void> {
    this.written.add(batches)
    for (let at = 0; at < batches.length; ) {
      const segment = this.#segmentFor(batches, at)
      const position = segment.size
      const end = this.#place(segment, batches, at)
      await segment.write([batches.subarray(at, end)], position)
      at = end
    }
  }

  /** All is on the disk when this resolves, and was read again. */
  async finish(topicId: Uuid, state: PartitionState): Promise<void> {
    const { files } = this.#context
    const active = this.#segments.at(-1)
    if (active !== undefined) this.#noteAborted(active, Number.POSITIVE_INFINITY)
    active?.flushIndexes()
    const known =
      active === undefined
        ? null
        : { baseOffset: active.baseOffset, state: active.checkpoint(), abortedChecksum: active.transactions.checksum }
    for (const segment of this.#segments) await segment.datasyncAll()
    await files.replaceFile(`${this.#directory}/partition.metadata`, Buffer.from(encodePartitionMetadata(topicId)))
    await writeReleased(files, this.#directory, { ...state, synced: true, active: known })
    await this.#readAgain()
    for (const segment of this.#segments) segment.close()
  }

  /** The one that takes the batch at `at`. */
  #segmentFor(batches: Buffer, at: number): Segment {
    const active = this.#segments.at(-1)
    readBatchInfo(batches, at, this.#info)
    if (active !== undefined && !active.mustRoll(this.#info, this.#nowMs, this.#limits)) return active
    if (active !== undefined) {
      // Compaction may have removed a marker before the entry of its transaction.
      this.#noteAborted(active, this.#info.baseOffset)
      active.seal()
    }
    const base = active === undefined ? this.#base : this.#info.baseOffset
    const segment = Segment.create(this.#context, this.#directory, base, this.#nowMs)
    this.#segments.push(segment)
    return segment
  }

  /** That batch, and those behind it that the segment takes as well. Answers where they end. */
  #place(segment: Segment, batches: Buffer, from: number): number {
    let at = from
    do {
      segment.place(this.#info, this.#config.indexIntervalBytes)
      at += this.#info.sizeBytes
      this.#noteAborted(segment, this.#info.lastOffset + 1)
      if (at === batches.length) break
      readBatchInfo(batches, at, this.#info)
    } while (!segment.mustRoll(this.#info, this.#nowMs, this.#limits))
    return at
  }

  /** Of transactions whose markers lie, or lay, below `end`. */
  #noteAborted(segment: Segment, end: Offset): void {
    while (this.#aborted.length > 0 && this.#aborted[0]!.lastOffset < end) segment.addAbortedTransaction(this.#aborted.shift()!)
  }

  async #readAgain(): Promise<void> {
    const found = new Tally()
    for (const segment of this.#segments) {
      const { problem } = await segment.scan(0, 'whole', (buffer, at) => {
        found.add(buffer.subarray(at, at + header.sizeBytes(buffer, at)))
        return undefined
      })
      if (problem !== null) throw new CopyFailed(`${segment.path}: ${problem}`)
    }
    if (!found.equals(this.written)) throw new CopyFailed(`${this.#directory} does not hold what was written to it: check the disk`)
  }
}
