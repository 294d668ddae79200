/**
 * Reads a partition: from the tail if possible, otherwise from the segment files.
 *
 * Hides where the bytes are, the pooled buffers and pins behind a slice, and how a slice is cut to contain only whole batches, none
 * above the reader's mark. For a reader that continues where it stopped, the position is remembered. Bytes that are certainly in the page
 * cache are read synchronously (recent-writes.ts).
 */
import type { ReadLimit, Slice } from '../../log.ts'
import { batchHeaderSize, header, KafkaError, type Offset } from '../../protocol.ts'
import { cutBatches, cutStretch } from '../segments/cut-batches.ts'
import type { Segment } from '../segments/segment.ts'
import type { Chunk } from '../tail/tail.ts'
import type { Partition } from './partition.ts'
import { goneError } from './refusals.ts'

const firstGuessBytes = 64 << 10
/** More takes so long that it must not block the event loop, wherever it comes from. */
const mostReadNow = 4 << 20

export function readSlice(partition: Partition, from: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const bound = partition.mark(limit.upTo)
  if (from >= bound || (limit.maxBytes <= 0 && !limit.atLeastOne)) return finish(partition, limit, from, from, [], 0, () => {})
  const piece = partition.files.tail.find(from)
  if (piece >= 0) return readTail(partition, piece, from, bound, limit)
  return readFiles(partition, from, bound, limit)
}

function finish(
  partition: Partition,
  limit: ReadLimit,
  from: Offset,
  to: Offset,
  chunks: Buffer[],
  bytes: number,
  release: () => void,
): Slice | Promise<Slice> {
  if (limit.upTo !== 'last-stable') return { chunks, bytes, abortedTransactions: null, release }
  const aborted = from === to ? [] : partition.segments.abortedTransactions(from, to)
  if (!(aborted instanceof Promise)) return { chunks, bytes, abortedTransactions: aborted, release }
  const { files } = partition
  files.enter()
  return aborted.then(
    abortedTransactions => {
      files.leave()
      return { chunks, bytes, abortedTransactions, release }
    },
    error => {
      files.leave()
      release()
      throw damaged(partition, error)
    },
  )
}

function readTail(partition: Partition, first: number, from: Offset, bound: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const views: Buffer[] = []
  const held: Chunk[] = []
  let bytes = 0
  let next = from
  for (let index = first; ; index++) {
    const piece = partition.files.tail.piece(index)
    if (piece === undefined || (index > first && piece.baseOffset !== next)) break
    const { chunk } = piece
    const cut = cutStretch(chunk.bytes, piece, from, bound, limit.maxBytes - bytes, limit.atLeastOne && bytes === 0)
    if (cut.end > cut.start) {
      held.push(chunk)
      views.push(chunk.bytes.subarray(cut.start, cut.end))
      bytes += cut.end - cut.start
      next = cut.next
    }
    if (next < piece.endOffset) break
  }
  const { tail, slabs } = partition.context
  if (bytes > 0 && !tail.lends) {
    const slab = slabs.take(bytes)
    let end = 0
    for (const view of views) end += view.copy(slab, end)
    return finish(partition, limit, from, next, [slab.subarray(0, end)], bytes, () => slabs.give(slab))
  }
  for (const chunk of held) tail.pin(chunk)
  return finish(partition, limit, from, next, views, bytes, () => {
    for (const chunk of held) tail.unpin(chunk)
  })
}

/** The segment files hold a gapless beginning of the log, and what is asked for is not in the tail: so it is there. */
function readFiles(partition: Partition, from: Offset, bound: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const segment = partition.segments.floor(from) ?? partition.segments.oldest
  if (segment === undefined) return finish(partition, limit, from, from, [], 0, () => {})
  const found = from <= segment.baseOffset ? 0 : segment.positionOf(from)
  if (typeof found === 'number') return readAt(partition, segment, found, from, bound, limit)
  const { files } = partition
  files.enter()
  return found.then(
    position => {
      try {
        return readAt(partition, segment, position, from, bound, limit)
      } finally {
        files.leave()
      }
    },
    error => {
      files.leave()
      throw damaged(partition, error)
    },
  )
}

function readAt(
  partition: Partition,
  segment: Segment,
  position: number,
  from: Offset,
  bound: Offset,
  limit: ReadLimit,
): Slice | Promise<Slice> {
  const left = segment.size - position
  if (left <= 0) {
    // The end of a segment whose last batches were removed by compaction: continue in the next one.
    const next = partition.segments.all[partition.segments.indexOf(segment.baseOffset) + 1]
    if (next === undefined || next.baseOffset >= bound) return finish(partition, limit, from, from, [], 0, () => {})
    return readAt(partition, next, 0, from, bound, limit)
  }
  const wanted = Math.min(left, Math.max(limit.maxBytes, limit.atLeastOne ? firstGuessBytes : batchHeaderSize))
  const slab = partition.context.slabs.take(wanted)
  const target = slab.subarray(0, wanted)
  if (wanted <= mostReadNow && partition.files.isRecent(segment, position)) {
    const got = readNow(partition, segment, target, position)
    return take(partition, segment, position, slab, got, from, bound, limit)
  }
  const reading = segment.read(target, position)
  const { files } = partition
  files.enter()
  return reading.then(
    got => {
      try {
        return take(partition, segment, position, slab, got, from, bound, limit)
      } finally {
        files.leave()
      }
    },
    error => {
      files.leave()
      partition.context.slabs.give(slab)
      throw damaged(partition, error)
    },
  )
}

function readNow(partition: Partition, segment: Segment, target: Buffer, position: number): number {
  try {
    return segment.readSync(target, position)
  } catch (error) {
    throw damaged(partition, error)
  }
}

/** Cuts what was read; reads again with a larger buffer when not even the first batch fitted. */
function take(
  partition: Partition,
  segment: Segment,
  position: number,
  slab: Buffer,
  got: number,
  from: Offset,
  bound: Offset,
  limit: ReadLimit,
): Slice | Promise<Slice> {
  const { slabs } = partition.context
  const first = got >= batchHeaderSize ? header.sizeBytes(slab, 0) : 0
  if (first > got && limit.atLeastOne && first > limit.maxBytes && first <= segment.size - position) {
    slabs.give(slab)
    return readAt(partition, segment, position, from, bound, { ...limit, maxBytes: first })
  }
  const cut = cutBatches(slab, 0, got, from, bound, limit.maxBytes, limit.atLeastOne)
  if (cut.end === cut.start) {
    slabs.give(slab)
    // Below the mark there is a batch: an empty result would leave the reader waiting forever.
    if (first < batchHeaderSize || limit.atLeastOne) {
      throw damaged(partition, `${segment.path} has no batch with offset ${from} in ${got} bytes at ${position}`)
    }
    return finish(partition, limit, from, from, [], 0, () => {})
  }
  segment.remember(cut.next, position + cut.end)
  return finish(partition, limit, from, cut.next, [slab.subarray(cut.start, cut.end)], cut.end - cut.start, () => slabs.give(slab))
}

/** The error for readers if files cannot be read, or do not contain what they should. */
export function damaged(partition: Partition, why: unknown): KafkaError {
  if (partition.deleted) return goneError(partition)
  if (why instanceof KafkaError) return why
  return new KafkaError('KAFKA_STORAGE_ERROR', `${partition.name} cannot be read: ${why instanceof Error ? why.message : String(why)}`)
}
