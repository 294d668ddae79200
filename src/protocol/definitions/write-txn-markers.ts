/** WriteTxnMarkers (key 27, versions 0–2): a transaction coordinator tells a broker how transactions ended */
import { array, bool, defineApi, int8, int16, int32, int64, string, struct } from '../define.ts'

export const writeTxnMarkers = defineApi({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: '0-2',
  flexible: '1+',
  request: {
    markers: array(
      struct({
        producerId: int64(),
        producerEpoch: int16(),
        transactionResult: bool(),
        topics: array(
          struct({
            name: string(),
            partitionIndexes: array(int32()),
          }),
        ),
        coordinatorEpoch: int32(),
        transactionVersion: int8({ versions: '2+', default: 0, ignorable: true }),
      }),
    ),
  },
  response: {
    markers: array(
      struct({
        producerId: int64(),
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
      }),
    ),
  },
})
