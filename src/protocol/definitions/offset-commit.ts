/** OffsetCommit (key 8, versions 0–10): stores the positions of a group */
import { array, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const offsetCommit = defineApi({
  key: 8,
  name: 'OffsetCommit',
  versions: '0-10',
  flexible: '8+',
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ versions: '1+', default: -1, ignorable: true }),
    memberId: string({ versions: '1+', ignorable: true }),
    groupInstanceId: string({ versions: '7+', nullable: '7+', default: null }),
    retentionTimeMs: int64({ versions: '2-4', default: -1, ignorable: true }),
    topics: array(
      struct({
        name: string({ versions: '0-9', ignorable: true }),
        topicId: uuid({ versions: '10+', ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ versions: '6+', default: -1, ignorable: true }),
            commitTimestamp: int64({ versions: '1', default: -1 }),
            committedMetadata: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', ignorable: true }),
    topics: array(
      struct({
        name: string({ versions: '0-9', ignorable: true }),
        topicId: uuid({ versions: '10+', ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
})
