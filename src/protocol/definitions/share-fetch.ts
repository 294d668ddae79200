/** ShareFetch (key 78, versions 1–2): acquires records for a member of a share group, and acknowledges earlier ones (KIP-932) */
import { array, bool, defineApi, int8, int16, int32, int64, records, string, struct, uuid } from '../define.ts'

export const shareFetch = defineApi({
  key: 78,
  name: 'ShareFetch',
  versions: '1-2',
  flexible: '0+',
  request: {
    groupId: string({ nullable: '1+', default: null }),
    memberId: string({ nullable: '1+' }),
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff }),
    maxRecords: int32(),
    batchSize: int32(),
    shareAcquireMode: int8({ versions: '2+', default: 0, ignorable: true }),
    isRenewAck: bool({ versions: '2+', default: false }),
    topics: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            acknowledgementBatches: array(
              struct({
                firstOffset: int64(),
                lastOffset: int64(),
                acknowledgeTypes: array(int8()),
              }),
            ),
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(
      struct({
        topicId: uuid(),
        partitions: array(int32()),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '1+', default: null }),
    acquisitionLockTimeoutMs: int32(),
    responses: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '1+', default: null }),
            acknowledgeErrorCode: int16(),
            acknowledgeErrorMessage: string({ nullable: '1+', default: null }),
            currentLeader: struct({
              leaderId: int32(),
              leaderEpoch: int32(),
            }),
            records: records(),
            acquiredRecords: array(
              struct({
                firstOffset: int64(),
                lastOffset: int64(),
                deliveryCount: int16(),
              }),
            ),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '1+', default: null }),
      }),
    ),
  },
})
