/**
 * DescribeGroups, v0–6.
 *
 * v3 authorized operations (KIP-430), v4 static members (KIP-345), v6 GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043);
 * before, such a group is described as Dead.
 */
import { inSlices } from '../../../base.ts'
import { apis, type ErrorName, errorCode, type InputOf, type KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { requireGroup } from './group-caller.ts'

type DescribedGroup = InputOf<typeof apis.describeGroups.response>['groups'][number]

/** KIP-1043: says in words what is wrong, and that a group does not exist. */
const messagesFrom = 6

export const describeGroups = defineHandler<typeof apis.describeGroups>({
  api: apis.describeGroups,
  versions: [0, 6],
  access: everyOperation('GROUP'),
  cost: manyThings(request => {
    request.groups = distinct(request.groups)
  }),
  async handle(request, context) {
    const { includeAuthorizedOperations } = request
    const groups = await inSlices(context.broker.turns, request.groups, groupId => describe(groupId, includeAuthorizedOperations, context))
    return { throttleTimeMs: 0, groups }
  },
  fail: (request, error, version) => ({
    throttleTimeMs: 0,
    groups: request.groups.map(groupId => failed(groupId, error, version)),
  }),
})

async function describe(groupId: string, withOperations: boolean, context: RequestContext): Promise<DescribedGroup> {
  try {
    requireGroup(context, 'DESCRIBE', groupId)
    const group = await found(groupId, context)
    return withOperations ? { ...group, authorizedOperations: authorizedOperations(context, 'GROUP', groupId) } : group
  } catch (error) {
    return failed(groupId, toKafkaError(error), context.version)
  }
}

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
