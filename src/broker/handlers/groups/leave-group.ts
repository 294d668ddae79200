/** LeaveGroup, v0–5: one member up to v2, several from v3 on, static ones by their instance id (KIP-345), v5 with a reason (KIP-800). */
import { chunks } from '../../../base.ts'
import { apis, errorCode, type InputOf } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { memberAccess, requireGroup } from './group-caller.ts'

const severalFrom = 3
/** The group works on so many in one step. */
const atOnce = 1_000

type LeftMember = NonNullable<InputOf<typeof apis.leaveGroup.response>['members']>[number]

export const leaveGroup = defineHandler<typeof apis.leaveGroup>({
  api: apis.leaveGroup,
  versions: [0, 5],
  access: memberAccess,
  cost: promptly(manyThings(null)),
  async handle(request, context) {
    requireGroup(context, 'READ', request.groupId)
    if (context.version >= severalFrom) {
      const { turns, groups } = context.broker
      const left: LeftMember[] = []
      for (const members of chunks(request.members, atOnce)) {
        if (turns.over) await turns.next()
        for (const member of await groups.leave(request.groupId, members)) left.push(member)
      }
      return { throttleTimeMs: 0, errorCode: 0, members: left }
    }
    const leaving = [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
    const [outcome] = await context.broker.groups.leave(request.groupId, leaving)
    return { throttleTimeMs: 0, errorCode: outcome?.errorCode ?? 0, members: [] }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: errorCode(error.name), members: [] }),
})
