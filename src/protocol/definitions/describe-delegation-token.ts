/** DescribeDelegationToken (key 41, versions 0–3): lists delegation tokens */
import { array, bytes, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const describeDelegationToken = defineApi({
  key: 41,
  name: 'DescribeDelegationToken',
  versions: '0-3',
  flexible: '2+',
  request: {
    owners: array(
      struct({
        principalType: string(),
        principalName: string(),
      }),
      { nullable: '0+' },
    ),
  },
  response: {
    errorCode: int16(),
    tokens: array(
      struct({
        principalType: string(),
        principalName: string(),
        tokenRequesterPrincipalType: string({ versions: '3+' }),
        tokenRequesterPrincipalName: string({ versions: '3+' }),
        issueTimestamp: int64(),
        expiryTimestamp: int64(),
        maxTimestamp: int64(),
        tokenId: string(),
        hmac: bytes(),
        renewers: array(
          struct({
            principalType: string(),
            principalName: string(),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32(),
  },
})
