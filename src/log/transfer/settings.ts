/** The settings of a log that is only copied: nothing in it expires meanwhile, and nothing is removed. */
import type { LogSettings } from '../../log.ts'

const never = 2 ** 31 - 1

export const copySettings: LogSettings = {
  durability: 'fsync',
  journalFileBytes: 4 << 20,
  journalFiles: 1,
  tailBytes: 4 << 20,
  retentionCheckIntervalMs: never,
  cleanerBackoffMs: never,
  cleanerDedupeBufferBytes: 1 << 20,
  producerIdExpirationMs: Number.MAX_SAFE_INTEGER,
  maxProducerIdsPerPartition: Number.MAX_SAFE_INTEGER,
  freeBytesFloor: 0,
}
