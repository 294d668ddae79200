/** RenewDelegationToken, v0–2 (KIP-48): extends the lifetime of a token, up to its maximum. For its owner and renewers. */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireIdentified } from './token-requests.ts'

export const renewDelegationToken = defineHandler<typeof apis.renewDelegationToken>({
  api: apis.renewDelegationToken,
  versions: [0, 2],
  // Who may do it is said in the token.
  access: 'none',
  onNewestMetadata: true,
  cost: oneThing,
  async handle(request, context) {
    requireIdentified(context)
    const { tokens } = context.broker.security
    const expiryTimestampMs = await tokens.renew(request.hmac, context.connection.principal, request.renewPeriodMs)
    return { errorCode: 0, expiryTimestampMs, throttleTimeMs: 0 }
  },
  fail: (_request, error) => ({ errorCode: error.code, expiryTimestampMs: -1, throttleTimeMs: 0 }),
})
