/** A coordinator's internal topic, found and created through the cluster metadata, and the other partitions that coordinators write to. */
import type { ClusterMetadata, InternalTopic, InternalTopicName } from '../../coordinator.ts'
import type { PartitionLog } from '../../log.ts'
import { KafkaError } from '../../protocol.ts'

export function internalTopic(metadata: ClusterMetadata, name: InternalTopicName): InternalTopic {
  return {
    name,
    partitionCount: () => metadata.topic(name)?.partitions.length ?? null,
    partitionLog: partition => metadata.partitionByName(name, partition) ?? null,
    isArriving: partition => (metadata.topic(name)?.partitions[partition]?.arrival ?? null) !== null,
    follow({ opened, closed }) {
      metadata.subscribe({
        partitionOpened: (topic, partition) => topic.name === name && opened(partition),
        partitionClosed: (topic, partition) => topic.name === name && closed(partition),
      })
    },
    ensure: () => metadata.ensureInternalTopic(name),
  }
}

/** null: there is no such partition. Throws NOT_LEADER_OR_FOLLOWER when another broker leads it: what was to be written there is not lost. */
export function ledPartition(metadata: ClusterMetadata, topic: string, partition: number): PartitionLog | null {
  const known = metadata.topic(topic)?.partitions[partition]
  if (known === undefined || known.log !== null) return known?.log ?? null
  throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${known.leader} leads ${topic}-${partition}.`)
}
