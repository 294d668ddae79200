/**
 * What every writer with a transactional id asks of its coordinator: its producer id and epoch, and, for transactions, to enter partitions and to end.
 *
 * In the versions of Kafka's first transaction protocol, which every broker knows: later ones enter partitions by themselves, and change the epoch.
 */
import type { Int64 } from '../base.ts'
import { apis } from '../protocol.ts'
import { type Requests, refuse } from './requests.ts'

export interface ProducerIdentity {
  readonly transactionalId: string
  readonly producerId: Int64
  readonly producerEpoch: number
}

/** Later ones give the producer another epoch, or are for brokers. */
const newest = { init: 5, add: 3, end: 4 } as const

/** The epoch is a new one: earlier writers with this id are fenced, and what they have begun is aborted. */
export async function identifyProducer(
  requests: Requests,
  transactionalId: string,
  transactionTimeoutMs: number,
): Promise<ProducerIdentity> {
  const request = { transactionalId, transactionTimeoutMs }
  const { errorCode, producerId, producerEpoch } = await requests.ask(apis.initProducerId, request, { transactionalId }, newest.init)
  refuse(errorCode)
  return { transactionalId, producerId, producerEpoch }
}

/** Without transactions: its sequence numbers keep what it sends from being stored twice. */
export async function newProducer(requests: Requests): Promise<Omit<ProducerIdentity, 'transactionalId'>> {
  const request = { transactionalId: null, transactionTimeoutMs: 2 ** 31 - 1 }
  const { errorCode, producerId, producerEpoch } = await requests.ask(apis.initProducerId, request, 'any', newest.init)
  refuse(errorCode)
  return { producerId, producerEpoch }
}

export async function enterPartitions(
  requests: Requests,
  { transactionalId, producerId, producerEpoch }: ProducerIdentity,
  topics: readonly { readonly name: string; readonly partitions: readonly number[] }[],
): Promise<void> {
  const request = {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: topics,
  }
  const answer = await requests.ask(apis.addPartitionsToTxn, request, { transactionalId }, newest.add)
  for (const { resultsByPartition } of answer.resultsByTopicV3AndBelow)
    for (const { partitionErrorCode } of resultsByPartition) refuse(partitionErrorCode)
}

export async function endTransaction(requests: Requests, producer: ProducerIdentity, committed: boolean): Promise<void> {
  const { transactionalId } = producer
  refuse((await requests.ask(apis.endTxn, { ...producer, committed }, { transactionalId }, newest.end)).errorCode)
}
