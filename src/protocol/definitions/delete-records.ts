/** DeleteRecords (key 21, versions 0–2): moves the start of partitions up */
import { array, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const deleteRecords = defineApi({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  request: {
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            offset: int64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            lowWatermark: int64(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
})
