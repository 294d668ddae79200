/** DeleteGroups, v0–3: deletes groups without members, with all their offsets (KIP-229); v3 returns error messages. */
import { filterInSlices, inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf, type KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { forgetShareGroup } from '../share/share-deletion.ts'

type DeletedGroup = InputOf<typeof apis.deleteGroups.response>['results'][number]

export const deleteGroups = defineHandler<typeof apis.deleteGroups>({
  api: apis.deleteGroups,
  versions: [0, 3],
  access: [['GROUP', 'DELETE']],
  cost: manyThings(function* (request) {
    request.groupsNames = yield* distinct(request.groupsNames)
  }),
  async handle(request, context) {
    const { turns, groups } = context.broker
    const refused: string[] = []
    const allowed = await filterInSlices(turns, request.groupsNames, name => {
      const permitted = context.allowed('DELETE', 'GROUP', name)
      if (!permitted) refused.push(name)
      return permitted
    })
    const failed: DeletedGroup[] = []
    await inSlices(turns, allowed, async name => {
      try {
        await forgetShareGroup(name, context.broker)
      } catch (error) {
        failed.push(failure(name, toKafkaError(error)))
      }
    })
    const kept = new Set(failed.map(({ groupId }) => groupId))
    const results = await groups.deleteGroups(allowed.filter(name => !kept.has(name)))
    return {
      throttleTimeMs: 0,
      results: [...results, ...failed, ...refused.map(groupId => ({ groupId, errorCode: errorCode('GROUP_AUTHORIZATION_FAILED') }))],
    }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, results: yield* resultsOf(request.groupsNames, groupId => failure(groupId, error)) }
  },
})

function failure(groupId: string, error: KafkaError): DeletedGroup {
  return { groupId, errorCode: errorCode(error.name), errorMessage: error.message }
}
