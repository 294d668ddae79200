/** Broker keys of transactions and idempotent producers. */
import { boolean, type Declarations, int, intBytes, intMs, short } from '../../../base.ts'

export const transactionsKeys = {
  'add.partitions.to.txn.retry.backoff.max.ms': intMs({ default: 100, min: 0, doc: '', importance: 'high' }),
  'add.partitions.to.txn.retry.backoff.ms': intMs({ default: 20, min: 1, doc: '', importance: 'high' }),
  'producer.id.expiration.check.interval.ms': intMs({ default: 600_000, min: 1, doc: '', importance: 'low' }),
  'producer.id.expiration.ms': intMs({ default: 86_400_000, min: 1, doc: '', importance: 'low', dynamic: 'cluster-wide' }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': intMs({ default: 10_000, min: 1, doc: '', importance: 'low' }),
  'transaction.max.timeout.ms': intMs({ default: 900_000, min: 1, doc: '', importance: 'high' }),
  'transaction.partition.verification.enable': boolean({ default: true, doc: '', importance: 'low', dynamic: 'cluster-wide' }),
  'transaction.remove.expired.transaction.cleanup.interval.ms': intMs({ default: 3_600_000, min: 1, doc: '', importance: 'low' }),
  'transaction.state.log.load.buffer.size': int({ default: 5_242_880, min: 1, doc: '', importance: 'high' }),
  'transaction.state.log.min.isr': int({ default: 2, min: 1, doc: '', importance: 'high' }),
  'transaction.state.log.num.partitions': int({ default: 50, min: 1, doc: '', importance: 'high' }),
  'transaction.state.log.replication.factor': short({ default: 3, min: 1, doc: '', importance: 'high' }),
  'transaction.state.log.segment.bytes': intBytes({ default: 104_857_600, min: 1, doc: '', importance: 'high' }),
  'transaction.two.phase.commit.enable': boolean({ default: false, doc: '', importance: 'low' }),
  'transactional.id.expiration.ms': intMs({ default: 604_800_000, min: 1, doc: '', importance: 'high' }),
} satisfies Declarations
