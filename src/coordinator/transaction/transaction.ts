/** The state of one transactional id in `__transaction_state` as immutable values, and their conversion to Kafka's records. */
import type { Int64 } from '../../base.ts'
import { decodeRecordKey, decodeRecordValue, encodeRecordKey, encodeRecordValue, recordId, transactionRecords } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'

const { transactionLog } = transactionRecords

/** By Kafka's number. The last two are never stored: expiry and fencing are one step here. */
export const transactionStatuses = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const
export type TransactionStatus = (typeof transactionStatuses)[number]

/** By topic; in the order in which they were added. */
export type Partitions = ReadonlyMap<string, ReadonlySet<number>>

export interface Transaction {
  transactionalId: string
  producerId: Int64
  /** The id before this one, when its epochs were used up. */
  previousProducerId: Int64
  /** The producer id to continue with when this transaction is complete; -1: the same id. */
  nextProducerId: Int64
  producerEpoch: number
  timeoutMs: number
  status: TransactionStatus
  partitions: Partitions
  /** -1: none has begun since the producer was initialized. */
  startMs: Int64
  lastUpdateMs: Int64
  /** `transaction.version` as the client behind the last step uses it: with 2 each end of a transaction raises the epoch (KIP-890). */
  clientVersion: number
  /** The principal that made the id; empty when that is not known. */
  owner: string
}

export const none = -1
export const noPartitions: Partitions = new Map()
/** Clients never get the last epoch, so that there is always one left to fence them with. */
const lastClientEpoch = 2 ** 15 - 2

/** Used only to fence: no producer is given it. */
export const lastEpoch = 2 ** 15 - 1

/** Above it, unless it is the last that there is, as only a record from elsewhere can have it. */
export function epochAfter(producerEpoch: number): number {
  return Math.min(producerEpoch + 1, lastEpoch)
}

export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= lastClientEpoch
}

export function isPrepared({ status }: Transaction): boolean {
  return status === 'PrepareCommit' || status === 'PrepareAbort'
}

export function hasPartition({ partitions }: Transaction, topic: string, partition: number): boolean {
  return partitions.get(topic)?.has(partition) ?? false
}

/** The same map when there is nothing to add. */
export function withPartitions(before: Partitions, added: Partitions): Partitions {
  let after: Map<string, ReadonlySet<number>> | null = null
  for (const [topic, indexes] of added) {
    const known = before.get(topic)
    if (known !== undefined && [...indexes].every(index => known.has(index))) continue
    after ??= new Map(before)
    after.set(topic, new Set([...(known ?? []), ...indexes]))
  }
  return after ?? before
}

/** `level`: the cluster's; tagged fields may be written from 1 on. */
export function transactionRecord(transaction: Transaction, level: number): LogRecord {
  const { partitions } = transaction
  return {
    key: encodeRecordKey(transactionLog, { transactionalId: transaction.transactionalId }),
    value: encodeRecordValue(transactionLog, level >= 1 ? 1 : 0, {
      producerId: transaction.producerId,
      producerEpoch: transaction.producerEpoch,
      transactionTimeoutMs: transaction.timeoutMs,
      transactionStatus: transactionStatuses.indexOf(transaction.status),
      transactionPartitions:
        transaction.status === 'Empty' ? null : Array.from(partitions, ([topic, indexes]) => ({ topic, partitionIds: [...indexes] })),
      transactionLastUpdateTimestampMs: transaction.lastUpdateMs,
      transactionStartTimestampMs: transaction.startMs,
      ...(level >= 1 && {
        previousProducerId: transaction.previousProducerId,
        nextProducerId: transaction.nextProducerId,
        clientTransactionVersion: transaction.clientVersion,
        owner: transaction.owner,
      }),
    }),
  }
}

export function transactionTombstone(transactionalId: string): LogRecord {
  return { key: encodeRecordKey(transactionLog, { transactionalId }), value: null }
}

/** null: a record of another kind. */
export function decodeTransaction({ key, value }: LogRecord): { transactionalId: string; transaction: Transaction | null } | null {
  if (key === null || recordId(key) !== transactionLog.id) return null
  const { transactionalId } = decodeRecordKey(transactionLog, key)
  if (value === null) return { transactionalId, transaction: null }
  const stored = decodeRecordValue(transactionLog, value)
  const status = transactionStatuses[stored.transactionStatus]
  if (status === undefined) throw new Error(`${transactionalId} is in state ${stored.transactionStatus}, which is unknown`)
  return {
    transactionalId,
    transaction: {
      transactionalId,
      producerId: stored.producerId,
      previousProducerId: stored.previousProducerId,
      nextProducerId: stored.nextProducerId,
      producerEpoch: stored.producerEpoch,
      timeoutMs: stored.transactionTimeoutMs,
      status,
      partitions: new Map((stored.transactionPartitions ?? []).map(({ topic, partitionIds }) => [topic, new Set(partitionIds)])),
      startMs: stored.transactionStartTimestampMs,
      lastUpdateMs: stored.transactionLastUpdateTimestampMs,
      clientVersion: stored.clientTransactionVersion,
      owner: stored.owner,
    },
  }
}
