/** The one list of all APIs that a broker of Kafka 4.4 listens to. */
import { addOffsetsToTxn } from './definitions/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from './definitions/add-partitions-to-txn.ts'
import { addRaftVoter } from './definitions/add-raft-voter.ts'
import { alterClientQuotas } from './definitions/alter-client-quotas.ts'
import { alterConfigs } from './definitions/alter-configs.ts'
import { alterPartitionReassignments } from './definitions/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from './definitions/alter-replica-log-dirs.ts'
import { alterShareGroupOffsets } from './definitions/alter-share-group-offsets.ts'
import { alterUserScramCredentials } from './definitions/alter-user-scram-credentials.ts'
import { apiVersions } from './definitions/api-versions.ts'
import { consumerGroupDescribe } from './definitions/consumer-group-describe.ts'
import { consumerGroupHeartbeat } from './definitions/consumer-group-heartbeat.ts'
import { createAcls } from './definitions/create-acls.ts'
import { createDelegationToken } from './definitions/create-delegation-token.ts'
import { createPartitions } from './definitions/create-partitions.ts'
import { createTopics } from './definitions/create-topics.ts'
import { deleteAcls } from './definitions/delete-acls.ts'
import { deleteGroups } from './definitions/delete-groups.ts'
import { deleteRecords } from './definitions/delete-records.ts'
import { deleteShareGroupOffsets } from './definitions/delete-share-group-offsets.ts'
import { deleteShareGroupState } from './definitions/delete-share-group-state.ts'
import { deleteTopics } from './definitions/delete-topics.ts'
import { describeAcls } from './definitions/describe-acls.ts'
import { describeClientQuotas } from './definitions/describe-client-quotas.ts'
import { describeCluster } from './definitions/describe-cluster.ts'
import { describeConfigs } from './definitions/describe-configs.ts'
import { describeDelegationToken } from './definitions/describe-delegation-token.ts'
import { describeGroups } from './definitions/describe-groups.ts'
import { describeLogDirs } from './definitions/describe-log-dirs.ts'
import { describeProducers } from './definitions/describe-producers.ts'
import { describeQuorum } from './definitions/describe-quorum.ts'
import { describeShareGroupOffsets } from './definitions/describe-share-group-offsets.ts'
import { describeTopicPartitions } from './definitions/describe-topic-partitions.ts'
import { describeTransactions } from './definitions/describe-transactions.ts'
import { describeUserScramCredentials } from './definitions/describe-user-scram-credentials.ts'
import { electLeaders } from './definitions/elect-leaders.ts'
import { endTxn } from './definitions/end-txn.ts'
import { expireDelegationToken } from './definitions/expire-delegation-token.ts'
import { fetch } from './definitions/fetch.ts'
import { findCoordinator } from './definitions/find-coordinator.ts'
import { getTelemetrySubscriptions } from './definitions/get-telemetry-subscriptions.ts'
import { heartbeat } from './definitions/heartbeat.ts'
import { incrementalAlterConfigs } from './definitions/incremental-alter-configs.ts'
import { initProducerId } from './definitions/init-producer-id.ts'
import { initializeShareGroupState } from './definitions/initialize-share-group-state.ts'
import { joinGroup } from './definitions/join-group.ts'
import { leaveGroup } from './definitions/leave-group.ts'
import { listConfigResources } from './definitions/list-config-resources.ts'
import { listGroups } from './definitions/list-groups.ts'
import { listOffsets } from './definitions/list-offsets.ts'
import { listPartitionReassignments } from './definitions/list-partition-reassignments.ts'
import { listTransactions } from './definitions/list-transactions.ts'
import { metadata } from './definitions/metadata.ts'
import { offsetCommit } from './definitions/offset-commit.ts'
import { offsetDelete } from './definitions/offset-delete.ts'
import { offsetFetch } from './definitions/offset-fetch.ts'
import { offsetForLeaderEpoch } from './definitions/offset-for-leader-epoch.ts'
import { produce } from './definitions/produce.ts'
import { pushTelemetry } from './definitions/push-telemetry.ts'
import { readShareGroupState } from './definitions/read-share-group-state.ts'
import { readShareGroupStateSummary } from './definitions/read-share-group-state-summary.ts'
import { removeRaftVoter } from './definitions/remove-raft-voter.ts'
import { renewDelegationToken } from './definitions/renew-delegation-token.ts'
import { saslAuthenticate } from './definitions/sasl-authenticate.ts'
import { saslHandshake } from './definitions/sasl-handshake.ts'
import { shareAcknowledge } from './definitions/share-acknowledge.ts'
import { shareFetch } from './definitions/share-fetch.ts'
import { shareGroupDescribe } from './definitions/share-group-describe.ts'
import { shareGroupHeartbeat } from './definitions/share-group-heartbeat.ts'
import { streamsGroupDescribe } from './definitions/streams-group-describe.ts'
import { streamsGroupHeartbeat } from './definitions/streams-group-heartbeat.ts'
import { streamsGroupTopologyDescriptionUpdate } from './definitions/streams-group-topology-description-update.ts'
import { syncGroup } from './definitions/sync-group.ts'
import { txnOffsetCommit } from './definitions/txn-offset-commit.ts'
import { unregisterBroker } from './definitions/unregister-broker.ts'
import { unregisterController } from './definitions/unregister-controller.ts'
import { updateFeatures } from './definitions/update-features.ts'
import { writeShareGroupState } from './definitions/write-share-group-state.ts'
import { writeTxnMarkers } from './definitions/write-txn-markers.ts'

export const apis = {
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  createDelegationToken,
  renewDelegationToken,
  expireDelegationToken,
  describeDelegationToken,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  alterUserScramCredentials,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  unregisterBroker,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  getTelemetrySubscriptions,
  pushTelemetry,
  listConfigResources,
  describeTopicPartitions,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  addRaftVoter,
  removeRaftVoter,
  initializeShareGroupState,
  readShareGroupState,
  writeShareGroupState,
  deleteShareGroupState,
  readShareGroupStateSummary,
  streamsGroupHeartbeat,
  streamsGroupDescribe,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  streamsGroupTopologyDescriptionUpdate,
  unregisterController,
}
