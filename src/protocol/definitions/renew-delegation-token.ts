/** RenewDelegationToken (key 39, versions 0–2): prolongs a delegation token */
import { bytes, defineApi, int16, int32, int64 } from '../define.ts'

export const renewDelegationToken = defineApi({
  key: 39,
  name: 'RenewDelegationToken',
  versions: '0-2',
  flexible: '2+',
  request: {
    hmac: bytes(),
    renewPeriodMs: int64(),
  },
  response: {
    errorCode: int16(),
    expiryTimestampMs: int64(),
    throttleTimeMs: int32(),
  },
})
