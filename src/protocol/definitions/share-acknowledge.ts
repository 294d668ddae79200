/** ShareAcknowledge (key 79, versions 1–2): acknowledges records of a share group (KIP-932) */
import { array, bool, defineApi, int8, int16, int32, int64, string, struct, uuid } from '../define.ts'

export const shareAcknowledge = defineApi({
  key: 79,
  name: 'ShareAcknowledge',
  versions: '1-2',
  flexible: '0+',
  request: {
    groupId: string({ nullable: '1+', default: null }),
    memberId: string({ nullable: '1+' }),
    shareSessionEpoch: int32(),
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
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '1+', default: null }),
    acquisitionLockTimeoutMs: int32({ versions: '2+', ignorable: true }),
    responses: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: '1+', default: null }),
            currentLeader: struct({
              leaderId: int32(),
              leaderEpoch: int32(),
            }),
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
