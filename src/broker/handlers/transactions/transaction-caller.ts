/** What the APIs of transactional producers have in common. */
import { KafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

export const producerAccess = [['TRANSACTIONAL_ID', 'WRITE']] as const

export function requireTransactionalId(context: RequestContext, transactionalId: string): void {
  if (!context.allowed('WRITE', 'TRANSACTIONAL_ID', transactionalId)) throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
}

/** KIP-588: clients know PRODUCER_FENCED from some version on; before, they get INVALID_PRODUCER_EPOCH. */
export function fencingError(error: KafkaError, version: number, fencedFrom: number): KafkaError {
  return error.name === 'PRODUCER_FENCED' && version < fencedFrom ? new KafkaError('INVALID_PRODUCER_EPOCH', error.message) : error
}

/**
 * The error for a partition's producer if the partition could not be added to its transaction. Producers expect INVALID_PRODUCER_EPOCH there, and only
 * newer ones know TRANSACTION_ABORTABLE (KIP-890).
 */
export function entryError(error: KafkaError, knowsAbortable: boolean): KafkaError {
  if (error.name === 'PRODUCER_FENCED') return new KafkaError('INVALID_PRODUCER_EPOCH', error.message)
  if (error.name === 'TRANSACTION_ABORTABLE' && !knowsAbortable) return new KafkaError('INVALID_TXN_STATE', error.message)
  return error
}
