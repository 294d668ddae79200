/**
 * EndTxn, v0–5: commits or aborts a transaction. The response is sent when the decision is durable; the markers follow. v2 returns
 * PRODUCER_FENCED (KIP-588), v4 is v3 with TRANSACTION_ABORTABLE, v5 raises the epoch and returns it (KIP-890).
 */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fencingError, producerAccess, requireTransactionalId } from './transaction-caller.ts'

const fencedFrom = 2
const raisesEpochFrom = 5

export const endTxn = defineHandler<typeof apis.endTxn>({
  api: apis.endTxn,
  versions: [0, 5],
  access: producerAccess,
  cost: oneThing,
  async handle(request, context) {
    requireTransactionalId(context, request.transactionalId)
    const clientVersion = context.version >= raisesEpochFrom ? 2 : 0
    const session = await context.broker.transactions.endTransaction({ ...request, clientVersion })
    return { throttleTimeMs: 0, errorCode: 0, ...session }
  },
  fail: (_request, error, version) => ({ throttleTimeMs: 0, errorCode: fencingError(error, version, fencedFrom).code }),
})
