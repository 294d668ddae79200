/** ListOffsets (key 2, versions 0–11): finds offsets by timestamp, or by the special timestamps −1 (latest), −2 (earliest), −3 (largest timestamp), … */
import { array, defineApi, int8, int16, int32, int64, string, struct } from '../define.ts'

export const listOffsets = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: '0-11',
  flexible: '6+',
  request: {
    replicaId: int32(),
    isolationLevel: int8({ versions: '2+' }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: int32({ versions: '4+', default: -1, ignorable: true }),
            timestamp: int64(),
            maxNumOffsets: int32({ versions: '0', default: 1 }),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ versions: '10+', ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            oldStyleOffsets: array(int64(), { versions: '0' }),
            timestamp: int64({ versions: '1+', default: -1 }),
            offset: int64({ versions: '1+', default: -1 }),
            leaderEpoch: int32({ versions: '4+', default: -1 }),
          }),
        ),
      }),
    ),
  },
})
