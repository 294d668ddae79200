/** Broker keys of transactions and idempotent producers. */
import { boolean, type Declarations, int, intBytes, intMs, short } from '../../../base.ts'
import { because } from '../because.ts'

export const transactionsKeys = {
  'add.partitions.to.txn.retry.backoff.max.ms': intMs({
    default: 100,
    min: 0,
    doc: 'Maximum pause before the broker retries to add a partition to a transaction.',
    importance: 'high',
    accepted: because.transactions,
  }),
  'add.partitions.to.txn.retry.backoff.ms': intMs({
    default: 20,
    min: 1,
    doc: 'First pause before the broker tries again to add a partition to a transaction.',
    importance: 'high',
    accepted: because.transactions,
  }),
  'max.producer.ids.per.partition': int({
    default: 10_000,
    min: 1,
    doc: 'Maximum number of producers that a partition remembers. Above it, those that have not written for longest expire, as after producer.id.expiration.ms. Kafka has no limit.',
    dynamic: 'cluster-wide',
  }),
  'max.transactional.ids': int({
    default: 200_000,
    min: 1,
    doc: 'Maximum number of transactional ids. Above it, those that have been idle for longest expire, as after transactional.id.expiration.ms; InitProducerId fails with POLICY_VIOLATION when all of them have an open transaction. Kafka has no limit.',
    dynamic: 'cluster-wide',
  }),
  'max.transactional.ids.per.principal': int({
    default: 100_000,
    min: 1,
    doc: 'Maximum number of transactional ids of one principal. Above it, those of this principal that have been idle for longest expire.',
    dynamic: 'cluster-wide',
  }),
  'producer.id.expiration.check.interval.ms': intMs({
    default: 600_000,
    min: 1,
    doc: 'Interval at which expired producer ids are removed.',
    importance: 'low',
    accepted: because.retention,
  }),
  'producer.id.expiration.ms': intMs({
    default: 86_400_000,
    min: 1,
    doc: 'Time for which a partition remembers an idempotent producer that does not write.',
    importance: 'low',
    dynamic: 'cluster-wide',
  }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': intMs({
    default: 10_000,
    min: 1,
    doc: 'Interval at which transactions that exceeded their timeout are aborted.',
    importance: 'low',
  }),
  'transaction.max.timeout.ms': intMs({
    default: 900_000,
    min: 1,
    doc: 'Maximum transaction timeout of a producer.',
    importance: 'high',
  }),
  'transaction.partition.verification.enable': boolean({
    default: true,
    doc: 'Whether a produce request is checked against the partitions of its transaction.',
    importance: 'low',
    dynamic: 'cluster-wide',
  }),
  'transaction.remove.expired.transaction.cleanup.interval.ms': intMs({
    default: 3_600_000,
    min: 1,
    doc: 'Interval at which expired transactional ids are removed.',
    importance: 'low',
  }),
  'transaction.state.log.load.buffer.size': int({
    default: 5_242_880,
    min: 1,
    doc: 'Size of reads while transactions are loaded.',
    importance: 'high',
    accepted: because.memory,
  }),
  'transaction.state.log.min.isr': int({
    default: 1,
    min: 1,
    doc: 'min.insync.replicas of __transaction_state.',
    importance: 'high',
    accepted: because.oneCopy,
  }),
  'transaction.state.log.num.partitions': int({
    default: 50,
    min: 1,
    doc: 'Number of partitions of __transaction_state when it is created. Do not change it afterwards.',
    importance: 'high',
  }),
  'transaction.state.log.replication.factor': short({
    default: 1,
    min: 1,
    doc: 'Replication factor of __transaction_state. With more brokers than one, it says how many of them are candidates to lead a partition, at most all of them.',
    importance: 'high',
  }),
  'transaction.state.log.segment.bytes': intBytes({
    default: 104_857_600,
    min: 1,
    doc: 'Segment size of __transaction_state when it is created, at least 1 MiB; lower values are treated as 1 MiB.',
    importance: 'high',
  }),
  'transaction.two.phase.commit.enable': boolean({
    default: false,
    doc: 'Whether transactions may be prepared for a commit from outside.',
    importance: 'low',
    accepted: because.twoPhase,
  }),
  'transactional.id.expiration.ms': intMs({
    default: 604_800_000,
    min: 1,
    doc: 'Time after which an unused transactional id expires.',
    importance: 'high',
  }),
} satisfies Declarations
