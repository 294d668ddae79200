/** AlterShareGroupOffsets (key 91, version 0): moves an empty share group to other offsets (KIP-932) */
import { array, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const alterShareGroupOffsets = defineApi({
  key: 91,
  name: 'AlterShareGroupOffsets',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: string(),
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            startOffset: int64(),
          }),
        ),
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
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '0+', default: null }),
          }),
        ),
      }),
    ),
  },
})
