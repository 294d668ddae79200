/**
 * DescribeGroups, v0–6.
 *
 * v3 authorized operations (KIP-430), v4 static members (KIP-345), v6 GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043);
 * before, such a group is described as Dead.
 */
import { apis, type ErrorName, errorCode, type InputOf, type KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { everyOperation } from '../../security/authorized-operations.ts'
import { describeEach } from './describe-each.ts'

type DescribedGroup = InputOf<typeof apis.describeGroups.response>['groups'][number]

/** KIP-1043: says in words what is wrong, and that a group does not exist. */
const messagesFrom = 6

export const describeGroups = defineHandler<typeof apis.describeGroups>({
  api: apis.describeGroups,
  versions: [0, 6],
  access: everyOperation('GROUP'),
  cost: manyThings(function* (request) {
    request.groups = yield* distinct(request.groups)
  }),
  async handle(request, context) {
    const { groups: groupIds, includeAuthorizedOperations } = request
    const { version } = context
    const describe = (groupId: string) => found(groupId, context)
    const refuse = (groupId: string, error: KafkaError) => failed(groupId, error, version)
    return { throttleTimeMs: 0, groups: await describeEach({ groupIds, includeAuthorizedOperations }, context, describe, refuse) }
  },
  *fail(request, error, version) {
    return { throttleTimeMs: 0, groups: yield* resultsOf(request.groups, groupId => failed(groupId, error, version)) }
  },
})

async function found(groupId: string, { broker, version }: RequestContext): Promise<DescribedGroup> {
  try {
    return await broker.groups.describeGroup(groupId)
  } catch (error) {
    if (version >= messagesFrom || toKafkaError(error).name !== 'GROUP_ID_NOT_FOUND') throw error
    return nothing(groupId, 'Dead', 'NONE', null)
  }
}

function failed(groupId: string, { name, message }: KafkaError, version: number): DescribedGroup {
  if (name === 'GROUP_ID_NOT_FOUND') return nothing(groupId, 'Dead', name, message)
  return nothing(groupId, '', name, version >= messagesFrom ? message : null)
}

function nothing(groupId: string, groupState: string, error: ErrorName, errorMessage: string | null): DescribedGroup {
  return { errorCode: errorCode(error), errorMessage, groupId, groupState, protocolType: '', protocolData: '', members: [] }
}
