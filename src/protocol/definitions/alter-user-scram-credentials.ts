/** AlterUserScramCredentials (key 51, version 0): changes SCRAM credentials (KIP-554) */
import { array, bytes, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const alterUserScramCredentials = defineApi({
  key: 51,
  name: 'AlterUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    deletions: array(
      struct({
        name: string(),
        mechanism: int8(),
      }),
    ),
    upsertions: array(
      struct({
        name: string(),
        mechanism: int8(),
        iterations: int32(),
        salt: bytes(),
        saltedPassword: bytes(),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        user: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
      }),
    ),
  },
})
