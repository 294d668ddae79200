/** WriteShareGroupState (key 85, versions 0–1): a partition leader stores its state at the share coordinator (KIP-932) */
import { array, defineApi, int8, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const writeShareGroupState = defineApi({
  key: 85,
  name: 'WriteShareGroupState',
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
            stateEpoch: int32(),
            leaderEpoch: int32(),
            startOffset: int64(),
            deliveryCompleteCount: int32({ versions: '1+', default: -1, ignorable: true }),
            stateBatches: array(
              struct({
                firstOffset: int64(),
                lastOffset: int64(),
                deliveryState: int8(),
                deliveryCount: int16(),
              }),
            ),
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
          }),
        ),
      }),
    ),
  },
})
