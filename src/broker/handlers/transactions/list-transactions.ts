/**
 * ListTransactions, v0–2 (KIP-664): transactions by state and producer id, v1 by how long they have been running (KIP-994), v2 by a pattern
 * of their ids (KIP-1152).
 */
import { filterInSlices } from '../../../base.ts'
import { isTransactionStatus } from '../../../coordinator.ts'
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'

export const listTransactions = defineHandler<typeof apis.listTransactions>({
  api: apis.listTransactions,
  versions: [0, 2],
  access: [['TRANSACTIONAL_ID', 'DESCRIBE']],
  cost: oneThing,
  async handle(request, context) {
    const unknownStateFilters = request.stateFilters.filter(name => !isTransactionStatus(name))
    const transactions = await context.broker.transactions.list({
      states: new Set(request.stateFilters),
      producerIds: new Set(request.producerIdFilters),
      durationMs: request.durationFilter,
      // Nothing is no pattern, as in Kafka.
      pattern: request.transactionalIdPattern === '' ? null : request.transactionalIdPattern,
    })
    const visible = await filterInSlices(context.broker.turns, transactions, ({ transactionalId }) =>
      context.allowed('DESCRIBE', 'TRANSACTIONAL_ID', transactionalId, 'probe'),
    )
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      unknownStateFilters,
      transactionStates: visible.map(({ transactionalId, producerId, status }) => ({
        transactionalId,
        producerId,
        transactionState: status,
      })),
    }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, unknownStateFilters: [], transactionStates: [] }),
})
