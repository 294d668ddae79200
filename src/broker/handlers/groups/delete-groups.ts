/** DeleteGroups, v0–3: groups without members, with all their offsets (KIP-229); v3 says in words what went wrong. */
import { apis, errorCode } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { forgetShareGroup } from '../share/share-deletion.ts'

export const deleteGroups = defineHandler<typeof apis.deleteGroups>({
  api: apis.deleteGroups,
  versions: [0, 3],
  access: [['GROUP', 'DELETE']],
  cost: manyThings(request => {
    request.groupsNames = distinct(request.groupsNames)
  }),
  async handle(request, context) {
    const names = [...new Set(request.groupsNames)]
    const allowed = names.filter(name => context.allowed('DELETE', 'GROUP', name))
    const refused = names.filter(name => !allowed.includes(name))
    for (const name of allowed) await forgetShareGroup(name, context.broker)
    const results = await context.broker.groups.deleteGroups(allowed)
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
