/** DescribeProducers (key 61, version 0): tells the active producers of partitions (KIP-664) */
import { array, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const describeProducers = defineApi({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '0+', default: null }),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32(),
                lastSequence: int32({ default: -1 }),
                lastTimestamp: int64({ default: -1 }),
                coordinatorEpoch: int32(),
                currentTxnStartOffset: int64({ default: -1 }),
              }),
            ),
          }),
        ),
      }),
    ),
  },
})
