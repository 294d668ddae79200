/**
 * Keys of a topic: declarations, the values that hold for a topic, and Kafka's rules about them.
 *
 * A topic's own configs (overrides) lie over the defaults that the broker's keys give (`synonyms`). The log sees only {@link TopicConfig}.
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

const because = {
  cleaner: 'compaction schedules and bounds itself',
  flush: 'every group commit is flushed as `durability` says',
  jitter: 'segments of many partitions share one journal, so rolling them together costs nothing',
  compressionLevel: 'the broker recompresses with the default effort of its libraries',
  oneCopy: 'a partition has one copy, as safe as the disk or the store that holds it',
  preallocate: 'only journal files are allocated in advance',
  shareGroups: 'this version has no share groups yet',
  tiered: "there is no tiered storage in Kafka's sense",
} as const

function checkThrottledReplicas(text: string): string | null {
  return text === '' || text === '*' || text === 'none' || /^\d+:\d+(,\d+:\d+)*$/.test(text)
    ? null
    : `${text} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...`
}

export const topicKeys = {
  durability: choice(['fsync', 'os'], {
    default: 'fsync',
    doc: 'What acks=all waits for and consumers may read. fsync: what survives a power cut. os: what survives the death of the process, in the page cache, as Kafka does by default.',
    synonyms: ['durability'],
  }),
  'cleanup.policy': list({ default: 'delete', oneOf: ['compact', 'delete'], doc: '', synonyms: ['log.cleanup.policy'] }),
  'compression.gzip.level': int({ default: -1, min: 1, max: 9, or: -1, doc: '', synonyms: ['compression.gzip.level'] }),
  'compression.lz4.level': int({ default: 9, min: 1, max: 17, doc: '', synonyms: ['compression.lz4.level'] }),
  'compression.type': choice(['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'], {
    default: 'producer',
    doc: '',
    synonyms: ['compression.type'],
  }),
  'compression.zstd.level': int({ default: 3, min: -131_072, max: 22, doc: '', synonyms: ['compression.zstd.level'] }),
  'delete.retention.ms': ms({ default: 86_400_000, min: 0, doc: '', synonyms: ['log.cleaner.delete.retention.ms'] }),
  'errors.deadletterqueue.group.enable': boolean({ default: false, doc: '' }),
  'file.delete.delay.ms': ms({ default: 60_000, min: 0, doc: '', synonyms: ['log.segment.delete.delay.ms'] }),
  'flush.messages': long({ default: '9223372036854775807', min: 1, doc: '', synonyms: ['log.flush.interval.messages'] }),
  'flush.ms': ms({
    default: '9223372036854775807',
    min: 0,
    doc: '',
    synonyms: ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
  }),
  'follower.replication.throttled.replicas': list({ default: '', check: checkThrottledReplicas, doc: '' }),
  'index.interval.bytes': intBytes({ default: 4096, min: 0, doc: '', synonyms: ['log.index.interval.bytes'] }),
  'leader.replication.throttled.replicas': list({ default: '', check: checkThrottledReplicas, doc: '' }),
  'local.retention.bytes': bytes({ default: -2, min: -2, doc: '', synonyms: ['log.local.retention.bytes'] }),
  'local.retention.ms': ms({ default: -2, min: -2, doc: '', synonyms: ['log.local.retention.ms'] }),
  'max.compaction.lag.ms': ms({ default: '9223372036854775807', min: 1, doc: '', synonyms: ['log.cleaner.max.compaction.lag.ms'] }),
  'max.decompressed.message.bytes': intBytes({
    default: 2_147_483_639,
    min: 1,
    max: 2_147_483_639,
    doc: '',
    synonyms: ['max.decompressed.message.bytes'],
  }),
  'max.message.bytes': intBytes({ default: 1_048_588, min: 0, doc: '', synonyms: ['message.max.bytes'] }),
  'message.timestamp.after.max.ms': ms({ default: 3_600_000, min: 0, doc: '', synonyms: ['log.message.timestamp.after.max.ms'] }),
  'message.timestamp.before.max.ms': ms({
    default: '9223372036854775807',
    min: 0,
    doc: '',
    synonyms: ['log.message.timestamp.before.max.ms'],
  }),
  'message.timestamp.type': choice(['CreateTime', 'LogAppendTime'], {
    default: 'CreateTime',
    doc: '',
    synonyms: ['log.message.timestamp.type'],
  }),
  'min.cleanable.dirty.ratio': double({ default: 0.5, min: 0, max: 1, doc: '', synonyms: ['log.cleaner.min.cleanable.ratio'] }),
  'min.compaction.lag.ms': ms({ default: 0, min: 0, doc: '', synonyms: ['log.cleaner.min.compaction.lag.ms'] }),
  'min.insync.replicas': int({ default: 1, min: 1, doc: '', synonyms: ['min.insync.replicas'] }),
  preallocate: boolean({ default: false, doc: '', synonyms: ['log.preallocate'] }),
  'remote.copy.lag.bytes': bytes({ default: -1, min: -1, doc: '', synonyms: ['log.remote.copy.lag.bytes'] }),
  'remote.copy.lag.ms': ms({ default: 0, min: -1, doc: '', synonyms: ['log.remote.copy.lag.ms'] }),
  'remote.log.copy.disable': boolean({ default: false, doc: '' }),
  'remote.log.delete.on.disable': boolean({ default: false, doc: '' }),
  'remote.storage.enable': boolean({ default: false, doc: '' }),
  'retention.bytes': bytes({ default: -1, doc: '', synonyms: ['log.retention.bytes'] }),
  'retention.ms': ms({
    default: 604_800_000,
    min: -1,
    doc: '',
    synonyms: ['log.retention.ms', ['log.retention.minutes', 60_000], ['log.retention.hours', 3_600_000]],
  }),
  'segment.bytes': intBytes({ default: 1_073_741_824, min: 1_048_576, doc: '', synonyms: ['log.segment.bytes'] }),
  'segment.index.bytes': intBytes({ default: 10_485_760, min: 4, doc: '', synonyms: ['log.index.size.max.bytes'] }),
  'segment.jitter.ms': ms({ default: 0, min: 0, doc: '', synonyms: ['log.roll.jitter.ms', ['log.roll.jitter.hours', 3_600_000]] }),
  'segment.ms': ms({ default: 604_800_000, min: 1, doc: '', synonyms: ['log.roll.ms', ['log.roll.hours', 3_600_000]] }),
  'unclean.leader.election.enable': boolean({ default: false, doc: '', synonyms: ['unclean.leader.election.enable'] }),
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
  const policy = values['cleanup.policy']
  return {
    cleanupPolicy: { delete: policy.includes('delete'), compact: policy.includes('compact') },
    compressionType: values['compression.type'],
    durability: values.durability,
    segmentBytes: values['segment.bytes'],
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
  }
}

function checkTogether(values: TopicValues): void {
  const least = values['min.compaction.lag.ms']
  const most = values['max.compaction.lag.ms']
  if (least > most) {
    const reason = `conflict topic config setting min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`
    throw new InvalidConfig('min.compaction.lag.ms', String(least), reason)
  }
  if (values['remote.storage.enable']) {
    const reason = 'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.'
    throw new InvalidConfig('remote.storage.enable', 'true', reason)
  }
}
