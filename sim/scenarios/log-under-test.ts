/** A small log on a simulated machine: settings so tight that rolling, flushing and recycling happen all the time. */
import { type Log, type LogSettings, openLog, type PartitionSpec, type TopicConfig } from '../../src/log.ts'
import { randomUuid } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'
import type { World } from '../world/world.ts'
import { Finding } from './finding.ts'

export const settings: LogSettings = {
  durability: 'fsync',
  journalFileBytes: 64 * 1024,
  journalFiles: 3,
  tailBytes: 96 * 1024,
  retentionCheckIntervalMs: 300_000,
  cleanerBackoffMs: 15_000,
  cleanerDedupeBufferBytes: 1024 * 1024,
  producerIdExpirationMs: 86_400_000,
  maxProducerIdsPerPartition: 10_000,
  freeBytesFloor: 0,
}

export const topicConfig: TopicConfig = {
  cleanupPolicy: { delete: true, compact: false },
  compressionType: 'producer',
  durability: null,
  segmentBytes: 24 * 1024,
  segmentMs: 604_800_000,
  segmentIndexBytes: 4096,
  indexIntervalBytes: 1024,
  retentionBytes: -1,
  retentionMs: -1,
  fileDeleteDelayMs: 1000,
  deleteRetentionMs: 86_400_000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0.5,
  maxMessageBytes: 1024 * 1024,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  messageTimestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
}

export const directory = '/data'

/** Opens a log of this world. A fatal error of the log is a finding unless the scenario expects it. */
export function open(
  world: World,
  onFatal: (error: Error) => void = unexpected,
  overrides: Partial<LogSettings> = {},
  path = directory,
): Promise<Log> {
  const changed = { ...settings, ...overrides }
  return world.run(openLog({ system: world.system, directory: path, settings: changed, onFatal, onThisMachine: false }))
}

function unexpected(error: Error): never {
  throw new Finding(`the log gave up on a healthy disk: ${error.stack}`)
}

/** What an operator may choose, also from one start to the next. */
export function randomSettings(random: SeededRandom): Partial<LogSettings> {
  return {
    durability: random.pick(['fsync', 'os'] as const),
    journalFileBytes: random.pick([32, 64, 256]) * 1024,
    journalFiles: random.pick([2, 3, 8]),
    tailBytes: random.pick([48, 96, 1024]) * 1024,
    cleanerBackoffMs: random.pick([5, 50]),
    retentionCheckIntervalMs: random.pick([5, 50, 300_000]),
  }
}

/** Partitions of two topics; every third one trusts the page cache as Kafka does, whatever the broker's default, and one is compacted. */
export function partitionSpecs(random: SeededRandom, count: number): PartitionSpec[] {
  const topics = [randomUuid(random), randomUuid(random)] as const
  return Array.from({ length: count }, (_, index) => ({
    topic: index % 2 === 0 ? 'orders' : 'events',
    topicId: topics[index % 2]!,
    partition: index >> 1,
    // In the larger segments there is room for appends that go past the journal.
    config: {
      ...topicConfig,
      durability: index % 3 === 2 ? ('os' as const) : ('fsync' as const),
      segmentBytes: index === 4 ? 16 * 1024 : index % 4 < 2 ? topicConfig.segmentBytes : 8 * topicConfig.segmentBytes,
      cleanupPolicy: index === 4 ? { delete: false, compact: true } : topicConfig.cleanupPolicy,
      minCleanableDirtyRatio: 0.1,
    },
  }))
}
