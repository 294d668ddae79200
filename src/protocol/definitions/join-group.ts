/** JoinGroup (key 11, versions 0–9): enters a classic group and waits for its next generation */
import { array, bool, bytes, defineApi, int16, int32, string, struct } from '../define.ts'

export const joinGroup = defineApi({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ versions: '1+', default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ versions: '5+', nullable: '5+', default: null }),
    protocolType: string(),
    protocols: array(
      struct({
        name: string(),
        metadata: bytes(),
      }),
    ),
    reason: string({ versions: '8+', nullable: '8+', default: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ versions: '7+', nullable: '7+', default: null, ignorable: true }),
    protocolName: string({ nullable: '7+' }),
    leader: string(),
    skipAssignment: bool({ versions: '9+', default: false }),
    memberId: string(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
        metadata: bytes(),
      }),
    ),
  },
})
