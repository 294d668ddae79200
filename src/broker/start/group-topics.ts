/** Implements the view of topics that groups need, on the cluster metadata. */
import type { System } from '../../base.ts'
import type { ClusterMetadata, GroupTopics } from '../../coordinator.ts'

export function groupTopics(metadata: ClusterMetadata, system: System): GroupTopics {
  // Higher than any value that an earlier run of this broker stored with a group.
  let version = system.clock.now()
  const changed = () => {
    version++
  }
  metadata.subscribe({ topicCreated: changed, topicDeleted: changed, partitionsAdded: changed })
  return {
    get version() {
      return version
    },
    topic(name) {
      const topic = metadata.topic(name)
      return topic === undefined ? undefined : { id: topic.id, partitionCount: topic.partitions.length }
    },
    name: id => metadata.topicName(id),
    *names() {
      for (const { name } of metadata.topics()) yield name
    },
  }
}
