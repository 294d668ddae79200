/** The keys of the Kafka sink. */
import { boolean, choice, int, ms, string, type ValuesOf } from '../../connector.ts'
import { securityKeys } from '../kafka/security.ts'
import { templateProblem } from '../template/template.ts'

export const keys = {
  'kafka.bootstrap.servers': string({
    required: true,
    importance: 'high',
    doc: 'Brokers of the target, as host:port, several separated by commas.',
  }),
  'kafka.topic': string({
    default: '${topic}',
    importance: 'high',
    check: templateProblem,
    doc: 'Topic of a record in the target, as a template: `${topic}`, `eu.${topic}`.',
  }),
  'kafka.partitioner': choice(['same', 'key'] as const, {
    default: 'same',
    importance: 'high',
    doc: 'The partition in the target: that of the source, which must be there, or by the key.',
  }),
  'kafka.exactly.once': boolean({
    default: true,
    importance: 'high',
    doc: 'Whether records are written in transactions, with the offsets of the source in them. Otherwise some are written twice after a failure.',
  }),
  'kafka.offsets.topic': string({
    default: 'millrace-connect-sink-offsets',
    doc: 'Compacted topic of the target with these offsets; created if it is missing.',
  }),
  'kafka.transaction.timeout.ms': ms({
    default: 300_000,
    min: 1_000,
    doc: 'After so long the target gives up a transaction that nobody ends. Must be longer than `offset.flush.interval.ms` of the worker, at which one is committed, and at most `transaction.max.timeout.ms` of the target.',
  }),
  'kafka.topic.create': boolean({ default: true, doc: 'Whether topics that are missing in the target are created.' }),
  'kafka.topic.partitions': int({
    default: -1,
    min: -1,
    doc: "Partitions of such a topic; -1: the target's default. With `kafka.partitioner=same` at least as many as the source has.",
  }),
  'kafka.compression.type': choice(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const, { default: 'none', doc: 'Compression of batches.' }),
  ...securityKeys('kafka.', 'Target'),
  'kafka.security.protocol': choice(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const, {
    default: 'PLAINTEXT',
    doc: 'How the target is reached. The other `kafka.` keys of security are those of Kafka’s clients.',
  }),
} as const

export type Config = ValuesOf<typeof keys>
