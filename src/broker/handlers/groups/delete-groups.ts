/** DeleteGroups, v0–3: deletes groups without members, with all their offsets (KIP-229); v3 returns error messages. */
import { filterInSlices, inSlices } from '../../../base.ts'
import { apis, errorCode } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { forgetShareGroup } from '../share/share-deletion.ts'

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
    await inSlices(turns, allowed, name => forgetShareGroup(name, context.broker))
    const results = await groups.deleteGroups(allowed)
    return {
      throttleTimeMs: 0,
      results: [...results, ...refused.map(groupId => ({ groupId, errorCode: errorCode('GROUP_AUTHORIZATION_FAILED') }))],
    }
  },
  fail: (request, error) => ({
    throttleTimeMs: 0,
    results: request.groupsNames.map(groupId => ({ groupId, errorCode: errorCode(error.name), errorMessage: error.message })),
  }),
})
