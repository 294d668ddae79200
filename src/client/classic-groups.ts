/** Membership of a classic group that is no consumer group: its members agree on something, such as who leads. */

import { ClientError } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { ClassicGroups, ClassicMembership, JoinOptions } from './coordination.ts'
import { commitOffsets } from './membership.ts'
import { type Ask, refuse } from './requests.ts'

/** `aside`: over a connection of its own. */
export function classicGroups(ask: Ask, aside: Ask): ClassicGroups {
  const leaveAside = (group: string, memberId: string) => aside(requests => leave(requests, group, memberId))
  return {
    joinGroup: options => join(ask, options, leaveAside),
    syncGroup: ({ group, memberId, generation }, assignments, signal) => {
      const request = {
        groupId: group,
        generationId: generation,
        memberId,
        assignments: Array.from(assignments, ([id, assignment]) => ({ memberId: id, assignment })),
      }
      const syncing = () =>
        ask(async requests => {
          const { errorCode, assignment } = await requests.ask(apis.syncGroup, request, { group }, 4)
          refuse(errorCode)
          return Buffer.from(assignment)
        })
      return orLeave(syncing, signal, () => leaveAside(group, memberId))
    },
    heartbeatGroup: ({ group, memberId, generation }) =>
      ask(async requests =>
        refuse((await requests.ask(apis.heartbeat, { groupId: group, generationId: generation, memberId }, { group })).errorCode),
      ),
    leaveGroup: ({ group, memberId }) => ask(requests => leave(requests, group, memberId)),
    commitAs: ({ group, memberId, generation }, offsets) => commitOffsets(ask, group, offsets, { generation, memberId }),
  }
}

type AskRequests = Parameters<Parameters<Ask>[0]>[0]

async function leave(requests: AskRequests, group: string, memberId: string): Promise<void> {
  // Several members at once since version 3.
  const member = (await requests.speaks(apis.leaveGroup, 3)) ? { members: [{ memberId }] } : { memberId }
  refuse((await requests.ask(apis.leaveGroup, { groupId: group, ...member }, { group })).errorCode)
}

/**
 * What waits for the other members of the group, for as long as they have to join. The broker takes nothing else from this connection meanwhile, and does not notice
 * when it is closed, so all others would wait for this member until its session is over. Rejects when it has left.
 */
async function orLeave<T>(work: () => Promise<T>, signal: AbortSignal | undefined, leaving: () => Promise<void>): Promise<T> {
  if (signal === undefined) return work()
  const { promise: left, reject } = Promise.withResolvers<never>()
  const hasLeft = () => reject(new ClientError('UNKNOWN_MEMBER_ID', 'the member has left the group, as it was told to'))
  // Without an answer the group forgets it with its session.
  const leaveNow = () => void leaving().then(hasLeft, hasLeft)
  signal.addEventListener('abort', leaveNow)
  if (signal.aborted) leaveNow()
  try {
    return await (signal.aborted ? left : Promise.race([work(), left]))
  } finally {
    signal.removeEventListener('abort', leaveNow)
  }
}

async function join(
  ask: Ask,
  options: JoinOptions,
  leaveAside: (group: string, memberId: string) => Promise<void>,
): Promise<ClassicMembership> {
  const { group, protocolType, sessionTimeoutMs, rebalanceTimeoutMs, signal } = options
  const request = { groupId: group, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols: [...options.protocols] }
  let memberId = options.memberId
  const joinAs = () =>
    ask(async requests => {
      const answer = await requests.ask(apis.joinGroup, { ...request, memberId }, { group })
      if (answer.errorCode !== memberIdRequired) refuse(answer.errorCode)
      return answer
    })
  let answer = memberId === '' ? await joinAs() : null
  // A new member is only given its id at first, which takes no time.
  if (answer === null || answer.errorCode === memberIdRequired) {
    memberId = answer?.memberId ?? memberId
    answer = await orLeave(joinAs, signal, () => leaveAside(group, memberId))
  }
  refuse(answer.errorCode)
  if (answer.memberId === '') throw new ClientError('UNKNOWN_MEMBER_ID', 'the coordinator gave no member id')
  const members = answer.members.map(each => ({ memberId: each.memberId, metadata: Buffer.from(each.metadata) }))
  return {
    group,
    memberId: answer.memberId,
    generation: answer.generationId,
    leader: answer.leader,
    protocol: answer.protocolName ?? '',
    members,
  }
}

const memberIdRequired = 79
