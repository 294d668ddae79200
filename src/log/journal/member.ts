/** The interface between a partition on one side, and the journal and group commit on the other. */
import type { FileHandle } from '../../base.ts'
import type { KafkaError, Offset, Uuid } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'
import type { FileLife } from './file-life.ts'

export interface JournalFile {
  readonly number: number
  readonly handle: FileHandle
  /** The token in its frames; null: nothing in the file can be trusted. */
  readonly life: FileLife | null
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
  readonly logEndOffset: Offset
  /** Its files are gone, or will be. */
  readonly deleted: boolean
  /** Acknowledged only when durable (`durability=fsync`). */
  readonly synced: boolean
  /** What has to be synced before anything more of it is durable; null: nothing. Rejects with a KafkaError if it could not be, though no sync failed. */
  protect(): Promise<void> | null
  /** Writes what it gathered past the journal; answers why that was not possible. */
  writeOut(): KafkaError | null
  /** Leaves its group and keeps all changes. Calls no waiters. */
  committed(): void
  /** Leaves its group and undoes all changes. Calls no waiters. */
  takeBack(): void
  /** Calls those who wait for its marks. */
  notify(): void
  /** All below `end` survives a power cut. */
  durable(end: Offset): void
}

/** One whose large appends go past the journal. */
export interface DirectMember extends Member {
  readonly upkeep: {
    /** What it wrote to the segment survives a power cut when this resolves. Rejects with a KafkaError if it may not, though no sync failed. */
    syncDirect(segment: Segment): Promise<void>
  }
}
