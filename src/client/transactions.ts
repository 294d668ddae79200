/** Transactions as their coordinators and the partitions' leaders see them (KIP-664). */

import { ClientError } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { ProducerInfo, TransactionFilter, TransactionInfo, TransactionListing } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

export async function listTransactions(requests: Requests, filter: TransactionFilter): Promise<TransactionListing[]> {
  const { states = [], producerIds = [], longerThanMs } = filter
  const request = {
    stateFilters: [...states],
    producerIdFilters: [...producerIds],
    ...(longerThanMs === undefined ? {} : { durationFilter: longerThanMs }),
  }
  const found: TransactionListing[] = []
  for (const node of await requests.nodes()) {
    const response = await requests.ask(apis.listTransactions, request, { node })
    refuse(response.errorCode)
    const [unknown] = response.unknownStateFilters
    if (unknown !== undefined) throw new ClientError('INVALID', `unknown transaction state: ${unknown}`)
    for (const { transactionalId, producerId, transactionState: state } of response.transactionStates) {
      found.push({ transactionalId, producerId, state })
    }
  }
  return found.sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
}

export async function describeTransaction(requests: Requests, transactionalId: string): Promise<TransactionInfo> {
  const response = await requests.ask(apis.describeTransactions, { transactionalIds: [transactionalId] }, { transactionalId })
  const [found] = response.transactionStates
  if (found === undefined) throw new ClientError('FAILED', `the broker returned nothing about ${transactionalId}`)
  refuse(found.errorCode)
  return {
    transactionalId,
    producerId: found.producerId,
    producerEpoch: found.producerEpoch,
    state: found.transactionState,
    timeoutMs: found.transactionTimeoutMs,
    startTimeMs: found.transactionStartTimeMs < 0 ? null : found.transactionStartTimeMs,
    partitions: found.topics.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition }))),
  }
}

export async function describeProducers(requests: Requests, topic: string, partition: number): Promise<ProducerInfo[]> {
  const request = { topics: [{ name: topic, partitionIndexes: [partition] }] }
  const response = await requests.ask(apis.describeProducers, request, { leaderOf: topic, partition })
  const [found] = response.topics.flatMap(each => each.partitions)
  if (found === undefined) throw new ClientError('FAILED', `the broker returned nothing about ${topic}-${partition}`)
  refuse(found.errorCode, found.errorMessage)
  return found.activeProducers.map(({ lastTimestamp, currentTxnStartOffset, ...producer }) => ({
    ...producer,
    lastTimestampMs: lastTimestamp,
    transactionStartOffset: currentTxnStartOffset < 0 ? null : currentTxnStartOffset,
  }))
}

export async function abortOnPartition(
  requests: Requests,
  topic: string,
  partition: number,
  { producerId, producerEpoch, coordinatorEpoch }: Pick<ProducerInfo, 'producerId' | 'producerEpoch' | 'coordinatorEpoch'>,
): Promise<void> {
  const marker = {
    producerId,
    producerEpoch,
    transactionResult: false,
    topics: [{ name: topic, partitionIndexes: [partition] }],
    // -1: no transaction of this producer has been ended yet. 0 is not above any coordinator's epoch.
    coordinatorEpoch: Math.max(coordinatorEpoch, 0),
  }
  const { markers } = await requests.ask(apis.writeTxnMarkers, { markers: [marker] }, { leaderOf: topic, partition })
  for (const { topics } of markers) for (const { partitions } of topics) for (const { errorCode } of partitions) refuse(errorCode)
}

/** A new epoch of the id makes the coordinator abort what the old one has open. */
export async function fenceProducer(requests: Requests, transactionalId: string): Promise<void> {
  const request = { transactionalId, transactionTimeoutMs: 1, producerId: -1, producerEpoch: -1 }
  const { errorCode } = await requests.ask(apis.initProducerId, request, { transactionalId })
  refuse(errorCode)
}
