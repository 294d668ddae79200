/** `.timeindex`: the largest timestamp so far and the last offset of the batch that has it; both grow from entry to entry. */
import { type Int64, readInt64, writeInt64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { FileHandles } from './file-handles.ts'
import { type EntryFormat, IndexFile, type IndexMemory } from './index-file.ts'

const format: EntryFormat = {
  bytes: 12,
  // (0, 0) cannot be distinguished from Kafka's preallocated space.
  isPlausible(bytes, at) {
    const timestamp = readInt64(bytes, at)
    const offset = bytes.readInt32BE(at + 8)
    return timestamp >= 0 && offset >= 0 && (timestamp > 0 || offset > 0)
  },
  isNext: (bytes, at, next) => readInt64(bytes, next) > readInt64(bytes, at) && bytes.readInt32BE(next + 8) > bytes.readInt32BE(at + 8),
}

export const timeEntryBytes = format.bytes

export interface IndexedTimestamp {
  timestamp: Int64
  offset: Offset
}

export class TimeIndex {
  readonly file: IndexFile
  readonly #baseOffset: Offset

  constructor(path: string, baseOffset: Offset, isNew: boolean, handles: FileHandles, memory: IndexMemory) {
    this.#baseOffset = baseOffset
    this.file = new IndexFile(path, format, isNew, handles, memory)
  }

  append(timestamp: Int64, offset: Offset): void {
    const { bytes, at } = this.file.append()
    writeInt64(bytes, at, timestamp)
    bytes.writeInt32BE(offset - this.#baseOffset, at + 8)
  }

  /** All records with a larger timestamp than asked come after this offset; the base offset when nothing is known. */
  async lookup(timestamp: Int64): Promise<Offset> {
    const found = await this.file.find((bytes, at) => readInt64(bytes, at) <= timestamp)
    return found === null ? this.#baseOffset : this.#baseOffset + found.bytes.readInt32BE(found.at + 8)
  }

  /** The largest timestamp indexed; -1 when there is none. */
  last(): IndexedTimestamp {
    const entry = this.file.last()
    if (entry === null) return { timestamp: -1, offset: this.#baseOffset }
    return { timestamp: readInt64(entry.bytes, entry.at), offset: this.#baseOffset + entry.bytes.readInt32BE(entry.at + 8) }
  }
}
