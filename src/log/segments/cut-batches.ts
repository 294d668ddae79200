/** Cuts what a reader gets out of bytes in memory: whole batches only, none above the reader's mark, within the room there is. */
import { batchHeaderSize, header, type Offset } from '../../protocol.ts'

/** Neighbouring batches in a buffer. */
export interface Stretch {
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly start: number
  readonly length: number
  /** The batch with this offset starts at this position in the buffer: where a reader stopped, so that it can continue without a search. */
  knownOffset: Offset
  knownAt: number
}

export interface Cut {
  start: number
  end: number
  /** Offset after the last batch taken. */
  next: Offset
}

/** As {@link cutBatches}. What a reader wants all of, from where one stopped before, is cut without a look at the headers. */
export function cutStretch(b: Buffer, stretch: Stretch, from: Offset, bound: Offset, room: number, atLeastOne: boolean): Cut {
  const { start, length, endOffset } = stretch
  const end = start + length
  const at = stretch.knownOffset <= from ? stretch.knownAt : start
  const beginsHere = from <= stretch.baseOffset || from === stretch.knownOffset
  const isWhole = beginsHere && endOffset <= bound && end - at <= room
  const cut = isWhole ? { start: at, end, next: endOffset } : cutBatches(b, at, end, from, bound, room, atLeastOne)
  if (cut.end > cut.start) {
    stretch.knownOffset = cut.next
    stretch.knownAt = cut.end
  }
  return cut
}

/** Of the batches in `[start, end)`: those from the one that holds `from`, below `bound`, within `room` bytes. The last may be cut off. */
export function cutBatches(b: Buffer, start: number, end: number, from: Offset, bound: Offset, room: number, atLeastOne: boolean): Cut {
  let at = start
  while (at + batchHeaderSize <= end && header.lastOffset(b, at) < from) at += header.sizeBytes(b, at)
  const cut = { start: Math.min(at, end), end: Math.min(at, end), next: from }
  while (at + batchHeaderSize <= end) {
    const size = header.sizeBytes(b, at)
    const last = header.lastOffset(b, at)
    if (size < batchHeaderSize || at + size > end || last >= bound) break
    if (at + size - cut.start > room && !(atLeastOne && at === cut.start)) break
    at += size
    cut.end = at
    cut.next = last + 1
  }
  return cut
}
