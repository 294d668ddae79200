/** Broker keys of transactions and idempotent producers. */
import { boolean, type Declarations, int, intBytes, intMs, short } from '../../../base.ts'
import { because } from '../because.ts'

export const transactionsKeys = {
  'add.partitions.to.txn.retry.backoff.max.ms': intMs({
    default: 100,
    min: 0,
    doc: 'Longest pause before the broker tries again to add a partition to a transaction.',
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
    doc: 'Most producers that a partition remembers. Beyond it those that wrote to it longest ago are forgotten, as after producer.id.expiration.ms. Kafka has no limit.',
    dynamic: 'cluster-wide',
  }),
  'max.transactional.ids': int({
    default: 200_000,
    min: 1,
    doc: 'Most transactional ids that the broker remembers. Beyond it those that have been idle for longest are forgotten, as after transactional.id.expiration.ms; InitProducerId fails with POLICY_VIOLATION when all have a transaction under way. Kafka has no limit.',
    dynamic: 'cluster-wide',
  }),
  'max.transactional.ids.per.principal': int({
    default: 100_000,
    min: 1,
    doc: 'Most of them that one principal initialized since the broker was started; beyond it the idle ones among its own go first.',
    dynamic: 'cluster-wide',
  }),
  'producer.id.expiration.check.interval.ms': intMs({
    default: 600_000,
    min: 1,
    doc: 'How often expired producer ids are looked for.',
    importance: 'low',
    accepted: because.retention,
  }),
  'producer.id.expiration.ms': intMs({
    default: 86_400_000,
    min: 1,
    doc: 'How long a partition remembers an idempotent producer that does not write.',
    importance: 'low',
    dynamic: 'cluster-wide',
  }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': intMs({
    default: 10_000,
    min: 1,
    doc: 'How often transactions that took too long are looked for.',
    importance: 'low',
  }),
  'transaction.max.timeout.ms': intMs({
    default: 900_000,
    min: 1,
    doc: 'Longest transaction timeout that a producer may ask for.',
    importance: 'high',
  }),
  'transaction.partition.verification.enable': boolean({
    default: true,
    doc: 'Whether a partition checks that a transaction knows of it.',
    importance: 'low',
    dynamic: 'cluster-wide',
  }),
  'transaction.remove.expired.transaction.cleanup.interval.ms': intMs({
    default: 3_600_000,
    min: 1,
    doc: 'How often expired transactional ids are looked for.',
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
    doc: 'Partitions of __transaction_state when it is created. Never change it afterwards.',
    importance: 'high',
  }),
  'transaction.state.log.replication.factor': short({
    default: 1,
    min: 1,
    doc: 'Replication factor of __transaction_state.',
    importance: 'high',
    accepted: because.oneCopy,
  }),
  'transaction.state.log.segment.bytes': intBytes({
    default: 104_857_600,
    min: 1,
    doc: 'Segment size of __transaction_state.',
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
    doc: 'How long an unused transactional id is remembered.',
    importance: 'high',
  }),
} satisfies Declarations
