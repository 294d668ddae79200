/**
 * The config keys of topics: declarations, effective values, and Kafka's rules about them.
 *
 * A topic's own configs override the defaults from the broker's keys (`synonyms`). The log sees only {@link TopicConfig}.
 */
import {
  boolean,
  bytes,
  choice,
  type Declarations,
  defaultsOf,
  double,
  InvalidConfig,
  int,
  intBytes,
  list,
  long,
  ms,
  parseValue,
  UnknownConfig,
  type ValuesOf,
} from '../base.ts'
import type { TopicConfig } from '../log.ts'

/** Kafka's bound since 4.0. */
export const leastSegmentBytes = 1_048_576

const because = {
  decompressed: 'the total size of decompressed data is limited instead',
  flush: '`durability` determines when data is flushed',
  jitter: 'all partitions share one journal, so starting many segments at once costs nothing',
  compressionLevel: 'the broker recompresses with the default levels of its libraries',
  oneCopy: 'a partition has one replica',
  preallocate: 'only journal files are preallocated',
  tiered: 'there is no tiered storage',
} as const

function checkThrottledReplicas(key: string, text: string): string | null {
  return text === '' || text === '*' || text === 'none' || /^\d+:\d+(,\d+:\d+)*$/.test(text)
    ? null
    : `${key} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...`
}

function notZero(value: number): string | null {
  return value === 0 ? 'it must be positive, or -1' : null
}

export const topicKeys = {
  durability: choice(['fsync', 'os', 'inline', 'object', 'auto'], {
    default: 'fsync',
    doc: 'What acks=all waits for, and what consumers may read. fsync: data that survives a power cut. os: data in the page cache, which survives the end of the process, as in Kafka by default. In a cluster, everything that is acknowledged or read is durable, and this setting decides where batches are written first. inline: to the database, with the lowest latency (except batches above 4 MiB, and what comes faster than the database takes it). object: to the object store, at the lowest cost. auto, fsync and os: small batches to the database; large ones, and those that exceed the budget for inline bytes, to the object store. On one machine, inline, object and auto mean fsync.',
    synonyms: ['durability'],
  }),
  'cleanup.policy': list({
    default: 'delete',
    oneOf: ['compact', 'delete'],
    doc: 'What to do with old segments: delete them by age and size, compact them by key, or both.',
    synonyms: ['log.cleanup.policy'],
  }),
  'compression.gzip.level': int({
    default: -1,
    min: 1,
    max: 9,
    or: -1,
    doc: 'Effort of gzip when the broker compresses.',
    synonyms: ['compression.gzip.level'],
    accepted: because.compressionLevel,
  }),
  'compression.lz4.level': int({
    default: 9,
    min: 1,
    max: 17,
    doc: 'Effort of LZ4 when the broker compresses.',
    synonyms: ['compression.lz4.level'],
    accepted: because.compressionLevel,
  }),
  'compression.type': choice(['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'], {
    default: 'producer',
    doc: 'Compression of stored batches. producer keeps the compression of the producer; with any other value the broker recompresses batches that use another one.',
    synonyms: ['compression.type'],
  }),
  'compression.zstd.level': int({
    default: 3,
    min: -131_072,
    max: 22,
    doc: 'Effort of Zstandard when the broker compresses.',
    synonyms: ['compression.zstd.level'],
    accepted: because.compressionLevel,
  }),
  'delete.retention.ms': ms({
    default: 86_400_000,
    min: 0,
    doc: 'Time for which compaction keeps tombstones, so that a consumer that starts from the beginning sees every deletion.',
    synonyms: ['log.cleaner.delete.retention.ms'],
  }),
  'errors.deadletterqueue.group.enable': boolean({
    default: false,
    doc: 'Whether share groups may use this topic as a dead-letter queue.',
  }),
  'file.delete.delay.ms': ms({
    default: 60_000,
    min: 0,
    doc: 'Time for which files of deleted segments stay on disk.',
    synonyms: ['log.segment.delete.delay.ms'],
  }),
  'flush.messages': long({
    default: '9223372036854775807',
    min: 1,
    doc: 'Records after which they are flushed to disk.',
    synonyms: ['log.flush.interval.messages'],
    accepted: because.flush,
  }),
  'flush.ms': ms({
    default: '9223372036854775807',
    min: 0,
    doc: 'Maximum time before records are flushed to disk.',
    synonyms: ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
    accepted: because.flush,
  }),
  'follower.replication.throttled.replicas': list({
    default: '',
    check: text => checkThrottledReplicas('follower.replication.throttled.replicas', text),
    doc: 'Replicas whose fetches are throttled, as a comma-separated list of partition:broker, or * for all.',
    accepted: because.oneCopy,
  }),
  'index.interval.bytes': intBytes({
    default: 4096,
    min: 0,
    doc: 'Bytes of the log between two entries of its offset index.',
    synonyms: ['log.index.interval.bytes'],
  }),
  'internal.segment.bytes': intBytes({
    default: null,
    min: 1,
    doc: 'Size of a segment file, for tests. It may be smaller than segment.bytes allows, and takes precedence over it.',
  }),
  'leader.replication.throttled.replicas': list({
    default: '',
    check: text => checkThrottledReplicas('leader.replication.throttled.replicas', text),
    doc: 'Replicas to which sending is throttled, as a comma-separated list of partition:broker, or * for all.',
    accepted: because.oneCopy,
  }),
  'local.retention.bytes': bytes({
    default: -2,
    min: -2,
    doc: 'Bytes of a partition that stay local beside tiered storage; -2 is the same as retention.bytes.',
    synonyms: ['log.local.retention.bytes'],
    accepted: because.tiered,
  }),
  'local.retention.ms': ms({
    default: -2,
    min: -2,
    doc: 'Age up to which segments stay local beside tiered storage; -2 is the same as retention.ms.',
    synonyms: ['log.local.retention.ms'],
    accepted: because.tiered,
  }),
  'max.compaction.lag.ms': ms({
    default: '9223372036854775807',
    min: 1,
    doc: 'Maximum time for which a record remains uncompacted.',
    synonyms: ['log.cleaner.max.compaction.lag.ms'],
  }),
  'max.decompressed.message.bytes': intBytes({
    default: 2_147_483_639,
    min: 1,
    max: 2_147_483_639,
    doc: 'Maximum size of a decompressed record.',
    synonyms: ['max.decompressed.message.bytes'],
    accepted: because.decompressed,
  }),
  'max.message.bytes': intBytes({
    default: 1_048_588,
    min: 0,
    doc: 'Maximum size of a record batch, as it is sent.',
    synonyms: ['message.max.bytes'],
  }),
  'message.timestamp.after.max.ms': ms({
    default: 3_600_000,
    min: 0,
    doc: 'Maximum time by which the timestamp of a record may be ahead of the clock of the broker, with CreateTime.',
    synonyms: ['log.message.timestamp.after.max.ms'],
  }),
  'message.timestamp.before.max.ms': ms({
    default: '9223372036854775807',
    min: 0,
    doc: 'Maximum time by which the timestamp of a record may be behind the clock of the broker, with CreateTime.',
    synonyms: ['log.message.timestamp.before.max.ms'],
  }),
  'message.timestamp.type': choice(['CreateTime', 'LogAppendTime'], {
    default: 'CreateTime',
    doc: 'Whether records keep the time of the producer (CreateTime) or get that of the broker (LogAppendTime).',
    synonyms: ['log.message.timestamp.type'],
  }),
  'min.cleanable.dirty.ratio': double({
    default: 0.5,
    min: 0,
    max: 1,
    doc: 'Ratio of uncompacted bytes above which the log is compacted.',
    synonyms: ['log.cleaner.min.cleanable.ratio'],
  }),
  'min.compaction.lag.ms': ms({
    default: 0,
    min: 0,
    doc: 'Minimum time for which a record remains uncompacted.',
    synonyms: ['log.cleaner.min.compaction.lag.ms'],
  }),
  'min.insync.replicas': int({
    default: 1,
    min: 1,
    doc: 'How many replicas must have a record before acks=all is answered.',
    synonyms: ['min.insync.replicas'],
    accepted: because.oneCopy,
  }),
  'millrace.quota.consumer.byte.rate': bytes({
    default: -1,
    min: -1,
    check: notZero,
    doc: 'Maximum bytes per second for all consumers of the topic together, averaged like client quotas; -1 means no limit. Kafka has no such key.',
  }),
  'millrace.quota.producer.byte.rate': bytes({
    default: -1,
    min: -1,
    check: notZero,
    doc: 'Maximum bytes per second for all producers of the topic together, averaged like client quotas; -1 means no limit. Kafka has no such key.',
  }),
  preallocate: boolean({
    default: false,
    doc: 'Whether segment files get their full size when they are created.',
    synonyms: ['log.preallocate'],
    accepted: because.preallocate,
  }),
  'remote.copy.lag.bytes': bytes({
    default: -1,
    min: -1,
    doc: 'Bytes behind the end of the log from which on segments go to tiered storage.',
    synonyms: ['log.remote.copy.lag.bytes'],
    accepted: because.tiered,
  }),
  'remote.copy.lag.ms': ms({
    default: 0,
    min: -1,
    doc: 'Age from which on segments go to tiered storage.',
    synonyms: ['log.remote.copy.lag.ms'],
    accepted: because.tiered,
  }),
  'remote.log.copy.disable': boolean({
    default: false,
    doc: 'Whether nothing more is copied to tiered storage.',
    accepted: because.tiered,
  }),
  'remote.log.delete.on.disable': boolean({
    default: false,
    doc: 'Whether switching tiered storage off deletes what is there.',
    accepted: because.tiered,
  }),
  'remote.storage.enable': boolean({
    default: false,
    doc: 'Whether the topic uses tiered storage. true is refused.',
  }),
  'retention.bytes': bytes({
    default: -1,
    doc: 'Size of a partition above which its oldest segments are deleted; -1 means no limit.',
    synonyms: ['log.retention.bytes'],
  }),
  'retention.ms': ms({
    default: 604_800_000,
    min: -1,
    doc: 'Age after which segments are deleted; -1 means no limit.',
    synonyms: ['log.retention.ms', ['log.retention.minutes', 60_000], ['log.retention.hours', 3_600_000]],
  }),
  'segment.bytes': intBytes({
    default: 1_073_741_824,
    min: leastSegmentBytes,
    doc: 'Size of a segment file.',
    synonyms: ['log.segment.bytes'],
  }),
  'segment.index.bytes': intBytes({
    default: 10_485_760,
    min: 4,
    doc: 'Maximum size of an offset index; when it is full, a new segment is started.',
    synonyms: ['log.index.size.max.bytes'],
  }),
  'segment.jitter.ms': ms({
    default: 0,
    min: 0,
    doc: 'Largest random reduction of segment.ms.',
    synonyms: ['log.roll.jitter.ms', ['log.roll.jitter.hours', 3_600_000]],
    accepted: because.jitter,
  }),
  'segment.ms': ms({
    default: 604_800_000,
    min: 1,
    doc: 'Age after which a new segment is started even if the old one is not full.',
    synonyms: ['log.roll.ms', ['log.roll.hours', 3_600_000]],
  }),
  'unclean.leader.election.enable': boolean({
    default: false,
    doc: 'Whether a replica that is not in sync may become the leader.',
    synonyms: ['unclean.leader.election.enable'],
    accepted: because.oneCopy,
  }),
} satisfies Declarations

export type TopicKey = keyof typeof topicKeys
export type TopicValues = ValuesOf<typeof topicKeys>

const builtIn = defaultsOf(topicKeys)

/** `texts` over the built-in defaults, key by key. Throws InvalidConfig or UnknownConfig. */
export function parseTopicValues(texts: ReadonlyMap<string, string>, defaults: TopicValues = builtIn): TopicValues {
  if (texts.size === 0) return defaults
  const values: Record<string, unknown> = { ...defaults }
  for (const [name, text] of texts) {
    if (!Object.hasOwn(topicKeys, name)) throw new UnknownConfig('topic', name, Object.keys(topicKeys))
    values[name] = parseValue<unknown>(name, topicKeys[name as TopicKey], text).value
  }
  return values as TopicValues
}

/** What holds for a topic with these configs of its own. Throws InvalidConfig or UnknownConfig: also the validation of such configs. */
export function topicConfigOf(defaults: TopicValues, overrides: ReadonlyMap<string, string>): TopicConfig {
  const values = parseTopicValues(overrides, defaults)
  checkTogether(values)
  return configFrom(values)
}

/**
 * The same for stored configs, which may come from another version of Kafka or were checked against other defaults. A value that cannot be
 * used is reported and counts as not set, because its topic must open.
 */
export function storedTopicConfigOf(
  defaults: TopicValues,
  stored: ReadonlyMap<string, string>,
  unusable: (key: string, reason: string) => void,
): TopicConfig {
  let values = defaults
  for (const override of stored) {
    try {
      values = parseTopicValues(new Map([override]), values)
    } catch (error) {
      if (!(error instanceof InvalidConfig) && !(error instanceof UnknownConfig)) throw error
      unusable(error.key, error.message)
    }
  }
  return configFrom(values)
}

function configFrom(values: TopicValues): TopicConfig {
  const policy = values['cleanup.policy']
  return {
    cleanupPolicy: { delete: policy.includes('delete'), compact: policy.includes('compact') },
    compressionType: values['compression.type'],
    durability: values.durability,
    segmentBytes: values['internal.segment.bytes'] ?? values['segment.bytes'],
    segmentMs: values['segment.ms'],
    segmentIndexBytes: values['segment.index.bytes'],
    indexIntervalBytes: values['index.interval.bytes'],
    retentionBytes: values['retention.bytes'],
    retentionMs: values['retention.ms'],
    fileDeleteDelayMs: values['file.delete.delay.ms'],
    deleteRetentionMs: values['delete.retention.ms'],
    minCompactionLagMs: values['min.compaction.lag.ms'],
    maxCompactionLagMs: values['max.compaction.lag.ms'],
    minCleanableDirtyRatio: values['min.cleanable.dirty.ratio'],
    maxMessageBytes: values['max.message.bytes'],
    messageTimestampType: values['message.timestamp.type'],
    messageTimestampBeforeMaxMs: values['message.timestamp.before.max.ms'],
    messageTimestampAfterMaxMs: values['message.timestamp.after.max.ms'],
    producerByteRate: limited(values['millrace.quota.producer.byte.rate']),
    consumerByteRate: limited(values['millrace.quota.consumer.byte.rate']),
  }
}

function limited(byteRate: number): number | undefined {
  return byteRate > 0 ? byteRate : undefined
}

function checkTogether(values: TopicValues): void {
  const least = values['min.compaction.lag.ms']
  const most = values['max.compaction.lag.ms']
  if (least > most) {
    const reason = `conflict topic config setting min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`
    throw new InvalidConfig('min.compaction.lag.ms', String(least), reason, reason)
  }
  if (values['remote.storage.enable']) {
    const reason = 'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.'
    throw new InvalidConfig('remote.storage.enable', 'true', reason, reason)
  }
}
