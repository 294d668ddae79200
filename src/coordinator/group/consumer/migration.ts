/**
 * Converts classic groups to KIP-848 groups and back while they have members (`group.consumer.migration.policy`). A conversion is a list of
 * records: those that remove the old group and those that create the new one, in one batch.
 */
import { MalformedInput } from '../../../base.ts'
import { consumerProtocol, decodeConsumerProtocol, encodeVersioned, KafkaError, type Uuid } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import type { ClassicGroup } from '../classic-group.ts'
import type { Member } from '../classic-member.ts'
import type { GroupTopics } from '../group-topics.ts'
import { groupMetadataRecord } from '../records.ts'
import type { GroupSettings } from '../settings.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { currentRecord, epochRecord, memberRecord, targetEpochRecord, targetRecord } from './consumer-records.ts'
import { type ConsumerMember, newMember, uniqueNames } from './member.ts'
import { type Held, type Target, targetOf } from './partitions.ts'

export type Subscription = ReturnType<typeof decodeSubscription>

/** Throws MalformedInput. */
export function decodeSubscription(metadata: Buffer) {
  return decodeConsumerProtocol(consumerProtocol.subscription, metadata)
}

/** Records that make a consumer group of a classic one whose members stay. Throws GROUP_ID_NOT_FOUND when that may not be. */
export function upgradeRecords(classic: ClassicGroup, settings: GroupSettings, topics: GroupTopics): LogRecord[] {
  const { groupId, generationId } = classic
  const { migrationPolicy, maxSize } = settings.consumer
  const allowed = migrationPolicy === 'UPGRADE' || migrationPolicy === 'BIDIRECTIONAL'
  if (!allowed || !classic.usesConsumerGroupProtocol || classic.members.size > maxSize) {
    throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`)
  }
  const members = readable(groupId, () => Array.from(classic.members.values(), member => consumerMember(classic, member, topics)))
  return [
    ...members.map(member => memberRecord(groupId, member)),
    epochRecord(groupId, generationId, 0),
    ...members.map(member => targetRecord(groupId, member.memberId, heldAsTarget(member.assigned))),
    // Time 0: the join that brought this about gets a new assignment at once.
    targetEpochRecord(groupId, generationId, 0),
    ...members.map(member => currentRecord(groupId, member)),
  ]
}

function consumerMember(group: ClassicGroup, member: Member, topics: GroupTopics): ConsumerMember {
  // Before its first rebalance has ended a group has chosen no protocol.
  const { topics: names, rackId } = decodeSubscription(member.metadata(group.protocolName ?? member.protocols[0]!.name))
  return {
    ...newMember(member.memberId),
    memberEpoch: group.generationId,
    previousMemberEpoch: group.generationId,
    instanceId: member.groupInstanceId,
    rackId,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    clientId: member.clientId,
    clientHost: member.clientHost,
    subscribedTopicNames: uniqueNames(names),
    assigned: heldOf(member.assignment, group.generationId, topics),
    classic: { sessionTimeoutMs: member.sessionTimeoutMs, supportedProtocols: member.protocols },
  }
}

function heldOf(assignment: Buffer, epoch: number, topics: GroupTopics): Held {
  const held = new Map<Uuid, Map<number, number>>()
  if (assignment.length === 0) return held
  for (const { topic, partitions } of decodeConsumerProtocol(consumerProtocol.assignment, assignment).assignedPartitions) {
    const id = topics.topic(topic)?.id
    if (id !== undefined && partitions.length > 0) held.set(id, new Map(partitions.map(partition => [partition, epoch])))
  }
  return held
}

function heldAsTarget(held: Held): Target {
  return targetOf(Array.from(held, ([topicId, partitions]) => ({ topicId, partitions: [...partitions.keys()] })))
}

/** Without these members, of which one speaks the new protocol, all that stay speak the classic one, and there are some. */
export function mayDowngrade(group: ConsumerGroup, without: readonly string[], remaining: number, settings: GroupSettings): boolean {
  const { migrationPolicy } = settings.consumer
  if (migrationPolicy !== 'DOWNGRADE' && migrationPolicy !== 'BIDIRECTIONAL') return false
  if (remaining < 1 || remaining > settings.groupMaxSize) return false
  if (without.every(memberId => group.members.get(memberId)?.classic !== null)) return false
  for (const { memberId, classic } of group.members.values()) if (classic === null && !without.includes(memberId)) return false
  return true
}

/** Records that make a classic group of the members that stay, and of one that joins in the place of the one that leaves. */
export function toClassic(
  group: ConsumerGroup,
  change: { leaving: readonly string[]; joining: ConsumerMember | null },
  topics: GroupTopics,
  nowMs: number,
): LogRecord[] {
  const { groupId } = group
  const staying = [...group.members.values()].filter(({ memberId }) => !change.leaving.includes(memberId))
  const members = change.joining === null ? staying : [...staying, change.joining]
  const protocol = commonProtocol(members)
  const assignmentOf = ({ memberId }: ConsumerMember) =>
    group.targets.get(memberId === change.joining?.memberId ? change.leaving[0]! : memberId)
  const records = group.tombstones()
  records.push(
    groupMetadataRecord(groupId, {
      protocolType: group.protocolType,
      generation: group.groupEpoch,
      protocol,
      leader: members[0]!.memberId,
      currentStateTimestamp: nowMs,
      members: members.map(member => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.classic!.sessionTimeoutMs,
        subscription: metadataOf(member, protocol),
        assignment: encodeAssignment(assignmentOf(member) ?? new Map(), metadataOf(member, protocol), topics),
      })),
    }),
  )
  return records
}

/** Of those that all support, what most prefer. */
function commonProtocol(members: readonly ConsumerMember[]): string {
  const supported = new Map<string, number>()
  for (const { classic } of members) for (const { name } of classic!.supportedProtocols) supported.set(name, (supported.get(name) ?? 0) + 1)
  const votes = new Map<string, number>()
  for (const { classic } of members) {
    const vote = classic!.supportedProtocols.find(({ name }) => supported.get(name) === members.length)?.name ?? ''
    votes.set(vote, (votes.get(vote) ?? 0) + 1)
  }
  return [...votes].reduce((best, vote) => (vote[1] > best[1] ? vote : best))[0]
}

function metadataOf({ classic }: ConsumerMember, protocol: string): Buffer {
  return classic!.supportedProtocols.find(({ name }) => name === protocol)?.metadata ?? Buffer.alloc(0)
}

/** In the version of the consumer protocol in which the member speaks. */
export function encodeAssignment(assigned: Target | Held, subscription: Buffer, topics: GroupTopics): Buffer {
  const { minVersion, maxVersion } = consumerProtocol.assignment
  const version = subscription.length < 2 ? minVersion : Math.min(Math.max(subscription.readInt16BE(0), minVersion), maxVersion)
  const assignedPartitions: { topic: string; partitions: number[] }[] = []
  for (const [topicId, partitions] of assigned) {
    const topic = topics.name(topicId)
    if (topic !== undefined) assignedPartitions.push({ topic, partitions: [...partitions.keys()].sort((a, b) => a - b) })
  }
  return encodeVersioned(consumerProtocol.assignment, version, { assignedPartitions, userData: Buffer.alloc(0) })
}

function readable<T>(groupId: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MalformedInput)) throw error
    throw new KafkaError(
      'GROUP_ID_NOT_FOUND',
      `Cannot upgrade classic group ${groupId} to consumer group because the embedded consumer protocol is malformed.`,
    )
  }
}
