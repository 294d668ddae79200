/** CreateDelegationToken (key 38, versions 0–3): issues a delegation token */
import { array, bytes, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const createDelegationToken = defineApi({
  key: 38,
  name: 'CreateDelegationToken',
  versions: '0-3',
  flexible: '2+',
  request: {
    ownerPrincipalType: string({ versions: '3+', nullable: '3+' }),
    ownerPrincipalName: string({ versions: '3+', nullable: '3+' }),
    renewers: array(
      struct({
        principalType: string(),
        principalName: string(),
      }),
    ),
    maxLifetimeMs: int64(),
  },
  response: {
    errorCode: int16(),
    principalType: string(),
    principalName: string(),
    tokenRequesterPrincipalType: string({ versions: '3+' }),
    tokenRequesterPrincipalName: string({ versions: '3+' }),
    issueTimestampMs: int64(),
    expiryTimestampMs: int64(),
    maxTimestampMs: int64(),
    tokenId: string(),
    hmac: bytes(),
    throttleTimeMs: int32(),
  },
})
