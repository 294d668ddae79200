/**
 * mirror: copies topics, records, ACLs and offsets of groups from one cluster to another, as an ordinary client of both.
 *
 * Hides how a copy goes on after any interruption so that no record is lost or doubled. Before records are sent, a round of intents is written to a topic of
 * the target: which source offsets go where, with which sequence numbers of which producer. Whoever goes on fences the producer of the interrupted round in
 * the partitions concerned, and counts there what has arrived. Transactions are not used for records: their aborted ones would be seen by those who read
 * uncommitted data.
 *
 * What the connectors that copy between clusters need of it, they take from here: topics, ACLs and offsets of groups are made like those of the source.
 */
export { copyAcls } from './mirror/acls.ts'
export { moveForward } from './mirror/groups.ts'
export { mirror } from './mirror/run.ts'
export { prepareTopics, type SourceTopic, sourceTopics } from './mirror/topics.ts'
export { Left, MirrorError, type MirrorOptions, type MirrorProgress, type MirrorReport, stateTopic } from './mirror/types.ts'
