/** Records of `__transaction_state`. */
import { array, int8, int16, int32, int64, string, struct } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

export const transactionRecords = {
  transactionLog: defineCoordinatorRecord({
    id: 0,
    name: 'TransactionLog',
    versions: '0-1',
    flexible: '1+',
    key: {
      transactionalId: string(),
    },
    value: {
      producerId: int64(),
      previousProducerId: int64({ versions: '1+', default: -1, tag: 0 }),
      nextProducerId: int64({ versions: '1+', default: -1, tag: 1 }),
      producerEpoch: int16(),
      nextProducerEpoch: int16({ versions: '1+', default: -1, tag: 3 }),
      transactionTimeoutMs: int32(),
      transactionStatus: int8(),
      transactionPartitions: array(
        struct({
          topic: string(),
          partitionIds: array(int32()),
        }),
        { nullable: '0+' },
      ),
      transactionLastUpdateTimestampMs: int64(),
      transactionStartTimestampMs: int64(),
      clientTransactionVersion: int16({ versions: '1+', default: 0, tag: 2 }),
      /** Millrace's own, under a tag that Kafka skips: the principal that made the id, as `User:alice`. Empty: not known. */
      owner: string({ versions: '1+', default: '', tag: 10_000 }),
    },
  }),
}
