/**
 * JoinGroup, v0–9.
 *
 * v1 has a separate rebalance timeout (KIP-62), v4 assigns a member id first (KIP-394), v5 static members (KIP-345), v7 the protocol
 * type (KIP-559), v8 a reason (KIP-800), v9 lets a returning static leader skip the assignment (KIP-814). The response waits until the
 * group's join phase ends.
 */
import { joinError } from '../../../coordinator.ts'
import { apis, type InputOf } from '../../../protocol.ts'
import { oneThing, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { callerOf, memberAccess, requireGroup, unlessLeaving } from './group-caller.ts'

type Response = InputOf<typeof apis.joinGroup.response>

const nullableProtocolFrom = 7

export const joinGroup = defineHandler<typeof apis.joinGroup>({
  api: apis.joinGroup,
  versions: [0, 9],
  access: memberAccess,
  cost: promptly(oneThing),
  async handle(request, context) {
    requireGroup(context, 'READ', request.groupId)
    const joined = unlessLeaving(context, context.broker.groups.join(request, callerOf(context)))
    return fit(await joined, context.version)
  },
  fail: (request, error, version) => fit(joinError(error.name, request.memberId), version),
})

function fit(response: Response, version: number): Response {
  return response.protocolName === null && version < nullableProtocolFrom ? { ...response, protocolName: '' } : response
}
