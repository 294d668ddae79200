/**
 * SyncGroup, v0–5.
 *
 * v3 static members (KIP-345), v5 protocol type and name, which are then required (KIP-559). Followers wait until the leader has
 * sent the assignment and it is in the log.
 */
import { syncError } from '../../../coordinator.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { memberAccess, requireGroup, unlessLeaving } from './group-caller.ts'

const protocolRequiredFrom = 5

export const syncGroup = defineHandler<typeof apis.syncGroup>({
  api: apis.syncGroup,
  versions: [0, 5],
  access: memberAccess,
  cost: promptly(manyThings(null)),
  handle(request, context) {
    if (context.version >= protocolRequiredFrom && (request.protocolType === null || request.protocolName === null)) {
      throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', 'Protocol type and name are required')
    }
    requireGroup(context, 'READ', request.groupId)
    return unlessLeaving(context, context.broker.groups.sync(request))
  },
  fail: (_request, error) => syncError(error.name),
})
