/** Where files go: what a sink of files asks of its target. */
import type { OpenedPartition, TopicPartition } from '../../connector.ts'

/** What one file is to hold. */
export interface Piece {
  /** Where its records were read. */
  readonly topic: string
  readonly partition: number
  /** Of the topic that transforms gave them; the same topic nearly always. */
  readonly topicDirectory: string
  /** Below that, by the partitioner. */
  readonly directory: string
  /** Of its first record. */
  readonly first: bigint
  readonly extension: string
}

export interface OpenFile {
  /**
   * Takes the bytes at once, and resolves when more can be taken. After a RetriableError it has them nevertheless, and tries again with the next call.
   */
  write(bytes: Buffer): Promise<void>
  /** Bytes in memory. */
  readonly held: number
  /** Lets go of what is held, as far as it can. */
  relieve?(): Promise<void>
}

export interface Finished<F extends OpenFile> {
  readonly file: F
  readonly piece: Piece
  /** Offset of its last record. */
  readonly last: bigint
}

export interface Storage<F extends OpenFile> {
  /** Before anything is written of these: makes up for what an earlier run left behind. */
  opened(partitions: readonly OpenedPartition[]): Promise<void>
  create(piece: Piece): F
  /**
   * From now on all of these can be seen under their names, and none of them could before it was complete. Together they hold all records of a partition
   * from one offset to another. Called again after a RetriableError.
   */
  publish(files: readonly Finished<F>[]): Promise<void>
  /** They are never to be seen. */
  discard(files: readonly F[]): Promise<void>
  /**
   * Keeps where generations of a partition end, in offsets of their last records, because the records do not say it: before the files are published. Not
   * needed where the task goes on behind what is published, whatever was committed.
   */
  remember?(partition: TopicPartition, ends: readonly bigint[]): Promise<void>
  /** What was remembered last. */
  recall?(partition: TopicPartition): Promise<readonly bigint[]>
  close?(): void
}
