/** Cuts what was read so that it has only whole batches, and none above the reader's mark. */
import { batchHeaderSize, header, type Offset } from '../../protocol.ts'

export interface Cut {
  start: number
  end: number
  /** Offset after the last batch taken. */
  next: Offset
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
