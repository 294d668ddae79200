/** DescribeUserScramCredentials, v0 (KIP-554): mechanisms and iterations of users, never their keys. */
import { inSlices } from '../../../base.ts'
import { apis, errorCode } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const describeUserScramCredentials = defineHandler<typeof apis.describeUserScramCredentials>({
  api: apis.describeUserScramCredentials,
  versions: [0, 0],
  access: [['CLUSTER', 'DESCRIBE']],
  cost: manyThings(null),
  async handle(request, context) {
    requireCluster(context, 'DESCRIBE')
    const { turns, metadata } = context.broker
    const { scramUsers } = metadata.security.state
    const asked = request.users === null || request.users.length === 0 ? [...scramUsers.keys()] : request.users.map(({ name }) => name)
    const count = new Map<string, number>()
    await inSlices(turns, asked, user => void count.set(user, (count.get(user) ?? 0) + 1))
    const results = await inSlices(turns, count, ([user, times]) => {
      const refuse = (error: 'DUPLICATE_RESOURCE' | 'RESOURCE_NOT_FOUND', errorMessage: string) => {
        return { user, errorCode: errorCode(error), errorMessage, credentialInfos: [] }
      }
      if (times > 1) {
        return refuse('DUPLICATE_RESOURCE', `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`)
      }
      const credentials = scramUsers.get(user)
      if (credentials === undefined) {
        return refuse('RESOURCE_NOT_FOUND', `Attempt to describe a user credential that does not exist: ${user}`)
      }
      const credentialInfos = [...credentials].map(([mechanism, { iterations }]) => ({ mechanism, iterations }))
      return { user, errorCode: 0, errorMessage: null, credentialInfos }
    })
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, results: [] }),
})
