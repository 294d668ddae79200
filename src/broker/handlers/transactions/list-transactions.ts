/**
 * ListTransactions, v0–2 (KIP-664): lists transactions by state and producer id, v1 also by duration (KIP-994), v2 also by a pattern
 * of their ids (KIP-1152).
 */
import { filterInSlices, runInSlices } from '../../../base.ts'
import { compileRegex, isTransactionStatus } from '../../../coordinator.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'

const cost = { ...oneThing, regexSteps: 10_000_000 }

export const listTransactions = defineHandler<typeof apis.listTransactions>({
  api: apis.listTransactions,
  versions: [0, 2],
  access: [['TRANSACTIONAL_ID', 'DESCRIBE']],
  cost,
  async handle(request, context) {
    const unknownStateFilters = request.stateFilters.filter(name => !isTransactionStatus(name))
    const { transactions, turns } = context.broker
    const listed = await transactions.list({
      states: new Set(request.stateFilters),
      producerIds: new Set(request.producerIdFilters),
      durationMs: request.durationFilter,
    })
    const mayDescribe = (id: string) => context.allowed('DESCRIBE', 'TRANSACTIONAL_ID', id, 'probe')
    const visible = await filterInSlices(turns, listed, ({ transactionalId }) => mayDescribe(transactionalId))
    const pattern = request.transactionalIdPattern
    // An empty pattern is none, as in Kafka.
    const shown =
      pattern === null || pattern === ''
        ? null
        : await matching(
            pattern,
            visible.map(({ transactionalId }) => transactionalId),
            context,
          )
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      unknownStateFilters,
      transactionStates: visible
        .filter(({ transactionalId }) => shown?.has(transactionalId) ?? true)
        .map(({ transactionalId, producerId, status }) => ({ transactionalId, producerId, transactionState: status })),
    }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, unknownStateFilters: [], transactionStates: [] }),
})

async function matching(pattern: string, ids: readonly string[], { broker: { turns } }: RequestContext): Promise<Set<string>> {
  try {
    return new Set(await runInSlices(turns, compileRegex(pattern).select(ids, cost.regexSteps)))
  } catch (error) {
    throw new KafkaError('INVALID_REGULAR_EXPRESSION', `${pattern}: ${(error as Error).message}`)
  }
}
