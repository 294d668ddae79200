/** SaslAuthenticate (key 36, versions 0–2): carries one step of a SASL exchange */
import { bytes, defineApi, int16, int64, string } from '../define.ts'

export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: bytes(),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ versions: '1+', default: 0, ignorable: true }),
  },
})
