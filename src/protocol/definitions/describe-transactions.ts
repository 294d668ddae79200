/** DescribeTransactions (key 65, version 0): tells the state of transactions (KIP-664) */
import { array, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const describeTransactions = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  request: {
    transactionalIds: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    transactionStates: array(
      struct({
        errorCode: int16(),
        transactionalId: string(),
        transactionState: string(),
        transactionTimeoutMs: int32(),
        transactionStartTimeMs: int64(),
        producerId: int64(),
        producerEpoch: int16(),
        topics: array(
          struct({
            topic: string(),
            partitions: array(int32()),
          }),
        ),
      }),
    ),
  },
})
