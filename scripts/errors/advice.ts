/** What to do about each error, for `docs/errors.md`. `scripts/errors-doc.ts` finds the errors in the code; what helps is written here. */
import type { ErrorName } from '../../src/protocol.ts'

const retried = 'Nothing: clients retry. If it persists, see the log of the broker.'
const permission =
  'Grant the permission with `millrace acl add`, or log in as another user. The audit log names the principal, operation and resource.'
const rejoin = 'Nothing: the client joins again. If it happens often, see the session timeout and the time between two polls.'
const bug = 'This is a bug of the client or of the broker. Report it with the log line.'

export const adviceByCode: Partial<Record<ErrorName, string>> = {
  UNKNOWN_SERVER_ERROR: 'Look for `a request failed unexpectedly` in the log of the broker and report it.',
  OFFSET_OUT_OF_RANGE:
    'The records were deleted by retention, or the topic was recreated. Consumers continue as auto.offset.reset says. Raise the retention if consumers cannot keep up.',
  CORRUPT_MESSAGE:
    'On produce: the client, or something between client and broker, damaged the batch; update the client library. On consume: the disk damaged it; see [repair.md](repair.md).',
  UNKNOWN_TOPIC_OR_PARTITION:
    'Check the name, create the topic, or set auto.create.topics.enable. Just after a topic was created, clients retry.',
  LEADER_NOT_AVAILABLE: 'On one broker this means that the partition is offline: see [repair.md](repair.md).',
  NOT_LEADER_OR_FOLLOWER: 'Nothing: clients refresh their metadata and retry.',
  REQUEST_TIMED_OUT:
    'The broker is overloaded or its disk is slow. Look at the metrics of the disk and at `millrace_event_loop_stall_seconds`.',
  MESSAGE_TOO_LARGE:
    'Raise max.message.bytes of the topic (message.max.bytes of the broker), or lower max.request.size and batch.size of the producer.',
  OFFSET_METADATA_TOO_LARGE: 'Commit less metadata, or raise offset.metadata.max.bytes.',
  COORDINATOR_LOAD_IN_PROGRESS: 'Nothing: clients retry until the broker has loaded the partition, seconds after its start.',
  COORDINATOR_NOT_AVAILABLE: retried,
  NOT_COORDINATOR:
    'Nothing: clients find the coordinator again. If it persists, the internal topic is offline: see [repair.md](repair.md).',
  INVALID_TOPIC_EXCEPTION:
    'Use a name of at most 249 characters out of a–z, A–Z, 0–9, `.`, `_` and `-`. Topics that start with `__` belong to the broker.',
  RECORD_LIST_TOO_LARGE: 'Raise segment.bytes of the topic, or send smaller batches.',
  NOT_ENOUGH_REPLICAS: retried,
  INVALID_REQUIRED_ACKS: 'Set acks to all (-1), 1 or 0.',
  ILLEGAL_GENERATION: rejoin,
  INCONSISTENT_GROUP_PROTOCOL:
    'All members of a group need a common assignor, and the same group.protocol. Change assignors in two rolling restarts: first add the new one, then remove the old one.',
  INVALID_GROUP_ID: 'Set group.id to a text that is not empty.',
  UNKNOWN_MEMBER_ID: rejoin,
  INVALID_SESSION_TIMEOUT:
    'Set session.timeout.ms of the consumer between group.min.session.timeout.ms and group.max.session.timeout.ms of the broker.',
  REBALANCE_IN_PROGRESS: 'Nothing: the client joins again.',
  TOPIC_AUTHORIZATION_FAILED: permission,
  GROUP_AUTHORIZATION_FAILED: permission,
  CLUSTER_AUTHORIZATION_FAILED: permission,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: permission,
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: permission,
  INVALID_TIMESTAMP:
    'Correct the clock or the timestamps of the producer, or change message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic.',
  UNSUPPORTED_SASL_MECHANISM: 'Use a mechanism of the listener, or add this one to sasl.enabled.mechanisms.',
  ILLEGAL_SASL_STATE:
    'Use the same security.protocol on both sides: SASL_SSL or SASL_PLAINTEXT on a listener with SASL, and neither on one without.',
  UNSUPPORTED_VERSION:
    'Use a newer client, or an API that the broker offers ([unsupported.md](unsupported.md)). For groups: enable the feature with `millrace feature upgrade`.',
  TOPIC_ALREADY_EXISTS: 'Nothing, or use `--if-not-exists`. A topic that is being deleted keeps its name until that is done.',
  INVALID_PARTITIONS: 'Give a number of at least 1; for an existing topic, a larger number than it has.',
  INVALID_REPLICATION_FACTOR: 'There is one broker: use 1, or leave the replication factor to the broker (-1).',
  INVALID_REPLICA_ASSIGNMENT: 'Assign every partition to this broker, numbered from 0 without gaps.',
  INVALID_CONFIG: 'The message names the key, the value and what is allowed; see [configuration.md](configuration.md).',
  NOT_CONTROLLER: retried,
  INVALID_REQUEST:
    'The message says what is wrong. From a client library it is a bug of the library; from a command line, a wrong argument.',
  POLICY_VIOLATION: 'A limit protects the broker. Raise the key that the message names, or use less.',
  OUT_OF_ORDER_SEQUENCE_NUMBER:
    'The producer lost batches. Idempotent producers start a new epoch by themselves; if it recurs, use a single producer instance per id.',
  INVALID_PRODUCER_EPOCH: 'Another instance with the same transactional.id took over. Run only one, and close this one.',
  INVALID_TXN_STATE:
    'The application called the transaction API in a wrong order, or the transaction timed out. Abort and start a new transaction.',
  INVALID_PRODUCER_ID_MAPPING: 'The transactional id expired (transactional.id.expiration.ms). Create a new producer.',
  INVALID_TRANSACTION_TIMEOUT: 'Lower transaction.timeout.ms of the producer, or raise transaction.max.timeout.ms of the broker.',
  CONCURRENT_TRANSACTIONS: 'Nothing: clients retry until the previous transaction has been completed.',
  TRANSACTION_COORDINATOR_FENCED: bug,
  SECURITY_DISABLED: 'Set authorizer.class.name to use ACLs ([security.md](security.md)).',
  OPERATION_NOT_ATTEMPTED: 'See the error of the other entries of the request.',
  KAFKA_STORAGE_ERROR:
    'Free space on the disk, or repair the partition: [operations.md](operations.md#a-full-disk), [repair.md](repair.md).',
  LOG_DIR_NOT_FOUND: 'Millrace uses one directory: the first of log.dirs.',
  SASL_AUTHENTICATION_FAILED: 'Check user, password, token and mechanism. The audit log has the reason, which clients are not told.',
  DELEGATION_TOKEN_AUTH_DISABLED: 'Set delegation.token.secret.key to enable delegation tokens.',
  DELEGATION_TOKEN_NOT_FOUND: 'Create a new token; this one expired or never existed.',
  DELEGATION_TOKEN_OWNER_MISMATCH: 'Let the owner or a renewer of the token do this.',
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED:
    'Log in with a password or certificate over TLS or SASL; a connection that used a token cannot manage tokens.',
  DELEGATION_TOKEN_EXPIRED: 'Create a new token, and renew it earlier.',
  INVALID_PRINCIPAL_TYPE: 'Name principals as User:name.',
  NON_EMPTY_GROUP: 'Stop the members of the group first; `millrace group describe` shows them.',
  GROUP_ID_NOT_FOUND: 'Check the name. Groups without members and offsets are deleted after offsets.retention.minutes.',
  FETCH_SESSION_ID_NOT_FOUND:
    'Nothing: clients start a new session. If it happens all the time, raise max.incremental.fetch.session.cache.slots.',
  INVALID_FETCH_SESSION_EPOCH: 'Nothing: clients start a new session.',
  TOPIC_DELETION_DISABLED: 'Set delete.topic.enable=true and restart the broker.',
  FENCED_LEADER_EPOCH: 'Nothing: clients refresh their metadata.',
  UNKNOWN_LEADER_EPOCH: 'Nothing: clients retry. If it persists after data was restored from a backup, restart the clients.',
  UNSUPPORTED_COMPRESSION_TYPE: 'Update the client: zstd needs one of 2018 or newer. Or choose another compression.type for the topic.',
  MEMBER_ID_REQUIRED: 'Nothing: the client joins again with the id that it got.',
  PREFERRED_LEADER_NOT_AVAILABLE: 'The partition is offline: see [repair.md](repair.md).',
  GROUP_MAX_SIZE_REACHED:
    'Use fewer members, or raise group.max.size (group.consumer.max.size, group.share.max.size, group.streams.max.size).',
  FENCED_INSTANCE_ID: 'Give every member its own group.instance.id.',
  ELIGIBLE_LEADERS_NOT_AVAILABLE: 'The partition is offline: see [repair.md](repair.md).',
  ELECTION_NOT_NEEDED: 'Nothing: the partition has its leader.',
  NO_REASSIGNMENT_IN_PROGRESS: 'Nothing: there is no reassignment to cancel.',
  GROUP_SUBSCRIBED_TO_TOPIC: 'Stop the consumers of this topic, or wait until they have left.',
  INVALID_RECORD: 'The message, and the record errors of the response, say which record is wrong and why. Correct the producer.',
  UNSTABLE_OFFSET_COMMIT: 'Nothing: clients retry until the transaction ends. If it hangs: `millrace txn list --longer-than 15m`.',
  THROTTLING_QUOTA_EXCEEDED: 'Wait for the time that the response gives, or raise the quota with `millrace quota set`.',
  PRODUCER_FENCED: 'Another instance with the same transactional.id took over. Run only one, and close this one.',
  RESOURCE_NOT_FOUND: 'Check the name; `millrace user list` shows the users.',
  DUPLICATE_RESOURCE: 'Name each resource once.',
  UNACCEPTABLE_CREDENTIAL: 'Use 4096 to 16384 iterations, a user name and a password that are not empty.',
  INVALID_UPDATE_VERSION: '`millrace feature list` shows the levels that the broker supports.',
  UNKNOWN_TOPIC_ID: 'Nothing: clients refresh their metadata. The topic was deleted, and perhaps recreated under the same name.',
  BROKER_ID_NOT_REGISTERED: 'There is one broker; its id is node.id.',
  INCONSISTENT_CLUSTER_ID: 'Send the request to the cluster that it is meant for.',
  TRANSACTIONAL_ID_NOT_FOUND: 'Check the id; `millrace txn list` shows those that exist.',
  FETCH_SESSION_TOPIC_ID_ERROR: 'Nothing: clients start a new session.',
  FENCED_MEMBER_EPOCH: rejoin,
  UNRELEASED_INSTANCE_ID: 'Stop the other member with this group.instance.id, or wait until its session ends.',
  UNSUPPORTED_ASSIGNOR: 'Use an assignor of group.consumer.assignors, or none.',
  STALE_MEMBER_EPOCH: 'Nothing: clients retry after the next heartbeat.',
  MISMATCHED_ENDPOINT_TYPE: 'Use --bootstrap-server, not --bootstrap-controller.',
  UNSUPPORTED_ENDPOINT_TYPE: 'Use --bootstrap-server, not --bootstrap-controller.',
  UNKNOWN_SUBSCRIPTION_ID: 'Nothing: clients fetch the subscription again.',
  TELEMETRY_TOO_LARGE: 'Subscribe to fewer metrics with `millrace client-metrics set`, or raise telemetry.max.bytes.',
  TRANSACTION_ABORTABLE: 'Abort the transaction and repeat its work.',
  INVALID_RECORD_STATE:
    'The lock of the record expired before it was acknowledged. Process faster, renew the lock, or raise share.record.lock.duration.ms of the group.',
  SHARE_SESSION_NOT_FOUND: 'Nothing: clients start a new session.',
  INVALID_SHARE_SESSION_EPOCH: 'Nothing: clients start a new session.',
  FENCED_STATE_EPOCH: retried,
  INVALID_REGULAR_EXPRESSION: 'Write the expression in the syntax of RE2: no back references and no look-around.',
  REBOOTSTRAP_REQUIRED: 'Nothing: the client connects to its bootstrap servers again.',
  STREAMS_INVALID_TOPOLOGY: 'The message names what is wrong with the topology of the application.',
  SHARE_SESSION_LIMIT_REACHED: 'Use fewer consumers, or raise group.share.max.share.sessions.',
  CONTROLLER_ID_NOT_REGISTERED: 'Millrace has no separate controllers.',
}

const offline = 'See [repair.md](repair.md).'
const disk = 'The disk returned an error; check it (`dmesg`, `smartctl`). The broker retries.'
const shards = 'Nothing: the coordinator reloads its state, and clients retry. If the line recurs, look at the error and at the disk.'
const stray = 'A directory belongs to no topic, for example after a manual copy. Remove it when you are sure that you do not need it.'

/** Log messages at level warn or error; `…` stands for what differs. The first pattern that matches counts. */
export const adviceByMessage: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /cannot guarantee durability/,
    'An fsync failed. Check the disk, then restart the broker: it recovers what was acknowledged. Exit code 70.',
  ],
  [/^repair of|was repaired/, 'Says what a repair that was asked for gave up. See [repair.md](repair.md).'],
  [/not closed cleanly/, 'Nothing: the next start recovers.'],
  [/the shutdown failed/, 'Nothing: the next start recovers. `err` says why.'],
  [/a request failed unexpectedly|a response cannot be encoded|HTTP endpoint failed|produce failed/, bug],
  [/is offline: |cannot open a partition|disk refuses its files/, offline],
  [/free disk space|free space/, 'See [operations.md](operations.md#a-full-disk).'],
  [
    /event loop was blocked/,
    'A request, or the machine, kept the broker busy; `api` names the request. Rare and short pauses are harmless.',
  ],
  [/clock\.json/, disk],
  [/the clock jumped/, 'Check NTP. Nothing expires because of a jump of the clock.'],
  [
    /incomplete metadata snapshot|damaged record|partition\.metadata is damaged|snapshot that does not fit/,
    'The broker repairs it from other files. Check the disk if it recurs.',
  ],
  [/belongs to no topic|not in the metadata|name is reserved/, stray],
  [/invalid stored config/, 'Set the dynamic config again with a valid value, or delete it.'],
  [/configuration of a listener/, 'Correct the file or the dynamic config; the listener keeps its last valid configuration.'],
  [/PLAIN without TLS/, 'Use SASL_SSL instead of SASL_PLAINTEXT for this listener.'],
  [/token issuer/, 'Check sasl.oauthbearer.jwks.endpoint.url and the network.'],
  [/skipping the record/, 'A record of an internal topic cannot be decoded. Report it with the topic and offset.'],
  [/locks will expire/, 'Nothing: the records are delivered again when their locks expire.'],
  [
    /reloading|did not become durable|transaction marker|cannot be created|loading failed|timer|publishing failed|cluster metadata|…-…: …/,
    shards,
  ],
  [/cannot remove|cannot compact|cannot write|cannot read|could not read|failed/, disk],
]
