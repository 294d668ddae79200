/** Records of `__share_group_state` (KIP-932). */
import { array, int8, int16, int32, int64, string, struct, uuid } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

export const shareStateRecords = {
  shareSnapshot: defineCoordinatorRecord({
    id: 0,
    name: 'ShareSnapshot',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      topicId: uuid(),
      partition: int32(),
    },
    value: {
      snapshotEpoch: int32(),
      stateEpoch: int32(),
      leaderEpoch: int32(),
      startOffset: int64(),
      deliveryCompleteCount: int32({ default: -1, tag: 0 }),
      createTimestamp: int64(),
      writeTimestamp: int64(),
      stateBatches: array(
        struct({
          firstOffset: int64(),
          lastOffset: int64(),
          deliveryState: int8(),
          deliveryCount: int16(),
        }),
      ),
    },
  }),

  shareUpdate: defineCoordinatorRecord({
    id: 1,
    name: 'ShareUpdate',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      topicId: uuid(),
      partition: int32(),
    },
    value: {
      snapshotEpoch: int32(),
      leaderEpoch: int32(),
      startOffset: int64(),
      deliveryCompleteCount: int32({ default: -1, tag: 0 }),
      stateBatches: array(
        struct({
          firstOffset: int64(),
          lastOffset: int64(),
          deliveryState: int8(),
          deliveryCount: int16(),
        }),
      ),
    },
  }),
}
