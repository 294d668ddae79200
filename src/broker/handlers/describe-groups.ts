/**
 * DescribeGroups, v0–6.
 *
 * v3 authorized operations (KIP-430), v4 static members (KIP-345), v6 GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043);
 * before, such a group is described as Dead.
 */
import { apis, type ErrorName, errorCode, type InputOf, toKafkaError } from '../../protocol.ts'
import { defineHandler, type Operation, type RequestContext } from '../handler.ts'
import { requireGroup } from './group-caller.ts'

type DescribedGroup = InputOf<typeof apis.describeGroups.response>['groups'][number]

const notFoundErrorFrom = 6
/** Kafka's AclOperation codes of what can be done with a group. */
const groupOperations: readonly (readonly [Operation, number])[] = [
  ['READ', 3],
  ['DELETE', 6],
  ['DESCRIBE', 8],
  ['DESCRIBE_CONFIGS', 10],
  ['ALTER_CONFIGS', 11],
]

export const describeGroups = defineHandler<typeof apis.describeGroups>({
  api: apis.describeGroups,
  versions: [0, 6],
  access: groupOperations.map(([operation]) => ['GROUP', operation] as const),
  async handle(request, context) {
    const groups = await Promise.all(request.groups.map(groupId => describe(groupId, request.includeAuthorizedOperations, context)))
    return { throttleTimeMs: 0, groups }
  },
  fail: (request, error) => ({
    throttleTimeMs: 0,
    groups: request.groups.map(groupId => nothing(groupId, '', error.name, error.message)),
  }),
})

async function describe(groupId: string, withOperations: boolean, context: RequestContext): Promise<DescribedGroup> {
  try {
    requireGroup(context, 'DESCRIBE', groupId)
    const group = await context.broker.groups.describeGroup(groupId)
    if (group === null && context.version >= notFoundErrorFrom) {
      return nothing(groupId, 'Dead', 'GROUP_ID_NOT_FOUND', `Group ${groupId} not found.`)
    }
    const described = group ?? nothing(groupId, 'Dead', 'NONE', null)
    return withOperations ? { ...described, authorizedOperations: authorizedOperations(groupId, context) } : described
  } catch (error) {
    const { name, message } = toKafkaError(error)
    return nothing(groupId, '', name, message)
  }
}

function authorizedOperations(groupId: string, context: RequestContext): number {
  let bits = 0
  for (const [operation, code] of groupOperations) if (context.allowed(operation, 'GROUP', groupId)) bits |= 1 << code
  return bits
}

function nothing(groupId: string, groupState: string, error: ErrorName, errorMessage: string | null): DescribedGroup {
  return { errorCode: errorCode(error), errorMessage, groupId, groupState, protocolType: '', protocolData: '', members: [] }
}
