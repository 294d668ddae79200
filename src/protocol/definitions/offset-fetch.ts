/** OffsetFetch (key 9, versions 0–10): reads the positions that groups committed */
import { array, bool, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const offsetFetch = defineApi({
  key: 9,
  name: 'OffsetFetch',
  versions: '0-10',
  flexible: '6+',
  request: {
    groupId: string({ versions: '0-7' }),
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      { versions: '0-7', nullable: '2-7' },
    ),
    groups: array(
      struct({
        groupId: string(),
        memberId: string({ versions: '9+', nullable: '9+', default: null, ignorable: true }),
        memberEpoch: int32({ versions: '9+', default: -1, ignorable: true }),
        topics: array(
          struct({
            name: string({ versions: '8-9', ignorable: true }),
            topicId: uuid({ versions: '10+', ignorable: true }),
            partitionIndexes: array(int32()),
          }),
          { nullable: '8+' },
        ),
      }),
      { versions: '8+' },
    ),
    requireStable: bool({ versions: '7+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ versions: '5-7', default: -1, ignorable: true }),
            metadata: string({ nullable: '0-7' }),
            errorCode: int16(),
          }),
        ),
      }),
      { versions: '0-7' },
    ),
    errorCode: int16({ versions: '2-7', default: 0, ignorable: true }),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            name: string({ versions: '8-9', ignorable: true }),
            topicId: uuid({ versions: '10+', ignorable: true }),
            partitions: array(
              struct({
                partitionIndex: int32(),
                committedOffset: int64(),
                committedLeaderEpoch: int32({ default: -1, ignorable: true }),
                metadata: string({ nullable: '8+' }),
                errorCode: int16(),
              }),
            ),
          }),
        ),
        errorCode: int16({ default: 0 }),
      }),
      { versions: '8+' },
    ),
  },
})
