/** SyncGroup (key 14, versions 0–5): exchanges the leader's assignment for the member's own */
import { array, bytes, defineApi, int16, int32, string, struct } from '../define.ts'

export const syncGroup = defineApi({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
    protocolType: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
    protocolName: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
    assignments: array(
      struct({
        memberId: string(),
        assignment: bytes(),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
    protocolType: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
    protocolName: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
    assignment: bytes(),
  },
})
