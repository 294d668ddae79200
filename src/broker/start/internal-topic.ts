/** A coordinator's internal topic, found and created through the cluster metadata. */
import type { ClusterMetadata, InternalTopic, InternalTopicName } from '../../coordinator.ts'

export function internalTopic(metadata: ClusterMetadata, name: InternalTopicName): InternalTopic {
  return {
    name,
    partitionCount: () => metadata.topic(name)?.partitions.length ?? null,
    partitionLog: partition => metadata.partitionByName(name, partition) ?? null,
    ensure: () => metadata.ensureInternalTopic(name),
  }
}
