/**
 * Kafka's error codes: the one table. What Kafka calls retriable is marked so, because clients repeat such requests by themselves.
 * The texts are what a client shows when a handler has nothing better to say.
 */
import { DiskError } from '../base.ts'

/** Code, text. Names and codes as in Kafka 4.4. */
const table = {
  UNKNOWN_SERVER_ERROR: [-1, 'The broker failed in a way it did not expect; its log says more.'],
  NONE: [0, 'No error.'],
  OFFSET_OUT_OF_RANGE: [1, 'The log of this partition does not reach to this offset.'],
  CORRUPT_MESSAGE: [2, 'A record batch is damaged: checksum, size or format is wrong, or a compacted topic got a record without a key.'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, 'There is no such topic or partition on this broker.'],
  INVALID_FETCH_SIZE: [4, 'The fetch size is not valid.'],
  LEADER_NOT_AVAILABLE: [5, 'This partition has no leader at the moment.'],
  NOT_LEADER_OR_FOLLOWER: [6, 'This broker does not lead this partition (any more); refresh the metadata.'],
  REQUEST_TIMED_OUT: [7, 'The request was not completed in time.'],
  BROKER_NOT_AVAILABLE: [8, 'The broker is not available.'],
  REPLICA_NOT_AVAILABLE: [9, 'The replica of this partition is not available here.'],
  MESSAGE_TOO_LARGE: [10, 'A record batch is larger than max.message.bytes allows.'],
  STALE_CONTROLLER_EPOCH: [11, 'Another controller has taken over.'],
  OFFSET_METADATA_TOO_LARGE: [12, "The commit's metadata text is longer than offset.metadata.max.bytes."],
  NETWORK_EXCEPTION: [13, 'The connection broke before the response came.'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, 'The coordinator is still reading its log.'],
  COORDINATOR_NOT_AVAILABLE: [15, 'There is no coordinator at the moment.'],
  NOT_COORDINATOR: [16, 'This broker is not the coordinator for this; look it up again.'],
  INVALID_TOPIC_EXCEPTION: [17, 'This topic name is not valid, or the topic is not for clients to change.'],
  RECORD_LIST_TOO_LARGE: [18, 'A record batch is larger than a whole segment (segment.bytes).'],
  NOT_ENOUGH_REPLICAS: [19, 'Fewer replicas are in sync than min.insync.replicas asks for.'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, 'The records were written, but to fewer replicas in sync than min.insync.replicas asks for.'],
  INVALID_REQUIRED_ACKS: [21, 'acks must be -1, 0 or 1.'],
  ILLEGAL_GENERATION: [22, 'The group has moved on to another generation.'],
  INCONSISTENT_GROUP_PROTOCOL: [23, 'The member has no protocol in common with the group, or named none.'],
  INVALID_GROUP_ID: [24, 'This group id is not valid.'],
  UNKNOWN_MEMBER_ID: [25, 'The group has no such member.'],
  INVALID_SESSION_TIMEOUT: [26, 'The session timeout lies outside group.min.session.timeout.ms and group.max.session.timeout.ms.'],
  REBALANCE_IN_PROGRESS: [27, 'The group is rebalancing: join again.'],
  INVALID_COMMIT_OFFSET_SIZE: [28, 'The commit is too large to be stored.'],
  TOPIC_AUTHORIZATION_FAILED: [29, 'Not authorized for this topic.'],
  GROUP_AUTHORIZATION_FAILED: [30, 'Not authorized for this group.'],
  CLUSTER_AUTHORIZATION_FAILED: [31, 'Not authorized for this operation on the cluster.'],
  INVALID_TIMESTAMP: [32, 'A record timestamp is further from the clock than the topic allows.'],
  UNSUPPORTED_SASL_MECHANISM: [33, 'This listener does not offer the SASL mechanism asked for.'],
  ILLEGAL_SASL_STATE: [34, 'This request does not fit the present state of the SASL exchange.'],
  UNSUPPORTED_VERSION: [35, 'This version of the API is not supported.'],
  TOPIC_ALREADY_EXISTS: [36, 'A topic of this name exists.'],
  INVALID_PARTITIONS: [37, 'The number of partitions is not valid.'],
  INVALID_REPLICATION_FACTOR: [38, 'The replication factor is below 1, or there are not that many brokers.'],
  INVALID_REPLICA_ASSIGNMENT: [39, 'The replica assignment is not valid.'],
  INVALID_CONFIG: [40, 'The configuration is not valid.'],
  NOT_CONTROLLER: [41, 'This is not the active controller.'],
  INVALID_REQUEST: [42, 'The request contradicts itself or the protocol.'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, 'The message format of this topic has no means for this.'],
  POLICY_VIOLATION: [44, 'A policy of this cluster forbids this.'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, 'The sequence number does not follow the last one of this producer.'],
  DUPLICATE_SEQUENCE_NUMBER: [46, 'This sequence number was used before, too long ago to know its offset.'],
  INVALID_PRODUCER_EPOCH: [47, 'A newer epoch of this producer is active.'],
  INVALID_TXN_STATE: [48, 'The transaction is in no state for this.'],
  INVALID_PRODUCER_ID_MAPPING: [49, 'This producer id does not belong to this transactional id.'],
  INVALID_TRANSACTION_TIMEOUT: [50, 'The transaction timeout is larger than transaction.max.timeout.ms.'],
  CONCURRENT_TRANSACTIONS: [51, 'Another operation on this transaction is still under way.'],
  TRANSACTION_COORDINATOR_FENCED: [52, 'A newer transaction coordinator has taken over for this producer.'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, 'Not authorized for this transactional id.'],
  SECURITY_DISABLED: [54, 'No authorizer is configured.'],
  OPERATION_NOT_ATTEMPTED: [55, 'Not tried, because something else in the same request failed.'],
  KAFKA_STORAGE_ERROR: [56, 'The disk of this partition failed or is full.'],
  LOG_DIR_NOT_FOUND: [57, 'The broker has no such log directory.'],
  SASL_AUTHENTICATION_FAILED: [58, 'Authentication failed.'],
  UNKNOWN_PRODUCER_ID: [59, 'The log remembers nothing of this producer id.'],
  REASSIGNMENT_IN_PROGRESS: [60, 'The partition is being reassigned.'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, 'Delegation tokens are not enabled.'],
  DELEGATION_TOKEN_NOT_FOUND: [62, 'There is no such delegation token.'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, 'This principal neither owns nor may renew the token.'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, 'Delegation tokens cannot be managed over this kind of connection.'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, 'Not authorized for this delegation token.'],
  DELEGATION_TOKEN_EXPIRED: [66, 'The delegation token has expired.'],
  INVALID_PRINCIPAL_TYPE: [67, 'Principals of this type are not supported.'],
  NON_EMPTY_GROUP: [68, 'The group still has members.'],
  GROUP_ID_NOT_FOUND: [69, 'There is no such group.'],
  FETCH_SESSION_ID_NOT_FOUND: [70, 'There is no such fetch session (any more).'],
  INVALID_FETCH_SESSION_EPOCH: [71, 'The epoch does not follow the last one of this fetch session.'],
  LISTENER_NOT_FOUND: [72, 'The leader has no listener of the name that this request came in by.'],
  TOPIC_DELETION_DISABLED: [73, 'delete.topic.enable is false.'],
  FENCED_LEADER_EPOCH: [74, "The client's leader epoch is older than the broker's."],
  UNKNOWN_LEADER_EPOCH: [75, "The client's leader epoch is newer than the broker's."],
  UNSUPPORTED_COMPRESSION_TYPE: [76, 'This version of the request cannot carry the compression of this partition.'],
  STALE_BROKER_EPOCH: [77, 'The broker has registered again since.'],
  OFFSET_NOT_AVAILABLE: [78, 'The new leader does not know the end of the log yet.'],
  MEMBER_ID_REQUIRED: [79, 'Join again with the member id of this response.'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, 'The preferred leader is not available.'],
  GROUP_MAX_SIZE_REACHED: [81, 'The group has as many members as group.max.size allows.'],
  FENCED_INSTANCE_ID: [82, 'Another member has joined with this group.instance.id.'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, 'No replica may become the leader.'],
  ELECTION_NOT_NEEDED: [84, 'The partition has the leader it should have.'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, 'The partition is not being reassigned.'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, 'The group is subscribed to the topic whose offsets were to be deleted.'],
  INVALID_RECORD: [87, 'The broker refuses a record.'],
  UNSTABLE_OFFSET_COMMIT: [88, 'Commits of an open transaction are pending for this partition.'],
  THROTTLING_QUOTA_EXCEEDED: [89, 'The quota is used up for now.'],
  PRODUCER_FENCED: [90, 'A newer producer with this transactional id is active.'],
  RESOURCE_NOT_FOUND: [91, 'There is no such resource.'],
  DUPLICATE_RESOURCE: [92, 'The request names the same resource twice.'],
  UNACCEPTABLE_CREDENTIAL: [93, 'The credential does not meet the requirements.'],
  INCONSISTENT_VOTER_SET: [94, 'Sender or receiver is not among the expected voters.'],
  INVALID_UPDATE_VERSION: [95, 'The feature cannot be set to this version.'],
  FEATURE_UPDATE_FAILED: [96, 'The features could not be updated.'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, 'The principal in a forwarded request cannot be read.'],
  SNAPSHOT_NOT_FOUND: [98, 'There is no such snapshot.'],
  POSITION_OUT_OF_RANGE: [99, 'The position lies outside the snapshot.'],
  UNKNOWN_TOPIC_ID: [100, 'No topic has this id.'],
  DUPLICATE_BROKER_REGISTRATION: [101, 'Another broker uses this node.id.'],
  BROKER_ID_NOT_REGISTERED: [102, 'No broker is registered under this id.'],
  INCONSISTENT_TOPIC_ID: [103, 'The topic of this name has another id.'],
  INCONSISTENT_CLUSTER_ID: [104, 'The request is meant for another cluster.'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, 'There is no such transactional id.'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, 'The fetch session mixes topic names and topic ids.'],
  INELIGIBLE_REPLICA: [107, 'A replica may not be in the new in-sync set.'],
  NEW_LEADER_ELECTED: [108, 'The change was made, and gave the partition another leader.'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, 'The offset is in tiered storage only.'],
  FENCED_MEMBER_EPOCH: [110, 'The coordinator has given up this member: drop all partitions and join again.'],
  UNRELEASED_INSTANCE_ID: [111, 'Another member still holds this group.instance.id.'],
  UNSUPPORTED_ASSIGNOR: [112, 'The group does not support this assignor.'],
  STALE_MEMBER_EPOCH: [113, 'The member epoch is out of date: heartbeat first.'],
  MISMATCHED_ENDPOINT_TYPE: [114, 'This request belongs to another kind of endpoint.'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, 'This kind of endpoint is not supported.'],
  UNKNOWN_CONTROLLER_ID: [116, 'There is no such controller.'],
  UNKNOWN_SUBSCRIPTION_ID: [117, 'The telemetry subscription is unknown or out of date.'],
  TELEMETRY_TOO_LARGE: [118, 'The telemetry is larger than the broker takes.'],
  INVALID_REGISTRATION: [119, 'The registration was refused.'],
  TRANSACTION_ABORTABLE: [120, 'The transaction failed and must be aborted; the transactional id can be used again afterwards.'],
  INVALID_RECORD_STATE: [121, 'The records are in no state to be acknowledged like this.'],
  SHARE_SESSION_NOT_FOUND: [122, 'There is no such share session (any more).'],
  INVALID_SHARE_SESSION_EPOCH: [123, 'The epoch does not follow the last one of this share session.'],
  FENCED_STATE_EPOCH: [124, 'The state epoch is out of date.'],
  INVALID_VOTER_KEY: [125, "The voter key is not the receiver's."],
  DUPLICATE_VOTER: [126, 'This voter is one already.'],
  VOTER_NOT_FOUND: [127, 'There is no such voter.'],
  INVALID_REGULAR_EXPRESSION: [128, 'The regular expression is not valid.'],
  REBOOTSTRAP_REQUIRED: [129, 'The metadata is out of date: start again from the bootstrap servers.'],
  STREAMS_INVALID_TOPOLOGY: [130, 'The topology is not valid.'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, 'The topology epoch is not valid.'],
  STREAMS_TOPOLOGY_FENCED: [132, 'The topology epoch is out of date.'],
  SHARE_SESSION_LIMIT_REACHED: [133, 'There are as many share sessions as allowed.'],
  GROUP_DELETION_FAILED: [134, 'The group was not deleted; its error message says why.'],
  STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED: [135, 'The topology description was not updated; the error message says why.'],
  CONTROLLER_ID_NOT_REGISTERED: [136, 'No controller is registered under this id.'],
} as const satisfies Record<string, readonly [code: number, text: string]>

export type ErrorName = keyof typeof table

const retriable: ReadonlySet<ErrorName> = new Set<ErrorName>([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'LISTENER_NOT_FOUND',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'ELECTION_NOT_NEEDED',
  'UNSTABLE_OFFSET_COMMIT',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'FETCH_SESSION_TOPIC_ID_ERROR',
  'SHARE_SESSION_NOT_FOUND',
  'INVALID_SHARE_SESSION_EPOCH',
  'SHARE_SESSION_LIMIT_REACHED',
])

const names = new Map<number, ErrorName>()
for (const name of Object.keys(table) as ErrorName[]) names.set(table[name][0], name)

export const errorNames: readonly ErrorName[] = [...names.values()]

export function errorCode(name: ErrorName): number {
  return table[name][0]
}

/** A code that the table does not have is Kafka's UNKNOWN_SERVER_ERROR. */
export function errorName(code: number): ErrorName {
  return names.get(code) ?? 'UNKNOWN_SERVER_ERROR'
}

export function errorText(name: ErrorName): string {
  return table[name][1]
}

export function isRetriable(name: ErrorName): boolean {
  return retriable.has(name)
}

/** Messages quote what a client sent, which may be long, and go into every answer that tells of the error. */
const longestMessage = 1_000

/**
 * A request failed, in Kafka's words. `name` is the error's; `message` is for people. It has no stack trace: it is an answer to a client,
 * of which one request may get a hundred thousand, and a trace takes ten times as long as all the rest.
 */
export class KafkaError extends Error {
  override readonly name: ErrorName

  constructor(name: ErrorName, message: string = table[name][1]) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message.length <= longestMessage ? message : `${message.slice(0, longestMessage)}…`)
    Error.stackTraceLimit = stackTraceLimit
    this.name = name
  }

  get code(): number {
    return table[this.name][0]
  }

  get retriable(): boolean {
    return retriable.has(this.name)
  }
}

/** Turns whatever was thrown into what a client is told. `fallback` stands for what nobody foresaw: whoever calls logs that. */
export function toKafkaError(error: unknown, fallback: ErrorName = 'UNKNOWN_SERVER_ERROR'): KafkaError {
  if (error instanceof KafkaError) return error
  if (error instanceof DiskError) return new KafkaError('KAFKA_STORAGE_ERROR', `${error.operation}: ${error.code}`)
  return new KafkaError(fallback)
}
