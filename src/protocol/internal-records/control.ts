/** Values of control records, the type that is their key, and an entry of `.txnindex`. */
import { array, defineMessage, int16, int32, int64, string, struct, uint16, uuid } from '../define.ts'

const voter = {
  voterId: int32(),
  voterDirectoryId: uuid({ versions: '1+' }),
}

export const controlRecords = {
  abortedTxn: defineMessage({
    name: 'AbortedTxn',
    versions: '0',
    fields: {
      producerId: int64(),
      firstOffset: int64(),
      lastOffset: int64(),
      lastStableOffset: int64(),
    },
  }),

  endTxnMarker: defineMessage({
    name: 'EndTxnMarker',
    versions: '0',
    fields: {
      coordinatorEpoch: int32(),
    },
  }),

  leaderChangeMessage: defineMessage({
    name: 'LeaderChangeMessage',
    versions: '0-1',
    flexible: '0+',
    fields: {
      version: int16(),
      leaderId: int32(),
      voters: array(struct(voter)),
      grantingVoters: array(struct(voter)),
    },
  }),

  snapshotHeaderRecord: defineMessage({
    name: 'SnapshotHeaderRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      version: int16(),
      lastContainedLogTimestamp: int64(),
    },
  }),

  snapshotFooterRecord: defineMessage({
    name: 'SnapshotFooterRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      version: int16(),
    },
  }),

  kRaftVersionRecord: defineMessage({
    name: 'KRaftVersionRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      version: int16(),
      kRaftVersion: int16(),
    },
  }),

  votersRecord: defineMessage({
    name: 'VotersRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      version: int16(),
      voters: array(
        struct({
          voterId: int32(),
          voterDirectoryId: uuid(),
          endpoints: array(
            struct({
              name: string(),
              host: string(),
              port: uint16(),
            }),
          ),
          kRaftVersionFeature: struct({
            minSupportedVersion: int16(),
            maxSupportedVersion: int16(),
          }),
        }),
      ),
    },
  }),

  controlRecordType: defineMessage({
    name: 'ControlRecordTypeSchema',
    versions: '0',
    fields: {
      type: int16(),
    },
  }),
}
