/**
 * Plans an append before its first byte is written.
 *
 * The rule that keeps partitions alive: every step that can fail, whatever values a client or a file contains and whatever the disk does, is
 * done while planning. Then the bytes are written, and the accounting for them changes only memory. So no append is half done, and
 * no bytes on their way to the disk are missing in the accounting.
 */
import type { TopicConfig } from '../../log.ts'
import { header, KafkaError, type Offset, stampBatches, type ValidatedBatches } from '../../protocol.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from './batch-info.ts'

/** What the plan asks a partition. */
export interface PlannedPartition {
  /** `topic-partition`. */
  readonly name: string
  readonly logEndOffset: Offset
  readonly config: Pick<TopicConfig, 'messageTimestampType'>
}

const noBytes: Buffer = Buffer.alloc(0)

/** Filled again for every append: one is enough, since nothing else runs between plan and count. */
export class AppendPlan {
  /** All of the batches. */
  bytes = noBytes
  baseOffset: Offset = 0
  endOffset: Offset = 0
  leaderEpoch = 0
  readonly #infos = [emptyBatchInfo()]
  #count = 0

  /** Writes offsets, leader epoch and timestamps into the batches. Throws KafkaError; nothing but the caller's bytes has changed then. */
  make(partition: PlannedPartition, records: Buffer, validated: ValidatedBatches, leaderEpoch: number): void {
    const baseOffset = partition.logEndOffset
    const endOffset = baseOffset + validated.offsetCount
    if (endOffset > header.maxOffset)
      throw new KafkaError('KAFKA_STORAGE_ERROR', `${partition.name} is full: its offsets would go beyond ${header.maxOffset}`)
    stampBatches(records, validated, { baseOffset, leaderEpoch, timestampType: partition.config.messageTimestampType })
    this.bytes = records.length === validated.sizeBytes ? records : records.subarray(0, validated.sizeBytes)
    this.baseOffset = baseOffset
    this.endOffset = endOffset
    this.leaderEpoch = leaderEpoch
    this.#count = 0
    for (let at = 0; at < validated.sizeBytes; at += header.sizeBytes(records, at)) {
      const info = (this.#infos[this.#count++] ??= emptyBatchInfo())
      readBatchInfo(records, at, info)
    }
  }

  /** Releases the caller's bytes. */
  end(): void {
    this.bytes = noBytes
  }

  get batchCount(): number {
    return this.#count
  }

  batch(nth: number): BatchInfo {
    return this.#infos[nth]!
  }
}
