/** CreateDelegationToken, v0–3 (KIP-48): creates a token for the client itself, or (v3, KIP-373) for another user with CREATE_TOKENS on that user. */
import { apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { oneWord, requesterWords, requireIdentified, twoWords } from './token-requests.ts'

type Request = MessageOf<typeof apis.createDelegationToken.request>
type Response = InputOf<typeof apis.createDelegationToken.response>

export const createDelegationToken = defineHandler<typeof apis.createDelegationToken>({
  api: apis.createDelegationToken,
  versions: [0, 3],
  access: [['USER', 'CREATE_TOKENS']],
  onNewestMetadata: true,
  cost: oneThing,
  async handle(request, context) {
    const requester = context.connection.principal
    const owner = ownerOf(request, requester)
    try {
      check(request, context, owner)
      const renewers = request.renewers.map(oneWord)
      const { tokens } = context.broker.security
      const token = await tokens.create({ owner, requester, renewers, maxLifetimeMs: request.maxLifetimeMs })
      return {
        ...named(owner, requester, context.version),
        errorCode: 0,
        issueTimestampMs: token.issueTimestamp,
        expiryTimestampMs: token.expirationTimestamp,
        maxTimestampMs: token.maxTimestamp,
        tokenId: token.tokenId,
        hmac: tokens.hmac(token.tokenId),
        throttleTimeMs: 0,
      }
    } catch (error) {
      // Unlike other failures this one names the principals.
      if (error instanceof KafkaError) return { ...failed(error), ...named(owner, requester, context.version) }
      throw error
    }
  },
  fail: (_request, error) => failed(error),
})

function ownerOf({ ownerPrincipalType, ownerPrincipalName }: Request, requester: string): string {
  if (ownerPrincipalName === null || ownerPrincipalName === '') return requester
  return oneWord({ principalType: ownerPrincipalType ?? '', principalName: ownerPrincipalName })
}

function check(request: Request, context: RequestContext, owner: string): void {
  requireIdentified(context)
  if (owner !== context.connection.principal && !context.allowed('CREATE_TOKENS', 'USER', owner)) {
    throw new KafkaError('DELEGATION_TOKEN_AUTHORIZATION_FAILED')
  }
  if (request.renewers.some(({ principalType }) => principalType !== 'User')) throw new KafkaError('INVALID_PRINCIPAL_TYPE')
}

function named(owner: string, requester: string, version: number) {
  return { ...twoWords(owner), ...requesterWords(requester, version) }
}

function failed(error: KafkaError): Response {
  const never = { issueTimestampMs: -1, expiryTimestampMs: -1, maxTimestampMs: -1 }
  const nobody = { principalType: '', principalName: '', tokenRequesterPrincipalType: '', tokenRequesterPrincipalName: '' }
  return { ...never, ...nobody, errorCode: error.code, tokenId: '', hmac: Buffer.alloc(0), throttleTimeMs: 0 }
}
