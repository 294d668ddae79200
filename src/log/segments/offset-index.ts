/** `.index`: the last offset of a batch (relative to the segment's base) and the batch's position, every index.interval.bytes. */
import type { Int64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'
import { IndexFile, type IndexMemory } from './index-file.ts'

export const offsetEntryBytes = 8

export class OffsetIndex {
  readonly file: IndexFile
  readonly #baseOffset: Offset

  constructor(path: string, baseOffset: Offset, isNew: boolean, handles: FileHandles, memory: IndexMemory) {
    this.#baseOffset = baseOffset
    this.file = new IndexFile(path, offsetEntryBytes, isNew, follows, handles, memory)
  }

  append(offset: Offset, position: number): void {
    const { bytes, at } = this.file.append()
    bytes.writeInt32BE(offset - this.#baseOffset, at)
    bytes.writeInt32BE(position, at + 4)
  }

  /** Where to begin looking for `offset`: the position of the last indexed batch that ends at or before it, or 0. */
  lookup(offset: Offset): number {
    const bytes = this.file.load()
    const found = lastAtMost(bytes, offsetEntryBytes, at => bytes.readInt32BE(at), offset - this.#baseOffset)
    return found < 0 ? 0 : bytes.readInt32BE(found * offsetEntryBytes + 4)
  }

  /** Position of the last entry, or 0. */
  lastPosition(): number {
    const bytes = this.file.load()
    return bytes.length === 0 ? 0 : bytes.readInt32BE(bytes.length - 4)
  }

  /** Drops entries at and above `offset`. */
  truncateTo(offset: Offset): void {
    const bytes = this.file.load()
    this.file.truncate(lastAtMost(bytes, offsetEntryBytes, at => bytes.readInt32BE(at), offset - 1 - this.#baseOffset) + 1)
  }
}

/** Both fields grow; an all-zero entry after the first is Kafka's preallocated room. */
function follows(bytes: Buffer, at: number): boolean {
  const offset = bytes.readInt32BE(at)
  const position = bytes.readInt32BE(at + 4)
  if (at === 0) return offset >= 0 && position > 0
  return offset > bytes.readInt32BE(at - offsetEntryBytes) && position > bytes.readInt32BE(at - offsetEntryBytes + 4)
}

/** Number of the last entry whose key is at most `target`; -1 when there is none. */
export function lastAtMost(bytes: Buffer, entryBytes: number, keyAt: (at: number) => Int64, target: Int64): number {
  let low = -1
  let high = bytes.length / entryBytes - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (keyAt(middle * entryBytes) <= target) low = middle
    else high = middle - 1
  }
  return low
}
