/** Which records a change of brokers, or of a partition's replicas and leader, needs, by the rules of Kafka's controller. */
import { KafkaError, zeroUuid } from '../../protocol.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterImage } from './image.ts'
import type { BrokerRecord, PartitionChangeRecord, PartitionRecord } from './metadata-records.ts'
import { assignmentProblem } from './placement.ts'
import type { BrokerRegistration, NewRegistration, PartitionChange } from './types.ts'

/** Throws DUPLICATE_BROKER_REGISTRATION if a later session of the broker has registered. */
export function registrationRecord(brokers: Brokers, broker: NewRegistration, epoch: number): BrokerRecord {
  const { id, incarnation, rack, fenced, endpoints } = broker
  const known = brokers.byId.get(id)
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

/** Nothing when it is so already, or of another registration than the given one. Throws BROKER_ID_NOT_REGISTERED. */
export function fencingRecords(brokers: Brokers, id: number, fenced: boolean, given?: number): BrokerRecord[] {
  const { epoch, fenced: before } = registrationOf(brokers, id)
  if (before === fenced || (given !== undefined && given !== epoch)) return []
  return [{ type: 'BrokerRegistrationChangeRecord', brokerId: id, brokerEpoch: epoch, fenced: fenced ? 1 : -1, ...unchanged }]
}

const unchanged = { inControlledShutdown: 0, logDirs: [], cordonedLogDirs: null }

/** The session of that epoch has ended. Nothing if that is known, or if the broker has registered with another one. */
export function endedSessionRecord(brokers: Brokers, id: number, epoch: number): BrokerRecord | null {
  const known = brokers.byId.get(id)
  if (known === undefined || known.fenced || known.epoch !== epoch) return null
  return { type: 'FenceBrokerRecord', id, epoch }
}

/** Throws BROKER_ID_NOT_REGISTERED, and INVALID_REQUEST for a broker that is still in use. Kafka takes such brokers out, too. */
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
  const registered = brokers.byId.size === 0 ? new Set([self]) : new Set(brokers.byId.keys())
  const problem = change.replicas === undefined ? null : assignmentProblem(change.replicas, registered)
  if (problem !== null) throw problem
  const { leader = before.leader, replicas: wanted = before.replicas } = change
  if (change.leader !== undefined && leader !== -1 && !registered.has(leader)) {
    throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${leader} is not currently registered`)
  }
  // A leader that is not among the replicas becomes the last of them: it has the data.
  const replicas = leader === -1 || wanted.includes(leader) ? [...wanted] : [...wanted, leader]
  if (change.leader === undefined && same(replicas, before.replicas)) return null
  return changedPartition(before, { replicas, leader: change.leader }, id => brokers.byId.get(id)?.fenced === false)
}

/** Of a PartitionChangeRecord. */
const sameLeader = -2

/** `leader` undefined: it stays. With one, the leader epoch grows, also if it leads already. */
export function changedPartition(
  before: PartitionRecord,
  { replicas, leader }: { replicas: number[]; leader: number | undefined },
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
    removingReplicas: null,
    addingReplicas: null,
    leaderRecoveryState: -1,
    directories: reorders ? replicas.map(() => zeroUuid) : null,
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  }
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index])
}

function registrationOf(brokers: Brokers, id: number): BrokerRegistration {
  const broker = brokers.byId.get(id)
  if (broker === undefined) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${id} is not currently registered`)
  return broker
}
