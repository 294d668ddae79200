/** What to do about each error, for `docs/errors.md`. `scripts/errors-doc.ts` finds the errors in the code; the advice is written here. */
import type { ErrorName } from '../../src/protocol.ts'

const retried = 'Nothing: clients retry. If it persists, check the log of the broker.'
const permission =
  'Grant the permission with `millrace acl add`, or log in as another user. The audit log names the principal, operation and resource.'
const rejoin = 'Nothing: the client rejoins. If it happens often, check the session timeout and the time between two polls.'
const bug = 'This is a bug in the client or the broker. Report it with the log line.'

export const adviceByCode: Partial<Record<ErrorName, string>> = {
  UNKNOWN_SERVER_ERROR: 'Look for `a request failed unexpectedly` in the log of the broker and report it.',
  OFFSET_OUT_OF_RANGE:
    'The records were deleted by retention, or the topic was recreated. Consumers continue according to auto.offset.reset. Increase the retention if consumers cannot keep up.',
  CORRUPT_MESSAGE:
    'On produce: the client, or something between client and broker, damaged the batch; update the client library. On consume: the disk damaged it; see [repair.md](repair.md).',
  UNKNOWN_TOPIC_OR_PARTITION:
    'Check the name, create the topic, or set auto.create.topics.enable. If the topic was created just now, clients retry.',
  LEADER_NOT_AVAILABLE: 'The broker that leads the partition is away, or the partition is offline: see [repair.md](repair.md).',
  NOT_LEADER_OR_FOLLOWER: 'Nothing: clients refresh their metadata and retry.',
  REQUEST_TIMED_OUT: 'The broker is overloaded or its disk is slow. Check the disk metrics and `millrace_event_loop_stall_seconds`.',
  MESSAGE_TOO_LARGE:
    'Raise max.message.bytes of the topic (message.max.bytes of the broker), or lower max.request.size and batch.size of the producer.',
  NETWORK_EXCEPTION:
    'Another broker of the cluster cannot be reached. The log of the broker (`a request to another broker failed`) says why.',
  OFFSET_METADATA_TOO_LARGE: 'Commit less metadata, or raise offset.metadata.max.bytes.',
  COORDINATOR_LOAD_IN_PROGRESS: 'Nothing: clients retry until the broker has loaded the partition, seconds after its start.',
  COORDINATOR_NOT_AVAILABLE: retried,
  NOT_COORDINATOR:
    'Nothing: clients look up the coordinator again. If it persists, the internal topic is offline: see [repair.md](repair.md).',
  INVALID_TOPIC_EXCEPTION:
    'Use a name of at most 249 characters from a–z, A–Z, 0–9, `.`, `_` and `-`. The topics `__consumer_offsets`, `__transaction_state`, `__share_group_state` and `__cluster_metadata` belong to the broker.',
  RECORD_LIST_TOO_LARGE: 'Raise segment.bytes of the topic, or send smaller batches.',
  NOT_ENOUGH_REPLICAS: retried,
  INVALID_REQUIRED_ACKS: 'Set acks to all (-1), 1 or 0.',
  ILLEGAL_GENERATION: rejoin,
  INCONSISTENT_GROUP_PROTOCOL:
    'All members of a group must have an assignor in common and use the same group.protocol. Change assignors in two rolling restarts: first add the new one, then remove the old one.',
  INVALID_GROUP_ID: 'Set group.id to a non-empty string.',
  UNKNOWN_MEMBER_ID: rejoin,
  INVALID_SESSION_TIMEOUT:
    'Set session.timeout.ms of the consumer between group.min.session.timeout.ms and group.max.session.timeout.ms of the broker.',
  REBALANCE_IN_PROGRESS: 'Nothing: the client rejoins.',
  TOPIC_AUTHORIZATION_FAILED: permission,
  GROUP_AUTHORIZATION_FAILED: permission,
  CLUSTER_AUTHORIZATION_FAILED: permission,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: permission,
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: permission,
  INVALID_TIMESTAMP:
    'Correct the clock or the timestamps of the producer, or change message.timestamp.before.max.ms or message.timestamp.after.max.ms of the topic.',
  UNSUPPORTED_SASL_MECHANISM: 'Use a mechanism that the listener offers, or add this one to sasl.enabled.mechanisms.',
  ILLEGAL_SASL_STATE:
    'Use the same security.protocol on both sides: SASL_SSL or SASL_PLAINTEXT for a listener with SASL, SSL or PLAINTEXT for one without.',
  UNSUPPORTED_VERSION:
    'Use a newer client, or an API that the broker supports ([unsupported.md](unsupported.md)). For groups, enable the feature with `millrace feature upgrade`.',
  TOPIC_ALREADY_EXISTS: 'Use another name, or `--if-not-exists`. A topic that is being deleted keeps its name until the deletion is done.',
  INVALID_PARTITIONS: 'Use at least 1; for an existing topic, more than it has.',
  INVALID_REPLICATION_FACTOR: 'There is one broker: use 1, or leave the replication factor to the broker (-1).',
  INVALID_REPLICA_ASSIGNMENT: 'Assign every partition to this broker, numbered from 0 without gaps.',
  INVALID_CONFIG: 'The message names the key, the value and what is allowed; see [configuration.md](configuration.md).',
  NOT_CONTROLLER: retried,
  INVALID_REQUEST:
    'The message says what is wrong. If the request comes from a client library, it is a bug in the library; from a command line tool, a wrong argument.',
  POLICY_VIOLATION:
    'Increase the limit that the message names, or use less. Internal topics are protected: [security.md](security.md#internal-topics).',
  OUT_OF_ORDER_SEQUENCE_NUMBER:
    'The producer lost batches. Idempotent producers recover by starting a new epoch; if it recurs, use only one producer instance per id.',
  INVALID_PRODUCER_EPOCH: 'Another instance with the same transactional.id took over. Run only one, and close this one.',
  INVALID_TXN_STATE:
    'The application called the transaction API in the wrong order, or the transaction timed out. Abort it and start a new one.',
  INVALID_PRODUCER_ID_MAPPING: 'The transactional id expired (transactional.id.expiration.ms). Create a new producer.',
  INVALID_TRANSACTION_TIMEOUT: 'Lower transaction.timeout.ms of the producer, or raise transaction.max.timeout.ms of the broker.',
  CONCURRENT_TRANSACTIONS: 'Nothing: clients retry until the previous transaction is complete.',
  TRANSACTION_COORDINATOR_FENCED: bug,
  SECURITY_DISABLED: 'Set authorizer.class.name to use ACLs ([security.md](security.md)).',
  OPERATION_NOT_ATTEMPTED: 'See the errors of the other entries of the request.',
  KAFKA_STORAGE_ERROR:
    'Free space on the disk, or repair the partition: [operations.md](operations.md#a-full-disk), [repair.md](repair.md).',
  LOG_DIR_NOT_FOUND: 'Millrace uses one directory: the first of log.dirs.',
  SASL_AUTHENTICATION_FAILED: 'Check user, password, token and mechanism. The audit log contains the reason, which is not sent to clients.',
  DELEGATION_TOKEN_AUTH_DISABLED: 'Set delegation.token.secret.key to enable delegation tokens.',
  DELEGATION_TOKEN_NOT_FOUND: 'Create a new token; this one expired or never existed.',
  DELEGATION_TOKEN_OWNER_MISMATCH: 'Do this as the owner or a renewer of the token.',
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED:
    'Log in with a password or a certificate; a client that logged in with a token cannot manage tokens.',
  DELEGATION_TOKEN_EXPIRED: 'Create a new token, and renew it in time.',
  INVALID_PRINCIPAL_TYPE: 'Use a principal of the form User:name.',
  NON_EMPTY_GROUP: 'Stop the members of the group first; `millrace group describe` shows them.',
  GROUP_ID_NOT_FOUND: 'Check the name. A group without members is deleted when its offsets expire (offsets.retention.minutes).',
  FETCH_SESSION_ID_NOT_FOUND:
    'Nothing: clients start a new session. If it happens often, increase max.incremental.fetch.session.cache.slots.',
  INVALID_FETCH_SESSION_EPOCH: 'Nothing: clients start a new session.',
  TOPIC_DELETION_DISABLED: 'Set delete.topic.enable=true and restart the broker.',
  FENCED_LEADER_EPOCH: 'Nothing: clients refresh their metadata.',
  UNKNOWN_LEADER_EPOCH: 'Nothing: clients retry. If it persists after restoring a backup, restart the clients.',
  UNSUPPORTED_COMPRESSION_TYPE:
    'Update the client: zstd needs a client library of 2018 or newer. Or choose another compression.type for the topic.',
  MEMBER_ID_REQUIRED: 'Nothing: the client rejoins with this member id.',
  LISTENER_NOT_FOUND: 'Give all brokers of the cluster listeners with the same names.',
  PREFERRED_LEADER_NOT_AVAILABLE: 'The partition is offline (see [repair.md](repair.md)), or is led by a broker that cannot give it away.',
  GROUP_MAX_SIZE_REACHED:
    'Use fewer members, or raise group.max.size (group.consumer.max.size, group.share.max.size, group.streams.max.size).',
  FENCED_INSTANCE_ID: 'Use a different group.instance.id for every member.',
  ELIGIBLE_LEADERS_NOT_AVAILABLE: 'The partition is offline: see [repair.md](repair.md).',
  ELECTION_NOT_NEEDED: 'Nothing: the partition already has the right leader.',
  NO_REASSIGNMENT_IN_PROGRESS: 'Nothing: there is no reassignment to cancel.',
  GROUP_SUBSCRIBED_TO_TOPIC: 'Stop the consumers of this topic, or wait until they have left.',
  INVALID_RECORD: 'The message and the record errors of the response say which record is wrong and why. Correct the producer.',
  UNSTABLE_OFFSET_COMMIT: 'Nothing: clients retry until the transaction ends. If it hangs: `millrace txn list --longer-than 15m`.',
  THROTTLING_QUOTA_EXCEEDED: 'Wait for the throttle time in the response, or raise the quota with `millrace quota set`.',
  PRODUCER_FENCED: 'Another instance with the same transactional.id took over. Run only one, and close this one.',
  RESOURCE_NOT_FOUND: 'Check the name; `millrace user list` shows the users.',
  DUPLICATE_RESOURCE: 'Name each resource only once in a request.',
  UNACCEPTABLE_CREDENTIAL: 'Use 4096 to 16384 iterations, and a non-empty user name and password.',
  INVALID_UPDATE_VERSION: 'Use a level that the broker supports; `millrace feature list` shows them.',
  UNKNOWN_TOPIC_ID: 'Nothing: clients refresh their metadata. The topic was deleted, and possibly recreated under the same name.',
  DUPLICATE_BROKER_REGISTRATION: 'Give each broker of the cluster its own node.id, and stop the other one that has this one.',
  BROKER_ID_NOT_REGISTERED: 'Use the node.id of a broker of this cluster; Metadata and DescribeCluster list them.',
  INCONSISTENT_CLUSTER_ID: 'Send the request to the right cluster.',
  TRANSACTIONAL_ID_NOT_FOUND: 'Check the id; `millrace txn list` shows all transactional ids.',
  FETCH_SESSION_TOPIC_ID_ERROR: 'Nothing: clients start a new session.',
  FENCED_MEMBER_EPOCH: rejoin,
  UNRELEASED_INSTANCE_ID: 'Stop the other member with this group.instance.id, or wait until its session ends.',
  UNSUPPORTED_ASSIGNOR: 'Use one of group.consumer.assignors, or leave the choice to the broker.',
  STALE_MEMBER_EPOCH: 'Nothing: clients retry after the next heartbeat.',
  MISMATCHED_ENDPOINT_TYPE: 'Use --bootstrap-server, not --bootstrap-controller.',
  UNSUPPORTED_ENDPOINT_TYPE: 'Use --bootstrap-server, not --bootstrap-controller.',
  UNKNOWN_SUBSCRIPTION_ID: 'Nothing: clients request the subscription again.',
  TELEMETRY_TOO_LARGE: 'Subscribe to fewer metrics with `millrace client-metrics set`, or raise telemetry.max.bytes.',
  TRANSACTION_ABORTABLE: 'Abort the transaction and repeat its work.',
  INVALID_RECORD_STATE:
    'The lock of the record expired before it was acknowledged. Process records faster, renew the lock, or increase share.record.lock.duration.ms of the group.',
  SHARE_SESSION_NOT_FOUND: 'Nothing: clients start a new session.',
  INVALID_SHARE_SESSION_EPOCH: 'Nothing: clients start a new session.',
  FENCED_STATE_EPOCH: retried,
  INVALID_REGULAR_EXPRESSION: 'Use the syntax of RE2, which has no back-references and no look-around.',
  REBOOTSTRAP_REQUIRED: 'Nothing: the client connects to its bootstrap servers again.',
  STREAMS_INVALID_TOPOLOGY: "The message says what is wrong with the application's topology.",
  SHARE_SESSION_LIMIT_REACHED: 'Use fewer consumers, or raise group.share.max.share.sessions.',
  CONTROLLER_ID_NOT_REGISTERED: 'Millrace has no separate controllers.',
}

const offline = 'See [repair.md](repair.md).'
const disk = 'The disk returned an error; check it (`dmesg`, `smartctl`). The broker retries.'
const shards = 'Nothing: the coordinator reloads its state, and clients retry. If the line recurs, check `err` and the disk.'
const stray = 'The directory belongs to no topic, for example after a manual copy. Remove it if you are sure that you do not need it.'

/** Log messages at level warn or error; `…` stands for the variable parts. The first matching pattern counts. */
export const adviceByMessage: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /cannot guarantee durability/,
    'An fsync failed (exit code 70). Check the disk, then restart the broker: it recovers all acknowledged records.',
  ],
  [/^repair of|was repaired/, 'Reports what a repair could not recover. See [repair.md](repair.md).'],
  [/not closed cleanly|did not stop cleanly/, 'Nothing: the next start recovers.'],
  [
    /a broker process has ended|a broker process does not start/,
    'It is started again. `reason`, or its own lines before this one, say why.',
  ],
  [/a change of a trigger has failed/, bug],
  [
    /a trigger has failed/,
    '`err` says why: often a right that is missing, or brokers that do not answer. It is tried again, with pauses of up to 30 seconds.',
  ],
  [
    /records of a trigger are tried again and again/,
    '`err` says why. The trigger is RETRYING until the function takes the records, or they are given up: `retries`, `maxAgeMs` and `onFailure` say when and where to; `bisect` finds a single bad record.',
  ],
  [
    /records that a trigger has not read are gone/,
    'The topic did not keep them long enough. The trigger goes on with the oldest record that is there, or with `start: latest` behind the newest.',
  ],
  [
    /a target for failures refuses them/,
    'Correct the target; `err` says what it refuses and what to do. It is tried again, at least every 30 seconds, and the partition waits meanwhile.',
  ],
  [
    /a topic that the services need was deleted/,
    'Nothing needs to be done: it is there again, with the `records` that were known. To begin anew, stop all services that use it before it is deleted.',
  ],
  [/no broker answers yet/, 'Start the brokers, or correct the address; `reason` says what it is.'],
  [
    /a record is not understood and ignored/,
    'Something else has written to the topic; `offset` says where. It is told for the first one, and when there are ten times as many.',
  ],
  [/functions have written more than/, 'Let functions write less. Only lines of their logs are missing; `lines` says how many.'],
  [/what functions have written cannot be stored/, 'The brokers did not take `lines` lines of the logs of functions; `err` says why.'],
  [/a service could not answer a request/, 'The Kafka cluster did not answer, or this is a bug: `err` says which.'],
  [
    /a service cannot start|the services cannot start/,
    '`reason` says why: often a port that is in use, or a cluster that does not answer.',
  ],
  [
    /key store of the services is invalid/,
    'Correct the files of the listener in `services.listener`; until then the previous key and certificates stay in use. `err` contains the reason.',
  ],
  [
    /a login with the provider has failed|cannot renew the token of a login/,
    'Check `console.oidc.*`, and whether the provider answers; `err` contains the reason.',
  ],
  [
    /starts without console, registry and REST proxy/,
    'Nothing, if you do not want them; otherwise `reason` says what they need. Set `services` to nothing, and the line goes.',
  ],
  [
    /cannot make the user of the services/,
    'Mend what `err` says, such as a full disk, and restart the broker; or name a login in `services.client.config`.',
  ],
  [/a part of the services did not close cleanly/, 'Nothing: it ends with its process. `err` contains the reason.'],
  [/no service could start/, 'The lines before it say why; restart the broker when that is mended, or set `services` to nothing.'],
  [/the services process has ended/, 'It is started again, and the broker is not affected. Its own lines before this one say why.'],
  [/the shutdown failed/, 'Nothing: the next start recovers. `err` contains the reason.'],
  [/a request failed unexpectedly|a page of metrics failed|a response cannot be encoded|HTTP endpoint failed|produce failed/, bug],
  [/cannot open a listener/, 'Correct its address, certificates or mechanisms; `err` contains the reason. The next start tries again.'],
  [/is offline: |cannot open a partition|cannot write its files/, offline],
  [/free disk space|free space/, 'See [operations.md](operations.md#a-full-disk).'],
  [/event loop was blocked/, 'A request (see `api`) or an overloaded machine kept the broker busy. Rare, short stalls are harmless.'],
  [/clock\.json/, disk],
  [/the clock jumped/, 'Check NTP. Nothing expires because of the jump.'],
  [
    /incomplete metadata snapshot|damaged record|partition\.metadata is damaged|snapshot that does not fit/,
    'Nothing: the broker uses other files instead. If the line recurs, check the disk.',
  ],
  [/belongs to no topic|not in the metadata|name is reserved/, stray],
  [/invalid stored config/, 'Set the dynamic config again with a valid value, or delete it.'],
  [/configuration of a listener/, 'Correct the file or the dynamic config. Until then the listener uses its last valid configuration.'],
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
