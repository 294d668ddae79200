/** OffsetDelete (key 47, version 0): deletes committed offsets of a group (KIP-496) */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const offsetDelete = defineApi({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  request: {
    groupId: string(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
          }),
        ),
      }),
    ),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
})
