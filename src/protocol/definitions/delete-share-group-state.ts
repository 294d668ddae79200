/** DeleteShareGroupState (key 86, version 0): has the share coordinator drop state (KIP-932) */
import { array, defineApi, int16, int32, string, struct, uuid } from '../define.ts'

export const deleteShareGroupState = defineApi({
  key: 86,
  name: 'DeleteShareGroupState',
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
