/** Offsets by time (KIP-79, KIP-734) in a partition of the shared home: first in its pieces, then in what is in none. Opens one batch at most. */
import type { Int64 } from '../../base.ts'
import type { TimestampedOffset } from '../../log.ts'
import { header, type Offset } from '../../protocol.ts'
import type { Chunk } from './memory.ts'
import type { SharedPartition } from './partition.ts'
import { damaged } from './partition-read.ts'
import { offsetForTimestampInPieces, offsetOfMaxTimestampInPieces } from './pieces/lookups.ts'

/** The first record that can be read below `to` whose timestamp is at least the given one. */
export async function offsetForTimestamp(partition: SharedPartition, timestamp: Int64, to: Offset): Promise<TimestampedOffset | null> {
  const { context, segments, flushedEnd, logStartOffset: from } = partition
  const recent = partition.memory.unflushed()
  try {
    const { pieces, findRecord } = context
    const old = await offsetForTimestampInPieces(pieces, segments, timestamp, from, Math.min(to, flushedEnd), findRecord)
    return old ?? (await findFirst(partition, recent, timestamp, from, to))
  } catch (error) {
    throw damaged(partition, error)
  }
}

/** The first record that can be read with the largest timestamp; of records without one the first. */
export async function offsetOfMaxTimestamp(partition: SharedPartition): Promise<TimestampedOffset | null> {
  const { context, segments, flushedEnd, logStartOffset: from, highWatermark: to } = partition
  const recent = partition.memory.unflushed()
  try {
    const { pieces, findRecord } = context
    const old = await offsetOfMaxTimestampInPieces(pieces, segments, from, Math.min(to, flushedEnd), findRecord)
    const newest = await findNewest(partition, recent, from, to)
    return old === null || (newest !== null && newest.timestampMs > old.timestampMs) ? newest : old
  } catch (error) {
    throw damaged(partition, error)
  }
}

async function findFirst(
  { context }: SharedPartition,
  chunks: readonly Chunk[],
  timestamp: Int64,
  from: Offset,
  to: Offset,
): Promise<TimestampedOffset | null> {
  for (const chunk of chunks) {
    if (chunk.baseOffset >= to) return null
    if (chunk.maxTimestamp < timestamp) continue
    // A batch may promise more by its largest timestamp than its records at or after `from` hold: then on to the next.
    for (const [at, size] of batchesOf(chunk)) {
      const { bytes } = chunk
      if (header.maxTimestamp(bytes, at) < timestamp || header.lastOffset(bytes, at) < from) continue
      const found = await context.findRecord({ kind: 'find', records: ownCopy(bytes, at, size), timestamp, from })
      if (found !== null) return found.offset < to ? found : null
    }
  }
  return null
}

interface Place {
  chunk: Chunk
  at: number
  size: number
  latest: Int64
}

async function findNewest(
  { context }: SharedPartition,
  chunks: readonly Chunk[],
  from: Offset,
  to: Offset,
): Promise<TimestampedOffset | null> {
  // The batch in which the log begins, and the newest whole one.
  const places: { cut?: Place; newest?: Place } = {}
  for (const chunk of chunksWithNewest(chunks, from, to)) {
    for (const [at, size] of batchesOf(chunk)) {
      const { bytes } = chunk
      if (header.lastOffset(bytes, at) < from || header.baseOffset(bytes, at) >= to) continue
      const latest = header.maxTimestamp(bytes, at)
      const kind = header.baseOffset(bytes, at) < from ? 'cut' : 'newest'
      if (places[kind] === undefined || latest > places[kind].latest) places[kind] = { chunk, at, size, latest }
    }
  }
  let found: TimestampedOffset | null = null
  for (const place of [places.cut, places.newest]) {
    if (place === undefined || (found !== null && place.latest <= found.timestampMs)) continue
    const records = ownCopy(place.chunk.bytes, place.at, place.size)
    found = (await context.findRecord({ kind: 'find', records, timestamp: -1, from, newest: true })) ?? found
  }
  return found
}

/** The few that can have it, in order: there may be a million batches. */
function chunksWithNewest(chunks: readonly Chunk[], from: Offset, to: Offset): Chunk[] {
  let newest: Chunk | null = null
  // What they say of their timestamps may be of batches that do not count.
  const atEnds = new Set<Chunk>()
  for (const chunk of chunks) {
    if (chunk.baseOffset >= to) break
    if (chunk.baseOffset < from || chunk.endOffset > to) atEnds.add(chunk)
    else if (newest === null || chunk.maxTimestamp > newest.maxTimestamp) newest = chunk
  }
  return chunks.filter(chunk => chunk === newest || atEnds.has(chunk))
}

function* batchesOf({ bytes, length }: Chunk): Generator<readonly [at: number, size: number]> {
  for (let at = 0; at < length; ) {
    const size = header.sizeBytes(bytes, at)
    yield [at, size]
    at += size
  }
}

/** The search may hand it to a thread. */
function ownCopy(bytes: Buffer, at: number, size: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(size)
  bytes.copy(copy, 0, at, at + size)
  return copy
}
