/** ReadShareGroupState (key 84, version 0): a partition leader reads its state from the share coordinator (KIP-932) */
import { array, defineApi, int8, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const readShareGroupState = defineApi({
  key: 84,
  name: 'ReadShareGroupState',
  versions: '0',
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
            startOffset: int64(),
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
})
