/** `.index`: the last offset of a batch (relative to the segment's base) and the batch's position, every index.interval.bytes. */
import type { Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'
import { type EntryFormat, IndexFile, type IndexMemory } from './index-file.ts'

const format: EntryFormat = {
  bytes: 8,
  isPlausible: (bytes, at) => bytes.readInt32BE(at) >= 0 && bytes.readInt32BE(at + 4) > 0,
  // Both fields grow.
  isNext: (bytes, at, next) => bytes.readInt32BE(next) > bytes.readInt32BE(at) && bytes.readInt32BE(next + 4) > bytes.readInt32BE(at + 4),
}

export const offsetEntryBytes = format.bytes

export class OffsetIndex {
  readonly file: IndexFile
  readonly #baseOffset: Offset

  constructor(path: string, baseOffset: Offset, isNew: boolean, handles: FileHandles, memory: IndexMemory) {
    this.#baseOffset = baseOffset
    this.file = new IndexFile(path, format, isNew, handles, memory)
  }

  append(offset: Offset, position: number): void {
    const { bytes, at } = this.file.append()
    bytes.writeInt32BE(offset - this.#baseOffset, at)
    bytes.writeInt32BE(position, at + 4)
  }

  /** Where to begin looking for `offset`: the position of the last indexed batch that ends at or before it, or 0. */
  async lookup(offset: Offset): Promise<number> {
    const found = await this.file.find((bytes, at) => bytes.readInt32BE(at) <= offset - this.#baseOffset)
    return found === null ? 0 : found.bytes.readInt32BE(found.at + 4)
  }
}
