/** ReadShareGroupStateSummary (key 87, versions 0–1): reads the offsets only of a share partition's state (KIP-932) */
import { array, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const readShareGroupStateSummary = defineApi({
  key: 87,
  name: 'ReadShareGroupStateSummary',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: string(),
    topics: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partition: int32(),
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  },
  response: {
    results: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partition: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '0+', default: null }),
            stateEpoch: int32(),
            leaderEpoch: int32(),
            startOffset: int64(),
            deliveryCompleteCount: int32({ versions: '1+', default: -1, ignorable: true }),
          }),
        ),
      }),
    ),
  },
})
