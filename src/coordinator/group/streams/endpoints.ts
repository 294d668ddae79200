/** Which member of a streams group answers interactive queries for which partitions (PartitionsByUserEndpoint). */
import type { GroupTopics } from '../group-topics.ts'
import type { StreamsHeartbeatResponse } from './heartbeat-request.ts'
import type { ConfiguredTopology } from './internal-topics.ts'
import type { StreamsMember } from './member.ts'
import { type ActiveTasks, listOf, type Tasks } from './tasks.ts'

type PartitionsByEndpoint = NonNullable<StreamsHeartbeatResponse['partitionsByUserEndpoint']>[number]
type TopicPartitions = { topic: string; partitions: number[] }[]

export function partitionsByEndpoint(
  members: Iterable<StreamsMember>,
  configured: ConfiguredTopology,
  topics: GroupTopics,
): PartitionsByEndpoint[] {
  const endpoints: PartitionsByEndpoint[] = []
  for (const { userEndpoint, assigned } of members) {
    if (userEndpoint === null) continue
    endpoints.push({
      userEndpoint,
      activePartitions: partitionsOf(assigned.active, configured, topics),
      standbyPartitions: partitionsOf(merged(assigned.standby, assigned.warmup), configured, topics),
    })
  }
  return endpoints
}

/** A task reads the partition of its number of each source that has one. */
function partitionsOf(tasks: Tasks | ActiveTasks, { subtopologies }: ConfiguredTopology, topics: GroupTopics): TopicPartitions {
  const lists: TopicPartitions = []
  for (const { subtopologyId, partitions } of listOf(tasks)) {
    for (const topic of subtopologies?.get(subtopologyId)?.sources ?? []) {
      const count = topics.topic(topic)?.partitionCount ?? 0
      const read = partitions.filter(partition => partition < count)
      if (read.length > 0) lists.push({ topic, partitions: read })
    }
  }
  return lists
}

function merged(one: Tasks, other: Tasks): Tasks {
  if (other.size === 0) return one
  const tasks = new Map(one)
  for (const [id, partitions] of other) tasks.set(id, new Set([...(tasks.get(id) ?? []), ...partitions]))
  return tasks
}
