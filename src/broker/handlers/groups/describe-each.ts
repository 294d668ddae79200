/** The common part of the APIs that describe groups: permissions, cost, and that each group succeeds or fails separately. */
import { inSlices } from '../../../base.ts'
import { KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import type { Access, RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { requireGroup } from './group-caller.ts'

interface DescribeRequest {
  groupIds: string[]
  includeAuthorizedOperations: boolean
}

export const describeAccess = [...everyOperation('GROUP'), ['TOPIC', 'DESCRIBE']] as const satisfies Access
export const describeCost = manyThings<Pick<DescribeRequest, 'groupIds'>>(function* (request) {
  request.groupIds = yield* distinct(request.groupIds)
})

/** Elements of the description of a member: partitions that it is assigned, names to which it subscribes. */
const perMember = 20

/** Describes each group by `describe`. `admit` throws if the caller may not see the group. `failed` makes the result for errors, including a missing permission. */
export function describeEach<G extends { authorizedOperations?: number | undefined }>(
  { groupIds, includeAuthorizedOperations }: DescribeRequest,
  context: RequestContext,
  describe: (groupId: string) => Promise<G>,
  failed: (groupId: string, error: KafkaError) => G,
  admit: (groupId: string) => void = groupId => requireGroup(context, 'DESCRIBE', groupId),
): Promise<G[]> {
  return inSlices(context.broker.turns, groupIds, async groupId => {
    try {
      admit(groupId)
      await context.expects(perMember * (await context.broker.groups.memberCount(groupId)))
      const group = await describe(groupId)
      if (!includeAuthorizedOperations) return group
      return { ...group, authorizedOperations: authorizedOperations(context, 'GROUP', groupId) }
    } catch (error) {
      return failed(groupId, toKafkaError(error))
    }
  })
}

const undescribable = new KafkaError(
  'TOPIC_AUTHORIZATION_FAILED',
  'The group has described topic(s) that the client is not authorized to describe.',
)

/** A group with a topic that may not be described is not described at all. */
export function requireTopics(context: RequestContext, topics: Iterable<string>, refusal = undescribable): void {
  for (const topic of topics) if (!context.allowed('DESCRIBE', 'TOPIC', topic)) throw refusal
}
