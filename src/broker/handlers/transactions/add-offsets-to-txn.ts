/**
 * AddOffsetsToTxn, v0–4: adds the group's partition of `__consumer_offsets` to the transaction. v2 returns PRODUCER_FENCED (KIP-588),
 * v4 supports TRANSACTION_ABORTABLE (KIP-890). Producers with `transaction.version` 2 send only TxnOffsetCommit.
 */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { memberAccess, requireGroup } from '../groups/group-caller.ts'
import { fencingError, producerAccess, requireTransactionalId } from './transaction-caller.ts'

const fencedFrom = 2

export const addOffsetsToTxn = defineHandler<typeof apis.addOffsetsToTxn>({
  api: apis.addOffsetsToTxn,
  versions: [0, 4],
  access: [...producerAccess, ...memberAccess],
  cost: oneThing,
  async handle(request, context) {
    const { transactions, groups } = context.broker
    requireTransactionalId(context, request.transactionalId)
    requireGroup(context, 'READ', request.groupId)
    // The topic has to be there, or the marker for it would have no place.
    await groups.locate(request.groupId)
    await transactions.addOffsets(request, groups.partitionFor(request.groupId), 0)
    return { throttleTimeMs: 0, errorCode: 0 }
  },
  fail: (_request, error, version) => ({ throttleTimeMs: 0, errorCode: fencingError(error, version, fencedFrom).code }),
})
