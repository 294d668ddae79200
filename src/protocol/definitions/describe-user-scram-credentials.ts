/** DescribeUserScramCredentials (key 50, version 0): lists the SCRAM mechanisms of users (KIP-554) */
import { array, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const describeUserScramCredentials = defineApi({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    users: array(
      struct({
        name: string(),
      }),
      { nullable: '0+' },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    results: array(
      struct({
        user: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
        credentialInfos: array(
          struct({
            mechanism: int8(),
            iterations: int32(),
          }),
        ),
      }),
    ),
  },
})
