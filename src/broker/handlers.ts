/** The list of all handlers. ApiVersions (built from the others) and `docs/unsupported.md` derive from it. */
import type { Handler } from './dispatch/handler.ts'
import { addRaftVoter } from './handlers/cluster/add-raft-voter.ts'
import { alterClientQuotas } from './handlers/cluster/alter-client-quotas.ts'
import { apiVersionsHandler } from './handlers/cluster/api-versions.ts'
import { describeClientQuotas } from './handlers/cluster/describe-client-quotas.ts'
import { describeCluster } from './handlers/cluster/describe-cluster.ts'
import { describeQuorum } from './handlers/cluster/describe-quorum.ts'
import { getTelemetrySubscriptions } from './handlers/cluster/get-telemetry-subscriptions.ts'
import { pushTelemetry } from './handlers/cluster/push-telemetry.ts'
import { removeRaftVoter } from './handlers/cluster/remove-raft-voter.ts'
import { unregisterBroker } from './handlers/cluster/unregister-broker.ts'
import { unregisterController } from './handlers/cluster/unregister-controller.ts'
import { updateFeatures } from './handlers/cluster/update-features.ts'
import { alterConfigs } from './handlers/configs/alter-configs.ts'
import { describeConfigs } from './handlers/configs/describe-configs.ts'
import { incrementalAlterConfigs } from './handlers/configs/incremental-alter-configs.ts'
import { listConfigResources } from './handlers/configs/list-config-resources.ts'
import { consumerGroupDescribe } from './handlers/groups/consumer-group-describe.ts'
import { consumerGroupHeartbeat } from './handlers/groups/consumer-group-heartbeat.ts'
import { deleteGroups } from './handlers/groups/delete-groups.ts'
import { describeGroups } from './handlers/groups/describe-groups.ts'
import { findCoordinator } from './handlers/groups/find-coordinator.ts'
import { heartbeat } from './handlers/groups/heartbeat.ts'
import { joinGroup } from './handlers/groups/join-group.ts'
import { leaveGroup } from './handlers/groups/leave-group.ts'
import { listGroups } from './handlers/groups/list-groups.ts'
import { offsetCommit } from './handlers/groups/offset-commit.ts'
import { offsetDelete } from './handlers/groups/offset-delete.ts'
import { offsetFetch } from './handlers/groups/offset-fetch.ts'
import { syncGroup } from './handlers/groups/sync-group.ts'
import { deleteRecords } from './handlers/records/delete-records.ts'
import { fetch } from './handlers/records/fetch.ts'
import { listOffsets } from './handlers/records/list-offsets.ts'
import { offsetForLeaderEpoch } from './handlers/records/offset-for-leader-epoch.ts'
import { produce } from './handlers/records/produce.ts'
import { alterUserScramCredentials } from './handlers/security/alter-user-scram-credentials.ts'
import { createAcls } from './handlers/security/create-acls.ts'
import { createDelegationToken } from './handlers/security/create-delegation-token.ts'
import { deleteAcls } from './handlers/security/delete-acls.ts'
import { describeAcls } from './handlers/security/describe-acls.ts'
import { describeDelegationToken } from './handlers/security/describe-delegation-token.ts'
import { describeUserScramCredentials } from './handlers/security/describe-user-scram-credentials.ts'
import { expireDelegationToken } from './handlers/security/expire-delegation-token.ts'
import { renewDelegationToken } from './handlers/security/renew-delegation-token.ts'
import { saslAuthenticate } from './handlers/security/sasl-authenticate.ts'
import { saslHandshake } from './handlers/security/sasl-handshake.ts'
import { alterShareGroupOffsets } from './handlers/share/alter-share-group-offsets.ts'
import { deleteShareGroupOffsets } from './handlers/share/delete-share-group-offsets.ts'
import { deleteShareGroupState } from './handlers/share/delete-share-group-state.ts'
import { describeShareGroupOffsets } from './handlers/share/describe-share-group-offsets.ts'
import { initializeShareGroupState } from './handlers/share/initialize-share-group-state.ts'
import { readShareGroupState } from './handlers/share/read-share-group-state.ts'
import { readShareGroupStateSummary } from './handlers/share/read-share-group-state-summary.ts'
import { shareAcknowledge } from './handlers/share/share-acknowledge.ts'
import { shareFetch } from './handlers/share/share-fetch.ts'
import { shareGroupDescribe } from './handlers/share/share-group-describe.ts'
import { shareGroupHeartbeat } from './handlers/share/share-group-heartbeat.ts'
import { writeShareGroupState } from './handlers/share/write-share-group-state.ts'
import { streamsGroupDescribe } from './handlers/streams/streams-group-describe.ts'
import { streamsGroupHeartbeat } from './handlers/streams/streams-group-heartbeat.ts'
import { streamsGroupTopologyDescriptionUpdate } from './handlers/streams/streams-group-topology-description-update.ts'
import { alterPartitionReassignments } from './handlers/topics/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from './handlers/topics/alter-replica-log-dirs.ts'
import { createPartitions } from './handlers/topics/create-partitions.ts'
import { createTopics } from './handlers/topics/create-topics.ts'
import { deleteTopics } from './handlers/topics/delete-topics.ts'
import { describeLogDirs } from './handlers/topics/describe-log-dirs.ts'
import { describeTopicPartitions } from './handlers/topics/describe-topic-partitions.ts'
import { electLeaders } from './handlers/topics/elect-leaders.ts'
import { listPartitionReassignments } from './handlers/topics/list-partition-reassignments.ts'
import { metadata } from './handlers/topics/metadata.ts'
import { addOffsetsToTxn } from './handlers/transactions/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from './handlers/transactions/add-partitions-to-txn.ts'
import { describeProducers } from './handlers/transactions/describe-producers.ts'
import { describeTransactions } from './handlers/transactions/describe-transactions.ts'
import { endTxn } from './handlers/transactions/end-txn.ts'
import { initProducerId } from './handlers/transactions/init-producer-id.ts'
import { listTransactions } from './handlers/transactions/list-transactions.ts'
import { txnOffsetCommit } from './handlers/transactions/txn-offset-commit.ts'
import { writeTxnMarkers } from './handlers/transactions/write-txn-markers.ts'

const others: readonly Handler[] = [
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
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  shareAcknowledge,
  shareFetch,
  shareGroupDescribe,
  shareGroupHeartbeat,
  streamsGroupDescribe,
  streamsGroupHeartbeat,
  streamsGroupTopologyDescriptionUpdate,
  deleteShareGroupState,
  initializeShareGroupState,
  readShareGroupState,
  readShareGroupStateSummary,
  writeShareGroupState,
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
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
  listConfigResources,
  describeTopicPartitions,
  alterReplicaLogDirs,
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeClientQuotas,
  alterClientQuotas,
  describeQuorum,
  updateFeatures,
  unregisterBroker,
  unregisterController,
  addRaftVoter,
  removeRaftVoter,
  getTelemetrySubscriptions,
  pushTelemetry,
  describeAcls,
  createAcls,
  deleteAcls,
  saslHandshake,
  saslAuthenticate,
  describeUserScramCredentials,
  alterUserScramCredentials,
  createDelegationToken,
  renewDelegationToken,
  expireDelegationToken,
  describeDelegationToken,
]

export const handlers: readonly Handler[] = [...others, apiVersionsHandler(others)]
