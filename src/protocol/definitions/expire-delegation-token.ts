/** ExpireDelegationToken (key 40, versions 0–2): ends a delegation token */
import { bytes, defineApi, int16, int32, int64 } from '../define.ts'

export const expireDelegationToken = defineApi({
  key: 40,
  name: 'ExpireDelegationToken',
  versions: '0-2',
  flexible: '2+',
  request: {
    hmac: bytes(),
    expiryTimePeriodMs: int64(),
  },
  response: {
    errorCode: int16(),
    expiryTimestampMs: int64(),
    throttleTimeMs: int32(),
  },
})
