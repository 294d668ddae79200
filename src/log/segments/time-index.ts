/** `.timeindex`: the largest timestamp so far and the last offset of the batch that has it; both grow from entry to entry. */
import { type Int64, readInt64, writeInt64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'
import { IndexFile, type IndexMemory } from './index-file.ts'
import { lastAtMost } from './offset-index.ts'

export const timeEntryBytes = 12

export class TimeIndex {
  readonly file: IndexFile
  readonly #baseOffset: Offset

  constructor(path: string, baseOffset: Offset, isNew: boolean, handles: FileHandles, memory: IndexMemory) {
    this.#baseOffset = baseOffset
    this.file = new IndexFile(path, timeEntryBytes, isNew, follows, handles, memory)
  }

  append(timestamp: Int64, offset: Offset): void {
    const { bytes, at } = this.file.append()
    writeInt64(bytes, at, timestamp)
    bytes.writeInt32BE(offset - this.#baseOffset, at + 8)
  }

  /** All records with a larger timestamp than asked come after this offset; the base offset when nothing is known. */
  lookup(timestamp: Int64): Offset {
    const bytes = this.file.load()
    const found = lastAtMost(bytes, timeEntryBytes, at => readInt64(bytes, at), timestamp)
    return found < 0 ? this.#baseOffset : this.#baseOffset + bytes.readInt32BE(found * timeEntryBytes + 8)
  }

  /** The largest timestamp indexed; -1 when there is none. */
  last(): { timestamp: Int64; offset: Offset } {
    const bytes = this.file.load()
    if (bytes.length === 0) return { timestamp: -1, offset: this.#baseOffset }
    const at = bytes.length - timeEntryBytes
    return { timestamp: readInt64(bytes, at), offset: this.#baseOffset + bytes.readInt32BE(at + 8) }
  }

  /** Drops entries at and above `offset`. */
  truncateTo(offset: Offset): void {
    const bytes = this.file.load()
    this.file.truncate(lastAtMost(bytes, timeEntryBytes, at => bytes.readInt32BE(at + 8), offset - 1 - this.#baseOffset) + 1)
  }
}

/** Both fields grow; an all-zero entry is Kafka's preallocated room. */
function follows(bytes: Buffer, at: number): boolean {
  const timestamp = readInt64(bytes, at)
  const offset = bytes.readInt32BE(at + 8)
  if (at === 0) return offset >= 0 && timestamp >= 0 && (timestamp > 0 || offset > 0)
  return timestamp > readInt64(bytes, at - timeEntryBytes) && offset > bytes.readInt32BE(at - timeEntryBytes + 8)
}
