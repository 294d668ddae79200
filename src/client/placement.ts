/** Which brokers a partition is on, and which of them leads it: reassignments (KIP-455) and elections (KIP-460). */
import { apis, type ErrorName, errorName } from '../protocol.ts'
import type { PartitionName, PartitionPlace } from './administration.ts'
import { type Requests, refuse } from './requests.ts'
import { refusePartition } from './topics.ts'
import type { Reassignment } from './types.ts'

const preferred = 0

export async function reassign(requests: Requests, places: readonly PartitionPlace[]): Promise<void> {
  const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, some]) => ({
    name,
    partitions: some.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas: [...replicas] })),
  }))
  const response = await requests.ask(apis.alterPartitionReassignments, { topics })
  refuse(response.errorCode, response.errorMessage)
  for (const { name, partitions } of response.responses)
    for (const { partitionIndex, errorCode } of partitions) refusePartition(name, partitionIndex, errorCode)
}

export async function reassignments(requests: Requests): Promise<Reassignment[]> {
  const { errorCode, errorMessage, topics } = await requests.ask(apis.listPartitionReassignments, { topics: null })
  refuse(errorCode, errorMessage)
  return topics.flatMap(({ name: topic, partitions }) =>
    partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      ...{ topic, partition: partitionIndex, replicas: [...replicas] },
      ...{ adding: [...addingReplicas], removing: [...removingReplicas] },
    })),
  )
}

export async function electPreferred(requests: Requests, partitions: readonly PartitionName[]): Promise<void> {
  const topicPartitions = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, some]) => ({
    topic,
    partitions: some.map(({ partition }) => partition),
  }))
  const response = await requests.ask(apis.electLeaders, { electionType: preferred, topicPartitions })
  refuse(response.errorCode)
  const needless: ErrorName = 'ELECTION_NOT_NEEDED'
  for (const { topic, partitionResult } of response.replicaElectionResults) {
    for (const { partitionId, errorCode } of partitionResult)
      if (errorName(errorCode) !== needless) refusePartition(topic, partitionId, errorCode)
  }
}
