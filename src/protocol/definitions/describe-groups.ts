/** DescribeGroups (key 15, versions 0–6): tells the state and members of classic groups */
import { array, bool, bytes, defineApi, int16, int32, string, struct } from '../define.ts'

export const describeGroups = defineApi({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool({ versions: '3+' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ versions: '6+', nullable: '6+', default: null }),
        groupId: string(),
        groupState: string(),
        protocolType: string(),
        protocolData: string(),
        members: array(
          struct({
            memberId: string(),
            groupInstanceId: string({ versions: '4+', nullable: '4+', default: null, ignorable: true }),
            clientId: string(),
            clientHost: string(),
            memberMetadata: bytes(),
            memberAssignment: bytes(),
          }),
        ),
        authorizedOperations: int32({ versions: '3+', default: -2147483648 }),
      }),
    ),
  },
})
