/** DeleteShareGroupOffsets (key 92, version 0): makes an empty share group forget topics (KIP-932) */
import { array, defineApi, int16, int32, string, struct, uuid } from '../define.ts'

export const deleteShareGroupOffsets = defineApi({
  key: 92,
  name: 'DeleteShareGroupOffsets',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: string(),
    topics: array(
      struct({
        topicName: string(),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    responses: array(
      struct({
        topicName: string(),
        topicId: uuid(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0+', default: null }),
      }),
    ),
  },
})
