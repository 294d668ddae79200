/**
 * Kafka's error codes in one table. Errors that Kafka calls retriable are marked, because clients retry such requests automatically.
 * The texts are sent when a handler does not provide its own message.
 */
import { DiskError } from '../base.ts'

/** Code, text. Names and codes as in Kafka 4.4. */
const table = {
  UNKNOWN_SERVER_ERROR: [-1, 'Unexpected error on the broker; see its log.'],
  NONE: [0, 'No error.'],
  OFFSET_OUT_OF_RANGE: [1, 'The offset is outside the range of the partition.'],
  CORRUPT_MESSAGE: [2, 'A record batch is damaged (checksum, size or format), or a record of a compacted topic has no key.'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, 'The topic or partition does not exist on this broker.'],
  INVALID_FETCH_SIZE: [4, 'The fetch size is not valid.'],
  LEADER_NOT_AVAILABLE: [5, 'The partition has no leader at the moment.'],
  NOT_LEADER_OR_FOLLOWER: [6, 'This broker does not lead the partition; refresh the metadata.'],
  REQUEST_TIMED_OUT: [7, 'The request was not completed in time.'],
  BROKER_NOT_AVAILABLE: [8, 'The broker is not available.'],
  REPLICA_NOT_AVAILABLE: [9, 'The replica of the partition is not available on this broker.'],
  MESSAGE_TOO_LARGE: [10, 'A record batch is larger than max.message.bytes.'],
  STALE_CONTROLLER_EPOCH: [11, 'Another controller has taken over.'],
  OFFSET_METADATA_TOO_LARGE: [12, 'The metadata of the commit is longer than offset.metadata.max.bytes.'],
  NETWORK_EXCEPTION: [13, 'The connection was lost before the response arrived.'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, 'The coordinator is still loading its state.'],
  COORDINATOR_NOT_AVAILABLE: [15, 'No coordinator is available at the moment.'],
  NOT_COORDINATOR: [16, 'This broker is not the coordinator; find the coordinator again.'],
  INVALID_TOPIC_EXCEPTION: [17, 'The topic name is not valid, or clients may not change this topic.'],
  RECORD_LIST_TOO_LARGE: [18, 'A record batch is larger than a segment (segment.bytes).'],
  NOT_ENOUGH_REPLICAS: [19, 'Fewer replicas are in sync than min.insync.replicas requires.'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, 'The records were written, but to fewer in-sync replicas than min.insync.replicas requires.'],
  INVALID_REQUIRED_ACKS: [21, 'acks must be -1, 0 or 1.'],
  ILLEGAL_GENERATION: [22, 'The group has a newer generation.'],
  INCONSISTENT_GROUP_PROTOCOL: [23, 'The member shares no protocol with the group, or named none.'],
  INVALID_GROUP_ID: [24, 'The group id is not valid.'],
  UNKNOWN_MEMBER_ID: [25, 'The group has no member with this id.'],
  INVALID_SESSION_TIMEOUT: [26, 'The session timeout is outside group.min.session.timeout.ms and group.max.session.timeout.ms.'],
  REBALANCE_IN_PROGRESS: [27, 'The group is rebalancing; join again.'],
  INVALID_COMMIT_OFFSET_SIZE: [28, 'The commit is too large to be stored.'],
  TOPIC_AUTHORIZATION_FAILED: [29, 'Not authorized to access this topic.'],
  GROUP_AUTHORIZATION_FAILED: [30, 'Not authorized to access this group.'],
  CLUSTER_AUTHORIZATION_FAILED: [31, 'Not authorized for this operation on the cluster.'],
  INVALID_TIMESTAMP: [32, 'A record timestamp is further from the current time than the topic allows.'],
  UNSUPPORTED_SASL_MECHANISM: [33, 'This listener does not offer the SASL mechanism.'],
  ILLEGAL_SASL_STATE: [34, 'The request is not valid in the current state of the SASL exchange.'],
  UNSUPPORTED_VERSION: [35, 'This version of the API is not supported.'],
  TOPIC_ALREADY_EXISTS: [36, 'A topic with this name already exists.'],
  INVALID_PARTITIONS: [37, 'The number of partitions is not valid.'],
  INVALID_REPLICATION_FACTOR: [38, 'The replication factor is below 1 or above the number of brokers.'],
  INVALID_REPLICA_ASSIGNMENT: [39, 'The replica assignment is not valid.'],
  INVALID_CONFIG: [40, 'The configuration is not valid.'],
  NOT_CONTROLLER: [41, 'This is not the active controller.'],
  INVALID_REQUEST: [42, 'The request is not valid.'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, 'The message format of the topic does not support this.'],
  POLICY_VIOLATION: [44, 'A policy or limit of the cluster forbids this.'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, 'The sequence number does not follow the last one of this producer.'],
  DUPLICATE_SEQUENCE_NUMBER: [46, 'The sequence number was used before, too long ago for its offset to be known.'],
  INVALID_PRODUCER_EPOCH: [47, 'A newer epoch of this producer is active.'],
  INVALID_TXN_STATE: [48, 'The transaction is not in a state that allows this operation.'],
  INVALID_PRODUCER_ID_MAPPING: [49, 'The producer id does not belong to the transactional id.'],
  INVALID_TRANSACTION_TIMEOUT: [50, 'The transaction timeout is larger than transaction.max.timeout.ms.'],
  CONCURRENT_TRANSACTIONS: [51, 'Another operation on this transaction is in progress.'],
  TRANSACTION_COORDINATOR_FENCED: [52, 'A newer transaction coordinator has taken over this producer.'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, 'Not authorized to use this transactional id.'],
  SECURITY_DISABLED: [54, 'No authorizer is configured.'],
  OPERATION_NOT_ATTEMPTED: [55, 'Not attempted, because another part of the request failed.'],
  KAFKA_STORAGE_ERROR: [56, 'The disk of the partition failed or is full, or the partition is offline.'],
  LOG_DIR_NOT_FOUND: [57, 'The broker has no such log directory.'],
  SASL_AUTHENTICATION_FAILED: [58, 'Authentication failed.'],
  UNKNOWN_PRODUCER_ID: [59, 'The partition has no state for this producer id.'],
  REASSIGNMENT_IN_PROGRESS: [60, 'The partition is being reassigned.'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, 'Delegation tokens are not enabled.'],
  DELEGATION_TOKEN_NOT_FOUND: [62, 'The delegation token does not exist.'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, 'The principal is neither owner nor renewer of the token.'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, 'Delegation tokens cannot be managed over this connection.'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, 'Not authorized for this delegation token.'],
  DELEGATION_TOKEN_EXPIRED: [66, 'The delegation token has expired.'],
  INVALID_PRINCIPAL_TYPE: [67, 'Principals of this type are not supported.'],
  NON_EMPTY_GROUP: [68, 'The group still has members.'],
  GROUP_ID_NOT_FOUND: [69, 'The group does not exist.'],
  FETCH_SESSION_ID_NOT_FOUND: [70, 'The fetch session does not exist or was evicted.'],
  INVALID_FETCH_SESSION_EPOCH: [71, 'The epoch does not follow the last one of the fetch session.'],
  LISTENER_NOT_FOUND: [72, 'The leader has no listener with the name of the listener that received this request.'],
  TOPIC_DELETION_DISABLED: [73, 'delete.topic.enable is false.'],
  FENCED_LEADER_EPOCH: [74, "The client's leader epoch is older than the broker's."],
  UNKNOWN_LEADER_EPOCH: [75, "The client's leader epoch is newer than the broker's."],
  UNSUPPORTED_COMPRESSION_TYPE: [76, 'This version of the request does not support the compression type of the partition.'],
  STALE_BROKER_EPOCH: [77, 'The broker has registered again since.'],
  OFFSET_NOT_AVAILABLE: [78, 'The new leader does not know the end of the log yet.'],
  MEMBER_ID_REQUIRED: [79, 'Join again with the member id of this response.'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, 'The preferred leader is not available.'],
  GROUP_MAX_SIZE_REACHED: [81, 'The group already has group.max.size members.'],
  FENCED_INSTANCE_ID: [82, 'Another member with this group.instance.id has joined.'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, 'No replica is eligible to become the leader.'],
  ELECTION_NOT_NEEDED: [84, 'The partition already has the right leader.'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, 'The partition is not being reassigned.'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, 'The group is subscribed to the topic whose offsets were to be deleted.'],
  INVALID_RECORD: [87, 'A record failed validation.'],
  UNSTABLE_OFFSET_COMMIT: [88, 'The partition has offset commits of an open transaction.'],
  THROTTLING_QUOTA_EXCEEDED: [89, 'The quota is exceeded.'],
  PRODUCER_FENCED: [90, 'A newer producer with this transactional id is active.'],
  RESOURCE_NOT_FOUND: [91, 'The resource does not exist.'],
  DUPLICATE_RESOURCE: [92, 'The request names the same resource twice.'],
  UNACCEPTABLE_CREDENTIAL: [93, 'The credential does not meet the requirements.'],
  INCONSISTENT_VOTER_SET: [94, 'Sender or receiver is not among the expected voters.'],
  INVALID_UPDATE_VERSION: [95, 'The feature cannot be set to this version.'],
  FEATURE_UPDATE_FAILED: [96, 'The features could not be updated.'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, 'The principal of a forwarded request cannot be decoded.'],
  SNAPSHOT_NOT_FOUND: [98, 'The snapshot does not exist.'],
  POSITION_OUT_OF_RANGE: [99, 'The position is outside the snapshot.'],
  UNKNOWN_TOPIC_ID: [100, 'No topic has this id.'],
  DUPLICATE_BROKER_REGISTRATION: [101, 'Another broker uses this node.id.'],
  BROKER_ID_NOT_REGISTERED: [102, 'No broker is registered with this id.'],
  INCONSISTENT_TOPIC_ID: [103, 'The topic with this name has another id.'],
  INCONSISTENT_CLUSTER_ID: [104, 'The request is for another cluster.'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, 'The transactional id does not exist.'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, 'The fetch session mixes topic names and topic ids.'],
  INELIGIBLE_REPLICA: [107, 'A replica is not eligible for the new in-sync set.'],
  NEW_LEADER_ELECTED: [108, 'The change was made, and the partition has a new leader.'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, 'The offset is only in tiered storage.'],
  FENCED_MEMBER_EPOCH: [110, 'The coordinator has fenced this member; it must give up its partitions and join again.'],
  UNRELEASED_INSTANCE_ID: [111, 'Another member still uses this group.instance.id.'],
  UNSUPPORTED_ASSIGNOR: [112, 'The group does not support this assignor.'],
  STALE_MEMBER_EPOCH: [113, 'The member epoch is out of date; send a heartbeat first.'],
  MISMATCHED_ENDPOINT_TYPE: [114, 'The request was sent to the wrong type of endpoint.'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, 'This type of endpoint is not supported.'],
  UNKNOWN_CONTROLLER_ID: [116, 'The controller does not exist.'],
  UNKNOWN_SUBSCRIPTION_ID: [117, 'The telemetry subscription is unknown or out of date.'],
  TELEMETRY_TOO_LARGE: [118, 'The telemetry is larger than telemetry.max.bytes.'],
  INVALID_REGISTRATION: [119, 'The registration was refused.'],
  TRANSACTION_ABORTABLE: [120, 'The transaction failed and must be aborted; the producer can continue afterwards.'],
  INVALID_RECORD_STATE: [121, 'The records are not in a state that allows this acknowledgement.'],
  SHARE_SESSION_NOT_FOUND: [122, 'The share session does not exist or has ended.'],
  INVALID_SHARE_SESSION_EPOCH: [123, 'The epoch does not follow the last one of the share session.'],
  FENCED_STATE_EPOCH: [124, 'The state epoch is out of date.'],
  INVALID_VOTER_KEY: [125, 'The voter key does not match that of the receiver.'],
  DUPLICATE_VOTER: [126, 'The voter is already in the voter set.'],
  VOTER_NOT_FOUND: [127, 'The voter does not exist.'],
  INVALID_REGULAR_EXPRESSION: [128, 'The regular expression is not valid.'],
  REBOOTSTRAP_REQUIRED: [129, 'The metadata is out of date; connect to the bootstrap servers again.'],
  STREAMS_INVALID_TOPOLOGY: [130, 'The topology is not valid.'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, 'The topology epoch is not valid.'],
  STREAMS_TOPOLOGY_FENCED: [132, 'The topology epoch is out of date.'],
  SHARE_SESSION_LIMIT_REACHED: [133, 'The maximum number of share sessions is reached.'],
  GROUP_DELETION_FAILED: [134, 'The group was not deleted; see the error message.'],
  STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED: [135, 'The topology description was not updated; see the error message.'],
  CONTROLLER_ID_NOT_REGISTERED: [136, 'No controller is registered with this id.'],
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

/** Messages quote input from clients, which may be long, and are part of every response with the error. */
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

/** Converts anything that was thrown to the error for the client. `fallback` is used for unexpected errors, which the caller logs. */
export function toKafkaError(error: unknown, fallback: ErrorName = 'UNKNOWN_SERVER_ERROR'): KafkaError {
  if (error instanceof KafkaError) return error
  if (error instanceof DiskError) return new KafkaError('KAFKA_STORAGE_ERROR', `${error.operation}: ${error.code}`)
  return new KafkaError(fallback)
}
