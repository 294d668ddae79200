/** The settings of transactions: Kafka's keys in camel case, with Kafka's defaults. */

export interface TransactionSettings {
  /** `transaction.max.timeout.ms`: longest timeout that a producer may ask for. */
  transactionMaxTimeoutMs: number
  /** `transactional.id.expiration.ms` */
  transactionalIdExpirationMs: number
  /** `max.transactional.ids` */
  maxTransactionalIds: number
  /** `max.transactional.ids.per.principal` */
  maxTransactionalIdsPerPrincipal: number
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  abortTimedOutIntervalMs: number
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  removeExpiredIntervalMs: number
  /** Partitions that `__transaction_state` gets when it is created. */
  stateTopicNumPartitions: number
  /** The cluster's finalized level of `transaction.version`. */
  transactionVersion: number
}

export const defaultTransactionSettings: TransactionSettings = {
  transactionMaxTimeoutMs: 900_000,
  transactionalIdExpirationMs: 604_800_000,
  maxTransactionalIds: 1_000_000,
  maxTransactionalIdsPerPrincipal: 500_000,
  abortTimedOutIntervalMs: 10_000,
  removeExpiredIntervalMs: 3_600_000,
  stateTopicNumPartitions: 50,
  transactionVersion: 2,
}
