/** Which member of a streams group answers interactive queries for which partitions (PartitionsByUserEndpoint). */
import type { GroupTopics } from '../group-topics.ts'
import type { StreamsHeartbeatResponse } from './heartbeat-request.ts'
import type { ConfiguredTopology } from './internal-topics.ts'
import type { StreamsMember } from './member.ts'
import { type ActiveTasks, listOf, type Tasks } from './tasks.ts'

type PartitionsByEndpoint = NonNullable<StreamsHeartbeatResponse['partitionsByUserEndpoint']>[number]
type TopicPartitions = { topic: string; partitions: number[] }[]

/** All endpoints are sent to members again and again, and rarely change: the result is cached for as long as both values live. */
export class Endpoints {
  readonly #known = new WeakMap<ConfiguredTopology, WeakMap<StreamsMember, PartitionsByEndpoint>>()
  readonly #topics: GroupTopics

  constructor(topics: GroupTopics) {
    this.#topics = topics
  }

  /** Members that do not answer queries are not included. */
  of(members: Iterable<StreamsMember>, configured: ConfiguredTopology): PartitionsByEndpoint[] {
    let known = this.#known.get(configured)
    if (known === undefined) this.#known.set(configured, (known = new WeakMap()))
    const endpoints: PartitionsByEndpoint[] = []
    for (const member of members) {
      const { userEndpoint, assigned } = member
      if (userEndpoint === null) continue
      let endpoint = known.get(member)
      if (endpoint === undefined) {
        endpoint = {
          userEndpoint,
          activePartitions: partitionsOf(assigned.active, configured, this.#topics),
          standbyPartitions: partitionsOf(merged(assigned.standby, assigned.warmup), configured, this.#topics),
        }
        known.set(member, endpoint)
      }
      endpoints.push(endpoint)
    }
    return endpoints
  }
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
