/** Records of `__consumer_offsets` that classic groups write, and every kind of group that commits offsets. */
import { array, bytes, int32, int64, string, struct, uuid } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

const memberMetadata = {
  memberId: string(),
  groupInstanceId: string({ versions: '3+', nullable: '3+', default: null, ignorable: true }),
  clientId: string(),
  clientHost: string(),
  rebalanceTimeout: int32({ versions: '1+', default: -1, ignorable: true }),
  sessionTimeout: int32(),
  subscription: bytes(),
  assignment: bytes(),
}

export const classicGroupRecords = {
  legacyOffsetCommit: defineCoordinatorRecord({
    id: 0,
    name: 'LegacyOffsetCommit',
    versions: '0',
    key: {
      group: string(),
      topic: string(),
      partition: int32(),
    },
    value: {
      offset: int64(),
      metadata: string(),
      commitTimestamp: int64(),
    },
  }),

  offsetCommit: defineCoordinatorRecord({
    id: 1,
    name: 'OffsetCommit',
    versions: '0-4',
    flexible: '4+',
    key: {
      group: string(),
      topic: string(),
      partition: int32(),
    },
    value: {
      offset: int64(),
      leaderEpoch: int32({ versions: '3+', default: -1, ignorable: true }),
      metadata: string(),
      commitTimestamp: int64(),
      expireTimestamp: int64({ versions: '1', default: -1, ignorable: true }),
      topicId: uuid({ versions: '4+', tag: 0, ignorable: true }),
    },
  }),

  groupMetadata: defineCoordinatorRecord({
    id: 2,
    name: 'GroupMetadata',
    versions: '0-4',
    flexible: '4+',
    key: {
      group: string(),
    },
    value: {
      protocolType: string(),
      generation: int32(),
      protocol: string({ nullable: '0+' }),
      leader: string({ nullable: '0+' }),
      currentStateTimestamp: int64({ versions: '2+', default: -1, ignorable: true }),
      members: array(struct(memberMetadata)),
    },
  }),
}
