/** ListPartitionReassignments (key 46, version 0): lists the moves under way (KIP-455) */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: '0',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      { nullable: '0+', default: null },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            replicas: array(int32()),
            addingReplicas: array(int32()),
            removingReplicas: array(int32()),
          }),
        ),
      }),
    ),
  },
})
