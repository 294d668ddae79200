/** LeaveGroup (key 13, versions 0–5): takes members out of a classic group */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const leaveGroup = defineApi({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    memberId: string({ versions: '0-2' }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ nullable: '3+', default: null }),
        reason: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
      }),
      { versions: '3+' },
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ nullable: '3+' }),
        errorCode: int16(),
      }),
      { versions: '3+' },
    ),
  },
})
