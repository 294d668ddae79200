/**
 * Places replicas, by Kafka's rules for counts, factors and manual assignments. The only broker holds all partitions. A replication factor
 * above the number of brokers is rejected, as in Kafka.
 */
import { KafkaError } from '../../protocol.ts'
import type { NewPartitions, NewTopic, TopicRules } from './types.ts'

/** Above this no request is reasonable; the broker's own limit is far below. Stops an array of that length from being made. */
const mostPartitions = 1_000_000

/** Replicas by partition index. */
export function placeTopic(topic: NewTopic, brokerId: number, rules: TopicRules): number[][] {
  if (topic.assignments.length > 0) return placeManually(topic, brokerId)
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    throw new KafkaError('INVALID_REPLICATION_FACTOR', 'Replication factor must be larger than 0, or -1 to use the default value.')
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    throw new KafkaError('INVALID_PARTITIONS', 'Number of partitions was set to an invalid non-positive value.')
  }
  const factor = topic.replicationFactor === -1 ? rules.defaultReplicationFactor() : topic.replicationFactor
  if (factor > 1) {
    throw new KafkaError(
      'INVALID_REPLICATION_FACTOR',
      `Unable to replicate the partition ${factor} time(s): The target replication factor of ${factor} cannot be reached because only 1 broker(s) are registered.`,
    )
  }
  return here(topic.numPartitions === -1 ? rules.numPartitions() : topic.numPartitions, brokerId)
}

/** Replicas of the partitions from `has` up to the wanted count. */
export function placeNewPartitions(wanted: NewPartitions, has: number, factor: number, brokerId: number): number[][] {
  const additional = wanted.count - has
  if (wanted.assignments === null) return here(additional, brokerId)
  if (wanted.assignments.length !== additional) {
    throw new KafkaError(
      'INVALID_REPLICA_ASSIGNMENT',
      `Attempted to add ${additional} additional partition(s), but only ${wanted.assignments.length} assignment(s) were specified.`,
    )
  }
  return wanted.assignments.map(assignment => manualReplicas(assignment.brokerIds, brokerId, factor))
}

function here(count: number, brokerId: number): number[][] {
  if (count > mostPartitions) throw new KafkaError('POLICY_VIOLATION', 'Unable to perform excessively large batch operation.')
  return new Array<number[]>(count).fill([brokerId])
}

function placeManually(topic: NewTopic, brokerId: number): number[][] {
  if (topic.replicationFactor !== -1) {
    throw new KafkaError('INVALID_REQUEST', 'A manual partition assignment was specified, but replication factor was not set to -1.')
  }
  if (topic.numPartitions !== -1) {
    throw new KafkaError('INVALID_REQUEST', 'A manual partition assignment was specified, but numPartitions was not set to -1.')
  }
  const byIndex = new Map<number, number[]>()
  let factor: number | null = null
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (byIndex.has(partitionIndex)) {
      throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `Found multiple manual partition assignments for partition ${partitionIndex}`)
    }
    byIndex.set(partitionIndex, manualReplicas(brokerIds, brokerId, factor))
    factor = brokerIds.length
  }
  return Array.from({ length: byIndex.size }, (_, index) => {
    const replicas = byIndex.get(index)
    if (replicas !== undefined) return replicas
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence')
  })
}

/** Why these cannot be a partition's replicas; null when they can. */
export function assignmentProblem(brokerIds: readonly number[], self: number): KafkaError | null {
  try {
    manualReplicas(brokerIds, self, null)
    return null
  } catch (error) {
    if (error instanceof KafkaError) return error
    throw error
  }
}

function manualReplicas(brokerIds: readonly number[], self: number, factor: number | null): number[] {
  const refuse = (what: string) => {
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment includes ${what}`)
  }
  if (brokerIds.length === 0) refuse('an empty replica list.')
  const sorted = [...brokerIds].sort((a, b) => a - b)
  sorted.forEach((id, index) => {
    if (id !== self) refuse(`broker ${id}, but no such broker is registered.`)
    if (index > 0 && id === sorted[index - 1]) refuse(`the broker ${id} more than once.`)
  })
  if (factor !== null && brokerIds.length !== factor) {
    refuse(
      `a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`,
    )
  }
  return [...brokerIds]
}
