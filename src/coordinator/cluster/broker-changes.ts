/** Which records a change of brokers, or of a partition's replicas and leader, needs, by the rules of Kafka's controller. */
import { KafkaError, zeroUuid } from '../../protocol.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterImage } from './image.ts'
import type { BrokerRecord, PartitionChangeRecord } from './metadata-records.ts'
import { assignmentProblem } from './placement.ts'
import type { BrokerRegistration, NewRegistration, PartitionChange } from './types.ts'

/** `epoch`: the offset of the record, as in Kafka. */
export function registrationRecord(broker: NewRegistration, epoch: number): BrokerRecord {
  const { id, incarnation, rack, fenced, endpoints } = broker
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

/** Nothing when it is so already. Throws BROKER_ID_NOT_REGISTERED. */
export function fencingRecords(brokers: Brokers, id: number, fenced: boolean): BrokerRecord[] {
  const { epoch, fenced: before } = registrationOf(brokers, id)
  if (before === fenced) return []
  return [{ type: 'BrokerRegistrationChangeRecord', brokerId: id, brokerEpoch: epoch, fenced: fenced ? 1 : -1, ...unchanged }]
}

const unchanged = { inControlledShutdown: 0, logDirs: [], cordonedLogDirs: null }

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
  const reorders = !same(replicas, before.replicas)
  if (change.leader === undefined && !reorders) return null
  const isr = replicas.filter(id => id === leader || brokers.byId.get(id)?.fenced === false)
  return {
    type: 'PartitionChangeRecord',
    partitionId: change.partition,
    topicId: change.topicId,
    isr: same(isr, before.isr) ? null : isr,
    leader: change.leader ?? -2,
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
