/** Which records a change of brokers, or of a partition's replicas and leader, needs, by the rules of Kafka's controller. */
import { KafkaError, zeroUuid } from '../../protocol.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterImage } from './image.ts'
import { internalTopics } from './internal-topics.ts'
import type { BrokerRecord, PartitionChangeRecord, PartitionRecord } from './metadata-records.ts'
import { assignmentProblem } from './placement.ts'
import type { BrokerRegistration, NewRegistration, PartitionChange } from './types.ts'

/**
 * Throws DUPLICATE_BROKER_REGISTRATION if a later session of the broker has registered, and BROKER_ID_NOT_REGISTERED if the registration that this one
 * follows was taken away: as in Kafka, only another process brings the broker back.
 */
export function registrationRecord(brokers: Brokers, broker: NewRegistration, epoch: number): BrokerRecord {
  const { id, incarnation, rack, fenced, endpoints, follows } = broker
  const known = brokers.byId.get(id)
  if (follows !== undefined && follows !== epoch) {
    if (brokers.unregistered.get(id) === follows) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${id} was unregistered.`)
    if (known?.epoch === follows && known.leaving && !known.fenced)
      throw new KafkaError('DUPLICATE_BROKER_REGISTRATION', `Broker ID ${id} is being unregistered, or is about to stop.`)
  }
  if (known !== undefined && known.epoch > epoch) {
    throw new KafkaError('DUPLICATE_BROKER_REGISTRATION', `Broker ID ${id} has registered with the later epoch ${known.epoch}.`)
  }
  const endPoints = Array.from(endpoints, ([name, { host, port }]) => ({ name, host, port, securityProtocol: 0 }))
  return {
    type: 'RegisterBrokerRecord',
    brokerId: id,
    isMigratingZkBroker: false,
    incarnationId: incarnation,
    brokerEpoch: epoch,
    endPoints,
    features: [],
    rack,
    fenced,
    inControlledShutdown: false,
    logDirs: [],
    cordonedLogDirs: null,
  }
}

/**
 * Of a broker that registers with another epoch though nobody has fenced it: what it leads stays with it. Coordinators tell their requests from those
 * of their predecessors, which may still be on their way, by their leader epoch, so that grows as if there had been a failover.
 */
export function successionRecords({ brokers, topics }: ClusterImage, id: number, epoch: number): PartitionChangeRecord[] {
  const known = brokers.byId.get(id)
  if (known === undefined || known.fenced || known.epoch === epoch) return []
  const isAlive = (other: number) => brokers.byId.get(other)?.fenced === false
  return [...internalTopics].flatMap(name => {
    const led = topics.byName.get(name)?.partitions.filter(({ leader }) => leader === id) ?? []
    return led.map(before =>
      changedPartition(
        before,
        { replicas: before.replicas, adding: before.addingReplicas, removing: before.removingReplicas, leader: id },
        isAlive,
      ),
    )
  })
}

/** Nothing when it is so already, or of another registration than the given one. Throws BROKER_ID_NOT_REGISTERED. */
export function fencingRecords(brokers: Brokers, id: number, fenced: boolean, given?: number): BrokerRecord[] {
  const { epoch, fenced: before } = registrationOf(brokers, id)
  if (before === fenced || (given !== undefined && given !== epoch)) return []
  return [{ type: 'BrokerRegistrationChangeRecord', brokerId: id, brokerEpoch: epoch, ...unchanged, fenced: fenced ? 1 : -1 }]
}

/** Nothing when it is so already. Throws BROKER_ID_NOT_REGISTERED. */
export function leavingRecords(brokers: Brokers, id: number): BrokerRecord[] {
  const { epoch, leaving } = registrationOf(brokers, id)
  if (leaving) return []
  return [{ type: 'BrokerRegistrationChangeRecord', brokerId: id, brokerEpoch: epoch, ...unchanged, inControlledShutdown: 1 }]
}

const unchanged = { fenced: 0, inControlledShutdown: 0, logDirs: [], cordonedLogDirs: null }

/** The session of that epoch has ended. Nothing if that is known, or if the broker has registered with another one. */
export function endedSessionRecord(brokers: Brokers, id: number, epoch: number): BrokerRecord | null {
  const known = brokers.byId.get(id)
  if (known === undefined || known.fenced || known.epoch !== epoch) return null
  return { type: 'FenceBrokerRecord', id, epoch }
}

/**
 * Where each broker has its own data. Throws BROKER_ID_NOT_REGISTERED, and INVALID_REQUEST for a broker that is still in use. Kafka takes such brokers out,
 * too.
 */
export function unregistrationRecord({ brokers, topics }: ClusterImage, id: number): BrokerRecord {
  const { epoch, fenced } = registrationOf(brokers, id)
  if (!fenced) throw new KafkaError('INVALID_REQUEST', `Broker ${id} is running; stop it before it is unregistered.`)
  let leads = 0
  for (const { partitions } of topics.byId.values()) for (const { leader } of partitions) if (leader === id) leads++
  if (leads > 0) {
    throw new KafkaError('INVALID_REQUEST', `Broker ${id} still has ${leads} partition(s), which would be lost with it.`)
  }
  return { type: 'UnregisterBrokerRecord', brokerId: id, brokerEpoch: epoch }
}

/** null: it is so already. Throws KafkaError for what cannot be. */
export function partitionChangeRecord(
  { brokers, topics }: ClusterImage,
  self: number,
  change: PartitionChange,
): PartitionChangeRecord | null {
  const before = topics.byId.get(change.topicId)?.partitions[change.partition]
  if (before === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
  if (change.from !== undefined && change.from !== before.leader) {
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${before.leader} leads the partition, not broker ${change.from}.`)
  }
  checkChange(change, before, brokers.byId.size === 0 ? new Set([self]) : new Set(brokers.byId.keys()))
  const after = assignmentAfter(before, change.replicas, change.leader ?? before.leader)
  if (change.leader === undefined && isSameAssignment(before, after)) return null
  return changedPartition(before, { ...after, leader: change.leader }, id => brokers.byId.get(id)?.fenced === false)
}

function isSameAssignment(before: PartitionRecord, { replicas, adding, removing }: Assignment): boolean {
  return same(replicas, before.replicas) && same(adding, before.addingReplicas) && same(removing, before.removingReplicas)
}

/** Of a PartitionChangeRecord. */
const sameLeader = -2

/** `leader` undefined: it stays. With one, the leader epoch grows, also if it leads already. */
export function changedPartition(
  before: PartitionRecord,
  { replicas, adding, removing, leader }: Assignment & { leader: number | undefined },
  isAlive: (id: number) => boolean,
): PartitionChangeRecord {
  const isr = replicas.filter(id => id === (leader ?? before.leader) || isAlive(id))
  const reorders = !same(replicas, before.replicas)
  return {
    type: 'PartitionChangeRecord',
    partitionId: before.partitionId,
    topicId: before.topicId,
    isr: same(isr, before.isr) ? null : isr,
    leader: leader ?? sameLeader,
    replicas: reorders ? replicas : null,
    removingReplicas: same(removing, before.removingReplicas) ? null : removing,
    addingReplicas: same(adding, before.addingReplicas) ? null : adding,
    leaderRecoveryState: -1,
    directories: reorders ? replicas.map(() => zeroUuid) : null,
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  }
}

function checkChange({ leader, replicas }: PartitionChange, before: PartitionRecord, registered: ReadonlySet<number>): void {
  const problem = replicas === undefined || replicas === null ? null : assignmentProblem(replicas, registered)
  if (problem !== null) throw problem
  if (replicas === null && before.addingReplicas.length + before.removingReplicas.length === 0) {
    throw new KafkaError('NO_REASSIGNMENT_IN_PROGRESS')
  }
  if (leader !== undefined && leader !== -1 && !registered.has(leader)) {
    throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${leader} is not currently registered`)
  }
}

interface Assignment {
  replicas: number[]
  adding: number[]
  removing: number[]
}

/** As Kafka's PartitionReassignmentReplicas, but that nothing has to be copied: a reassignment waits only for its leader. */
function assignmentAfter(before: PartitionRecord, wanted: PartitionChange['replicas'], leader: number): Assignment {
  const { replicas: now, addingReplicas, removingReplicas } = before
  const original = without(now, addingReplicas)
  const target = wanted === null ? original : (wanted ?? without(now, removingReplicas))
  if (leader === -1 || target.includes(leader)) return { replicas: [...target], adding: [], removing: [] }
  // Only the leader has the data: it stays a replica until one of the others leads.
  if (wanted !== undefined) {
    const removing = without(now.includes(leader) ? now : [...now, leader], target).sort(byNumber)
    return { replicas: [...target, ...removing], adding: without(target, original).sort(byNumber), removing }
  }
  if (removingReplicas.length > 0) return { replicas: [...target, leader], adding: addingReplicas, removing: [leader] }
  const replicas = target.includes(before.leader) ? target.map(id => (id === before.leader ? leader : id)) : [...target, leader]
  return { replicas, adding: [], removing: [] }
}

function without(list: readonly number[], others: readonly number[]): number[] {
  return list.filter(id => !others.includes(id))
}

function byNumber(one: number, other: number): number {
  return one - other
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index])
}

function registrationOf(brokers: Brokers, id: number): BrokerRegistration {
  const broker = brokers.byId.get(id)
  if (broker === undefined) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${id} is not currently registered`)
  return broker
}
