/**
 * Reads a partition that was released (see `moves.ts`): its directory alone has all of it. Its segments are what become pieces of the shared
 * home, one each. Every batch is checked on its way; what is damaged ends the reading with an error that says where.
 */
import type { Int64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import type { Chores } from '../chores.ts'
import type { PartitionState } from '../journal/state-record.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { readReleased } from '../partition/released-state.ts'
import { AbortedEntries } from '../segments/aborted-entries.ts'
import type { Segment, SegmentContext } from '../segments/segment.ts'
import { openSegments } from '../segments/segment-directory.ts'
import type { SegmentList } from '../segments/segment-list.ts'
import { headerProblem } from '../segments/segment-scan.ts'
import { CopyFailed } from './copy-failed.ts'

/** One segment. Its offsets touch those of its neighbours, whatever compaction has left of it. */
export interface SourcePiece {
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly bytes: number
  readonly segment: Segment
}

const windowBytes = 1 << 20

export class PartitionSource {
  readonly state: PartitionState
  readonly pieces: readonly SourcePiece[]
  readonly #segments: SegmentList

  private constructor(state: PartitionState, segments: SegmentList) {
    this.state = state
    this.#segments = segments
    this.pieces = segments.all.flatMap((segment, nth) => {
      const { baseOffset } = segment
      const endOffset = segments.all[nth + 1]?.baseOffset ?? state.endOffset
      const bytes = segment === segments.active ? (state.active?.state.size ?? 0) : segment.size
      return baseOffset === endOffset ? [] : [{ baseOffset, endOffset, bytes, segment }]
    })
  }

  /** Throws an error that says what is wrong with the directory. */
  static async open(context: SegmentContext, chores: Chores, directory: string, nowMs: number): Promise<PartitionSource> {
    const state = readReleased(context.files, directory)
    if (state === null) throw new CopyFailed(`${directory} was not released`)
    const { segments } = await openSegments(context, chores, directory, nowMs)
    if (segments.active?.baseOffset !== state.active?.baseOffset)
      throw new CopyFailed(`${directory} has other segments than when it was released`)
    return new PartitionSource(state, segments)
  }

  /** In buffers of one or more whole batches, which are the caller's. */
  async *batches({ segment, bytes, baseOffset, endOffset }: SourcePiece): AsyncGenerator<Buffer> {
    let minOffset = baseOffset
    for (let position = 0; position < bytes; ) {
      const { batches, next } = await readBatches(segment, position, bytes, minOffset)
      minOffset = next
      if (minOffset > endOffset)
        throw new CopyFailed(`${segment.path} has offset ${minOffset - 1}, but should end before offset ${endOffset}`)
      yield batches
      position += batches.length
    }
  }

  /** Of those transactions whose markers are in the piece. */
  async aborted({ baseOffset, endOffset }: SourcePiece): Promise<AbortedEntries> {
    const found = await this.#segments.abortedTransactions(baseOffset, endOffset)
    const entries = new AbortedEntries(baseOffset)
    const here = found.filter(({ lastOffset }) => lastOffset >= baseOffset && lastOffset < endOffset)
    for (const each of here.sort((a, b) => a.lastOffset - b.lastOffset)) entries.append(each)
    return entries
  }

  close(): void {
    this.#segments.close()
  }
}

/** Whole batches from `position` on, about {@link windowBytes}, but at least one; and the offset after them. */
async function readBatches(segment: Segment, position: number, end: number, minOffset: Offset): Promise<{ batches: Buffer; next: Offset }> {
  const fail = (at: number, problem: string) => {
    throw new CopyFailed(`${segment.path}: ${problem} at position ${position + at}`)
  }
  for (let wanted = Math.min(windowBytes, end - position); ; ) {
    const buffer = Buffer.allocUnsafeSlow(wanted)
    const got = await segment.read(buffer, position)
    if (got < wanted) fail(got, 'the file ends')
    let [at, next] = [0, minOffset]
    while (wanted - at >= header.batchHeaderSize) {
      const problem = headerProblem(buffer, at, next, end - position - at)
      if (problem !== null) fail(at, problem)
      const size = header.sizeBytes(buffer, at)
      if (at + size > wanted) break
      if (header.computeCrc(buffer, at) !== header.crc(buffer, at)) fail(at, 'wrong checksum')
      next = header.lastOffset(buffer, at) + 1
      at += size
    }
    if (at > 0) return { batches: buffer.subarray(0, at), next }
    if (wanted < header.batchHeaderSize) fail(0, 'the file ends inside a batch header')
    wanted = header.sizeBytes(buffer, 0)
  }
}

/** The transactions that are open, batch by batch. */
export class OpenTransactions {
  readonly #first: Map<Int64, Offset>
  readonly #info = emptyBatchInfo()

  constructor(from: OpenTransactions | null = null) {
    this.#first = new Map(from === null ? [] : from.#first)
  }

  /** Whole batches, which follow those before. */
  take(batches: Buffer): void {
    for (let at = 0; at < batches.length; at += this.#info.sizeBytes) {
      const { producerId, baseOffset, isTransactional, isControl, marker } = readBatchInfo(batches, at, this.#info)
      if (marker !== null) this.#first.delete(producerId)
      else if (isTransactional && !isControl && !this.#first.has(producerId)) this.#first.set(producerId, baseOffset)
    }
  }

  /** The first offset of the oldest one; `end` without one. */
  lastStable(end: Offset): Offset {
    let least = end
    for (const offset of this.#first.values()) if (offset < least) least = offset
    return least
  }
}
