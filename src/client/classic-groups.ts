/** Membership of a classic group that is no consumer group: its members agree on something, such as who leads. */

import { ClientError } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { ClassicGroups, ClassicMembership, JoinOptions } from './coordination.ts'
import { commitOffsets } from './membership.ts'
import { type Ask, refuse } from './requests.ts'

export function classicGroups(ask: Ask): ClassicGroups {
  return {
    joinGroup: options => ask(requests => join(requests, options)),
    syncGroup: ({ group, memberId, generation }, assignments) =>
      ask(async requests => {
        const request = {
          groupId: group,
          generationId: generation,
          memberId,
          assignments: Array.from(assignments, ([id, assignment]) => ({ memberId: id, assignment })),
        }
        const { errorCode, assignment } = await requests.ask(apis.syncGroup, request, { group }, 4)
        refuse(errorCode)
        return Buffer.from(assignment)
      }),
    heartbeatGroup: ({ group, memberId, generation }) =>
      ask(async requests =>
        refuse((await requests.ask(apis.heartbeat, { groupId: group, generationId: generation, memberId }, { group })).errorCode),
      ),
    leaveGroup: ({ group, memberId }) =>
      ask(async requests => {
        const { errorCode } = await requests.ask(apis.leaveGroup, { groupId: group, members: [{ memberId }] }, { group })
        refuse(errorCode)
      }),
    commitAs: ({ group, memberId, generation }, offsets) => commitOffsets(ask, group, offsets, { generation, memberId }),
  }
}

type AskRequests = Parameters<Parameters<Ask>[0]>[0]

async function join(requests: AskRequests, options: JoinOptions): Promise<ClassicMembership> {
  const { group, protocolType, sessionTimeoutMs, rebalanceTimeoutMs } = options
  const request = { groupId: group, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols: [...options.protocols] }
  let answer = await requests.ask(apis.joinGroup, { ...request, memberId: options.memberId }, { group })
  // The first request of a new member only gives it its id.
  if (answer.errorCode === memberIdRequired)
    answer = await requests.ask(apis.joinGroup, { ...request, memberId: answer.memberId }, { group })
  refuse(answer.errorCode)
  if (answer.memberId === '') throw new ClientError('UNKNOWN_MEMBER_ID', 'the coordinator gave no member id')
  const members = answer.members.map(each => ({ memberId: each.memberId, metadata: Buffer.from(each.metadata) }))
  const { memberId, generationId: generation, leader, protocolName } = answer
  return { group, memberId, generation, leader, protocol: protocolName ?? '', members }
}

const memberIdRequired = 79
