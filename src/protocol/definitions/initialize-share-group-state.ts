/** InitializeShareGroupState (key 83, version 0): a group coordinator has the share coordinator set up state (KIP-932) */
import { array, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const initializeShareGroupState = defineApi({
  key: 83,
  name: 'InitializeShareGroupState',
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
            stateEpoch: int32(),
            startOffset: int64(),
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
