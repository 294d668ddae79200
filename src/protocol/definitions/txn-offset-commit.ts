/** TxnOffsetCommit (key 28, versions 0–6): stores positions of a group when the transaction commits */
import { array, defineApi, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const txnOffsetCommit = defineApi({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-6',
  flexible: '3+',
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationIdOrMemberEpoch: int32({ versions: '3+', default: -1 }),
    memberId: string({ versions: '3+', default: '' }),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
    topics: array(
      struct({
        name: string({ versions: '0-5', ignorable: true }),
        topicId: uuid({ versions: '6+', ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ versions: '2+', default: -1, ignorable: true }),
            committedMetadata: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string({ versions: '0-5', ignorable: true }),
        topicId: uuid({ versions: '6+', ignorable: true }),
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
