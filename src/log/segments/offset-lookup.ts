/**
 * Offsets by time (KIP-79, KIP-734), in segments, and in the pieces of the shared home: finds the segment and the batch; `find` finds the record in
 * it. At most the batch with the result is opened.
 */
import type { Int64 } from '../../base.ts'
import type { TimestampedOffset } from '../../log.ts'
import { header, type Offset } from '../../protocol.ts'
import type { LogContext } from '../context.ts'
import type { ScanEnd, Visit } from './segment-scan.ts'

/** What a look-up needs of a segment, or of a piece. */
export interface Searchable {
  /** For errors. */
  readonly path: string
  readonly baseOffset: Offset
  /** May be too small, until `prove` was called. */
  readonly maxTimestamp: Int64
  prove(): Promise<void>
  /** Position of the batch that holds the offset, or of the first one after it. */
  positionOf(offset: Offset): number | Promise<number>
  /** Where to begin looking for a record at or after `from` that is at least so new. */
  positionForTimestamp(timestamp: Int64, from: Offset): Promise<number>
  scan(from: number, what: 'headers', visit: Visit): Promise<ScanEnd>
  read(buffer: Uint8Array, position: number): Promise<number>
}

/** In order of their offsets. */
export interface SearchableList {
  readonly all: readonly Searchable[]
  /** The last one that begins at or before the offset; -1 below all. */
  indexOf(offset: Offset): number
}

/**
 * The first record at or after `from`, below `to`, whose timestamp is at least the given one. Of segments only: the caller asks the tail
 * when this answers null and the segments do not reach up to `to`.
 */
export async function offsetForTimestamp(
  segments: SearchableList,
  timestamp: Int64,
  from: Offset,
  to: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  for (const segment of segments.all.slice(Math.max(0, segments.indexOf(from)))) {
    if (segment.baseOffset >= to) return null
    if (segment.maxTimestamp < timestamp) await segment.prove()
    if (segment.maxTimestamp < timestamp) continue
    const found = await findInSegment(segment, timestamp, from, find)
    if (found !== null) return found.offset < to ? found : null
  }
  return null
}

async function findInSegment(
  segment: Searchable,
  timestamp: Int64,
  from: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  let found: TimestampedOffset | null = null
  let candidate = -1
  // A batch may promise more by its largest timestamp than its records at or after `from` hold: then on to the next.
  for (let position = await segment.positionForTimestamp(timestamp, from); ; ) {
    candidate = -1
    let size = 0
    const end = await segment.scan(position, 'headers', (buffer, at, place) => {
      if (header.maxTimestamp(buffer, at) < timestamp || header.lastOffset(buffer, at) < from) return undefined
      candidate = place
      size = header.sizeBytes(buffer, at)
      return false
    })
    if (end.problem !== null && candidate < 0) throw new Error(`${segment.path}: ${end.problem} at position ${end.position}`)
    if (candidate < 0) return null
    const batch = Buffer.allocUnsafeSlow(size)
    await segment.read(batch, candidate)
    found = await find({ kind: 'find', records: batch, timestamp, from })
    if (found !== null) return found
    position = candidate + size
  }
}

/**
 * The first record at or after `from`, below `to`, with the largest timestamp in all segments: of records without one the first. The caller
 * looks into the tail too.
 */
export async function offsetOfMaxTimestamp(
  segments: SearchableList,
  from: Offset,
  to: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  let newest: Searchable | null = null
  // Those below the log's start are only waiting to be removed.
  for (const segment of segments.all.slice(Math.max(0, segments.indexOf(from)))) {
    await segment.prove()
    if (segment.maxTimestamp > (newest?.maxTimestamp ?? -1)) newest = segment
  }
  if (newest === null) return await offsetForTimestamp(segments, -1, from, to, find)
  const found = await offsetForTimestamp(segments, newest.maxTimestamp, Math.max(from, newest.baseOffset), to, find)
  if (found !== null || newest.baseOffset >= from) return found
  // Its newest record lies below the log's start.
  let left = await newestInSegment(newest, from, to, find)
  for (const segment of segments.all.slice(segments.indexOf(newest.baseOffset) + 1)) {
    if (left !== null && segment.maxTimestamp <= left.timestampMs) continue
    left = (await offsetForTimestamp(segments, segment.maxTimestamp, segment.baseOffset, to, find)) ?? left
  }
  return left
}

interface Place {
  position: number
  size: number
  latest: Int64
}

/** The time index cannot tell: it knows only what is newer than all before. */
async function newestInSegment(
  segment: Searchable,
  from: Offset,
  to: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  // The batch in which the log begins, and the newest whole one.
  const places: { cut?: Place; newest?: Place } = {}
  const end = await segment.scan(await segment.positionOf(from), 'headers', (buffer, at, position) => {
    if (header.baseOffset(buffer, at) >= to) return false
    if (header.lastOffset(buffer, at) < from) return undefined
    const latest = header.maxTimestamp(buffer, at)
    const kind = header.baseOffset(buffer, at) < from ? 'cut' : 'newest'
    if (places[kind] === undefined || latest > places[kind].latest) places[kind] = { position, size: header.sizeBytes(buffer, at), latest }
    return undefined
  })
  if (end.problem !== null) throw new Error(`${segment.path}: ${end.problem} at position ${end.position}`)
  let found: TimestampedOffset | null = null
  for (const place of [places.cut, places.newest]) {
    if (place === undefined || (found !== null && place.latest <= found.timestampMs)) continue
    const batch = Buffer.allocUnsafeSlow(place.size)
    await segment.read(batch, place.position)
    found = (await find({ kind: 'find', records: batch, timestamp: -1, from, newest: true })) ?? found
  }
  return found
}
