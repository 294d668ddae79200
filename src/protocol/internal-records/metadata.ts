/** Records of KRaft's metadata log, by id. */
import { array, bool, bytes, float64, int8, int16, int32, int64, string, struct, uint16, uuid } from '../define.ts'
import { defineMetadataRecord } from './metadata-record.ts'

export const metadataRecords = {
  registerBroker: defineMetadataRecord({
    id: 0,
    name: 'RegisterBrokerRecord',
    versions: '0-4',
    flexible: '0+',
    fields: {
      brokerId: int32(),
      isMigratingZkBroker: bool({ versions: '2+', default: false }),
      incarnationId: uuid(),
      brokerEpoch: int64(),
      endPoints: array(
        struct({
          name: string(),
          host: string(),
          port: uint16(),
          securityProtocol: int16(),
        }),
      ),
      features: array(
        struct({
          name: string(),
          minSupportedVersion: int16(),
          maxSupportedVersion: int16(),
        }),
      ),
      rack: string({ nullable: '0+' }),
      fenced: bool({ default: true }),
      inControlledShutdown: bool({ versions: '1+', default: false }),
      logDirs: array(uuid(), { versions: '3+', tag: 0 }),
      cordonedLogDirs: array(uuid(), { versions: '4+', nullable: '4+', default: null, tag: 1 }),
    },
  }),

  unregisterBroker: defineMetadataRecord({
    id: 1,
    name: 'UnregisterBrokerRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      brokerId: int32(),
      brokerEpoch: int64(),
    },
  }),

  topic: defineMetadataRecord({
    id: 2,
    name: 'TopicRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      name: string(),
      topicId: uuid(),
    },
  }),

  partition: defineMetadataRecord({
    id: 3,
    name: 'PartitionRecord',
    versions: '0-2',
    flexible: '0+',
    fields: {
      partitionId: int32({ default: -1 }),
      topicId: uuid(),
      replicas: array(int32()),
      isr: array(int32()),
      removingReplicas: array(int32()),
      addingReplicas: array(int32()),
      leader: int32({ default: -1 }),
      leaderRecoveryState: int8({ default: 0, tag: 0 }),
      leaderEpoch: int32({ default: -1 }),
      partitionEpoch: int32({ default: -1 }),
      directories: array(uuid(), { versions: '1+' }),
      eligibleLeaderReplicas: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 1 }),
      lastKnownElr: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 2 }),
    },
  }),

  config: defineMetadataRecord({
    id: 4,
    name: 'ConfigRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      resourceType: int8(),
      resourceName: string(),
      name: string(),
      value: string({ nullable: '0+' }),
    },
  }),

  partitionChange: defineMetadataRecord({
    id: 5,
    name: 'PartitionChangeRecord',
    versions: '0-2',
    flexible: '0+',
    fields: {
      partitionId: int32({ default: -1 }),
      topicId: uuid(),
      isr: array(int32(), { nullable: '0+', default: null, tag: 0 }),
      leader: int32({ default: -2, tag: 1 }),
      replicas: array(int32(), { nullable: '0+', default: null, tag: 2 }),
      removingReplicas: array(int32(), { nullable: '0+', default: null, tag: 3 }),
      addingReplicas: array(int32(), { nullable: '0+', default: null, tag: 4 }),
      leaderRecoveryState: int8({ default: -1, tag: 5 }),
      directories: array(uuid(), { versions: '1+', nullable: '1+', default: null, tag: 8 }),
      eligibleLeaderReplicas: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 6 }),
      lastKnownElr: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 7 }),
    },
  }),

  fenceBroker: defineMetadataRecord({
    id: 7,
    name: 'FenceBrokerRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      id: int32(),
      epoch: int64(),
    },
  }),

  unfenceBroker: defineMetadataRecord({
    id: 8,
    name: 'UnfenceBrokerRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      id: int32(),
      epoch: int64(),
    },
  }),

  removeTopic: defineMetadataRecord({
    id: 9,
    name: 'RemoveTopicRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      topicId: uuid(),
    },
  }),

  delegationToken: defineMetadataRecord({
    id: 10,
    name: 'DelegationTokenRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      owner: string(),
      requester: string(),
      renewers: array(string()),
      issueTimestamp: int64(),
      maxTimestamp: int64(),
      expirationTimestamp: int64(),
      tokenId: string(),
    },
  }),

  userScramCredential: defineMetadataRecord({
    id: 11,
    name: 'UserScramCredentialRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      name: string(),
      mechanism: int8(),
      salt: bytes(),
      storedKey: bytes(),
      serverKey: bytes(),
      iterations: int32(),
    },
  }),

  featureLevel: defineMetadataRecord({
    id: 12,
    name: 'FeatureLevelRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      name: string(),
      featureLevel: int16(),
    },
  }),

  clientQuota: defineMetadataRecord({
    id: 14,
    name: 'ClientQuotaRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      entity: array(
        struct({
          entityType: string(),
          entityName: string({ nullable: '0+' }),
        }),
      ),
      key: string(),
      value: float64(),
      remove: bool(),
    },
  }),

  producerIds: defineMetadataRecord({
    id: 15,
    name: 'ProducerIdsRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      brokerId: int32(),
      brokerEpoch: int64({ default: -1 }),
      nextProducerId: int64(),
    },
  }),

  brokerRegistrationChange: defineMetadataRecord({
    id: 17,
    name: 'BrokerRegistrationChangeRecord',
    versions: '0-3',
    flexible: '0+',
    fields: {
      brokerId: int32(),
      brokerEpoch: int64(),
      fenced: int8({ tag: 0 }),
      inControlledShutdown: int8({ versions: '1+', tag: 1 }),
      logDirs: array(uuid(), { versions: '2+', tag: 2 }),
      cordonedLogDirs: array(uuid(), { versions: '3+', nullable: '3+', default: null, tag: 3 }),
    },
  }),

  accessControlEntry: defineMetadataRecord({
    id: 18,
    name: 'AccessControlEntryRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      id: uuid(),
      resourceType: int8(),
      resourceName: string(),
      patternType: int8(),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    },
  }),

  removeAccessControlEntry: defineMetadataRecord({
    id: 19,
    name: 'RemoveAccessControlEntryRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      id: uuid(),
    },
  }),

  noOp: defineMetadataRecord({ id: 20, name: 'NoOpRecord', versions: '0', flexible: '0+', fields: {} }),

  zkMigrationState: defineMetadataRecord({
    id: 21,
    name: 'ZkMigrationStateRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      zkMigrationState: int8(),
    },
  }),

  removeUserScramCredential: defineMetadataRecord({
    id: 22,
    name: 'RemoveUserScramCredentialRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      name: string(),
      mechanism: int8(),
    },
  }),

  beginTransaction: defineMetadataRecord({
    id: 23,
    name: 'BeginTransactionRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      name: string({ nullable: '0+', default: null, tag: 0 }),
    },
  }),

  endTransaction: defineMetadataRecord({ id: 24, name: 'EndTransactionRecord', versions: '0', flexible: '0+', fields: {} }),

  abortTransaction: defineMetadataRecord({
    id: 25,
    name: 'AbortTransactionRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      reason: string({ nullable: '0+', default: null, tag: 0 }),
    },
  }),

  removeDelegationToken: defineMetadataRecord({
    id: 26,
    name: 'RemoveDelegationTokenRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      tokenId: string(),
    },
  }),

  registerController: defineMetadataRecord({
    id: 27,
    name: 'RegisterControllerRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      controllerId: int32(),
      incarnationId: uuid(),
      zkMigrationReady: bool(),
      endPoints: array(
        struct({
          name: string(),
          host: string(),
          port: uint16(),
          securityProtocol: int16(),
        }),
      ),
      features: array(
        struct({
          name: string(),
          minSupportedVersion: int16(),
          maxSupportedVersion: int16(),
        }),
      ),
    },
  }),

  clearElr: defineMetadataRecord({
    id: 28,
    name: 'ClearElrRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      topicName: string(),
    },
  }),

  unregisterController: defineMetadataRecord({
    id: 29,
    name: 'UnregisterControllerRecord',
    versions: '0',
    flexible: '0+',
    fields: {
      controllerId: int32(),
    },
  }),
}
