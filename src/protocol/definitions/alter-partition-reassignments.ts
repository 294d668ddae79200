/** AlterPartitionReassignments (key 45, versions 0–1): starts or stops moving partitions between brokers (KIP-455) */
import { array, bool, defineApi, int16, int32, string, struct } from '../define.ts'

export const alterPartitionReassignments = defineApi({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: '0-1',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    allowReplicationFactorChange: bool({ versions: '1+', default: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            replicas: array(int32(), { nullable: '0+', default: null }),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    allowReplicationFactorChange: bool({ versions: '1+', default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    responses: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
})
