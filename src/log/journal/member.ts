/** What the journal and the group commit know of a partition, and the partition of them. */
import type { FileHandle } from '../../base.ts'
import type { Offset, Uuid } from '../../protocol.ts'

export interface JournalFile {
  readonly number: number
  readonly handle: FileHandle
  /** Partitions bound so far: the next slot. */
  slots: number
  /** Partitions that may differ from their checkpoint because of what this file holds. */
  bound: Set<Member>
  firstSequence: number
  /** Where the next frame goes. */
  end: number
  /** Bytes on disk, at least `end`. */
  size: number
  unsynced: boolean
}

export interface Member {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  /** The journal file whose slot number `slot` means this partition. */
  boundFile: JournalFile | null
  slot: number
  /** In the current group already. */
  inGroup: boolean
  readonly logEndOffset: Offset
  /** Acknowledged only when durable (`durability=fsync`). */
  readonly synced: boolean
  /** All of its appends in this group are in the page cache. */
  written(): void
  /** All below `end` survives a power cut. */
  durable(end: Offset): void
  /** Takes back its share of the group. */
  takeBack(): void
}
