/**
 * DescribeDelegationToken, v0–3 (KIP-48): returns tokens with their passwords to their owners and renewers, and to others with DESCRIBE on
 * the token or (KIP-373) DESCRIBE_TOKENS on its owner. v3 returns the requester of a token.
 */
import { filterInSlices, inSlices } from '../../../base.ts'
import type { DelegationToken } from '../../../coordinator.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { oneWord, requesterWords, requireIdentified, twoWords } from './token-requests.ts'

export const describeDelegationToken = defineHandler<typeof apis.describeDelegationToken>({
  api: apis.describeDelegationToken,
  versions: [0, 3],
  access: [
    ['DELEGATION_TOKEN', 'DESCRIBE'],
    ['USER', 'DESCRIBE_TOKENS'],
  ],
  cost: oneThing,
  async handle(request, context) {
    requireIdentified(context)
    const { turns } = context.broker
    const { tokens } = context.broker.security
    if (!tokens.enabled) throw new KafkaError('DELEGATION_TOKEN_AUTH_DISABLED')
    const owners = request.owners === null ? null : new Set(request.owners.map(oneWord))
    const own = new Set([context.connection.principal])
    const asked = (token: DelegationToken) => owners === null || concerns(token, owners)
    const shown = await filterInSlices(turns, tokens.list(), token => asked(token) && (concerns(token, own) || mayDescribe(token, context)))
    const described = await inSlices(turns, shown, token => ({
      ...describe(token, context.version),
      hmac: tokens.hmac(token.tokenId),
    }))
    return { errorCode: 0, tokens: described, throttleTimeMs: 0 }
  },
  fail: (_request, error) => ({ errorCode: error.code, tokens: [], throttleTimeMs: 0 }),
})

function concerns({ owner, renewers }: DelegationToken, principals: ReadonlySet<string>): boolean {
  return principals.has(owner) || renewers.some(renewer => principals.has(renewer))
}

function mayDescribe(token: DelegationToken, context: RequestContext): boolean {
  return (
    context.allowed('DESCRIBE', 'DELEGATION_TOKEN', token.tokenId, 'probe') ||
    context.allowed('DESCRIBE_TOKENS', 'USER', token.owner, 'probe')
  )
}

function describe(token: DelegationToken, version: number) {
  const { tokenId, owner, requester, renewers, issueTimestamp, maxTimestamp, expirationTimestamp } = token
  return {
    ...twoWords(owner),
    ...requesterWords(requester, version),
    issueTimestamp,
    maxTimestamp,
    expiryTimestamp: expirationTimestamp,
    tokenId,
    renewers: renewers.map(twoWords),
  }
}
