import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../../../base.ts'
import { type apis, errorName, type MessageOf } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { alterUserScramCredentials } from './alter-user-scram-credentials.ts'

type Response = MessageOf<typeof apis.alterUserScramCredentials.response>

const sha256 = 1
const deletion = (name: string) => ({ name, mechanism: sha256 })
const upsertion = (name: string, iterations = 4096) => ({
  ...deletion(name),
  iterations,
  salt: Buffer.alloc(8),
  saltedPassword: Buffer.alloc(32),
})

/** By user; `alice` has a credential. */
async function alter(deletions: object[], upsertions: object[]): Promise<Record<string, string>> {
  const security = {
    state: { scramUsers: new Map([['alice', new Map([[sha256, {}]])]]) },
    alterScramCredentials: async (one: object[], other: object[]) => [...one, ...other].map(() => null),
  }
  const context = {
    allowed: () => true,
    broker: { turns: new Turns(realSystem()), metadata: { security }, logger: { info() {} } },
    connection: { principal: 'User:admin' },
  } as unknown as RequestContext
  const { results } = (await alterUserScramCredentials.handle({ deletions, upsertions } as never, context)) as Response
  return Object.fromEntries(results.map(({ user, errorCode }) => [user, errorName(errorCode)]))
}

test("the first problem of a user is reported, in Kafka's order", async () => {
  assert.deepEqual(await alter([deletion('bob')], [upsertion('bob')]), { bob: 'RESOURCE_NOT_FOUND' })
  assert.deepEqual(await alter([deletion('bob'), deletion('bob')], []), { bob: 'RESOURCE_NOT_FOUND' })
  assert.deepEqual(await alter([deletion('alice')], [upsertion('alice')]), { alice: 'DUPLICATE_RESOURCE' })
  assert.deepEqual(await alter([], [upsertion('carol', 1), upsertion('carol')]), { carol: 'UNACCEPTABLE_CREDENTIAL' })
  assert.deepEqual(await alter([], [upsertion('carol'), upsertion('carol', 1)]), { carol: 'DUPLICATE_RESOURCE' })
  assert.deepEqual(await alter([deletion('alice'), deletion('bob')], [upsertion('carol')]), {
    alice: 'NONE',
    carol: 'NONE',
    bob: 'RESOURCE_NOT_FOUND',
  })
})
