/** OffsetForLeaderEpoch (key 23, versions 0–4): tells where a leader epoch ended, so that readers notice truncation (KIP-320) */
import { array, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '0-4',
  flexible: '4+',
  request: {
    replicaId: int32({ versions: '3+', default: -2, ignorable: true }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ versions: '2+', default: -1, ignorable: true }),
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: int16(),
            partition: int32(),
            leaderEpoch: int32({ versions: '1+', default: -1, ignorable: true }),
            endOffset: int64({ default: -1 }),
          }),
        ),
      }),
    ),
  },
})
