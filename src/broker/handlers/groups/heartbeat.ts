/** Heartbeat, v0–4: keeps a member's session; v3 static members (KIP-345). REBALANCE_IN_PROGRESS asks the member to rejoin. */
import { apis, errorCode } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { memberAccess, requireGroup } from './group-caller.ts'

export const heartbeat = defineHandler<typeof apis.heartbeat>({
  api: apis.heartbeat,
  versions: [0, 4],
  access: memberAccess,
  cost: oneThing,
  async handle(request, context) {
    requireGroup(context, 'READ', request.groupId)
    await context.broker.groups.heartbeat(request)
    return { throttleTimeMs: 0, errorCode: 0 }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: errorCode(error.name) }),
})
