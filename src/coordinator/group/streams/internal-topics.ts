/** Compares a topology with the existing topics: how many tasks its subtopologies have, and which internal topics must be created. */
import type { GroupTopics } from '../group-topics.ts'
import { decidePartitionCounts, sourcesOf, TopicConfigurationProblem, taskCount } from './partition-counts.ts'
import type { Subtopology, TopicInfo, Topology } from './streams-records.ts'
import { compareText } from './tasks.ts'
import { invalid, requiredTopics } from './topology.ts'

/** A few kilobytes can tell of millions: many subtopologies that read one topic with many partitions. */
const mostTasks = 100_000

/** As CreateTopics has it. */
export interface StreamsInternalTopic {
  name: string
  numPartitions: number
  replicationFactor: number
  configs: { name: string; value: string }[]
}

export interface ConfiguredSubtopology {
  taskCount: number
  /** Has state, so that copies of it are worth something. */
  stateful: boolean
  sources: readonly string[]
  subtopology: Subtopology
  /** With partition counts decided. */
  repartitionSourceTopics: readonly TopicInfo[]
  stateChangelogTopics: readonly TopicInfo[]
}

export interface ConfiguredTopology {
  topologyEpoch: number
  /** In the order of their ids; null: nothing is known of them. */
  subtopologies: ReadonlyMap<string, ConfiguredSubtopology> | null
  missingInternalTopics: readonly StreamsInternalTopic[]
  /** null: tasks can be assigned. */
  problem: TopicConfigurationProblem | null
}

/** Throws STREAMS_INVALID_TOPOLOGY when no topics could help. */
export function configureTopology(topology: Topology, topics: GroupTopics): ConfiguredTopology {
  const topologyEpoch = topology.epoch
  const existing = (name: string) => topics.topic(name)?.partitionCount
  try {
    const missingSources = new Set(topology.subtopologies.flatMap(({ sourceTopics }) => sourceTopics.filter(name => !existing(name))))
    if (missingSources.size > 0) {
      const message = `Source topics ${summary([...missingSources].sort(compareText))} are missing.`
      throw new TopicConfigurationProblem('MISSING_SOURCE_TOPICS', message)
    }
    const counts = decidePartitionCounts(topology, existing)
    const subtopologies = configureAll(topology, counts, existing)
    const missingInternalTopics = missing(topology, subtopologies, existing)
    const problem =
      missingInternalTopics.length === 0
        ? null
        : new TopicConfigurationProblem(
            'MISSING_INTERNAL_TOPICS',
            `Internal topics are missing: ${summary(missingInternalTopics.map(({ name }) => name))}`,
          )
    return { topologyEpoch, subtopologies, missingInternalTopics, problem }
  } catch (error) {
    if (!(error instanceof TopicConfigurationProblem)) throw error
    return { topologyEpoch, subtopologies: null, missingInternalTopics: [], problem: error }
  }
}

function configureAll(
  { subtopologies }: Topology,
  counts: ReadonlyMap<string, number>,
  existing: (name: string) => number | undefined,
): Map<string, ConfiguredSubtopology> {
  const configured = new Map<string, ConfiguredSubtopology>()
  const decided = (infos: readonly TopicInfo[]) =>
    infos.map(info => ({ ...info, partitions: info.partitions === 0 ? counts.get(info.name)! : info.partitions }))
  for (const subtopology of [...subtopologies].sort((a, b) => compareText(a.subtopologyId, b.subtopologyId))) {
    configured.set(subtopology.subtopologyId, {
      taskCount: taskCount(subtopology, name => existing(name) ?? counts.get(name)),
      stateful: subtopology.stateChangelogTopics.length > 0,
      sources: sourcesOf(subtopology),
      subtopology,
      repartitionSourceTopics: decided(subtopology.repartitionSourceTopics),
      stateChangelogTopics: decided(subtopology.stateChangelogTopics),
    })
  }
  let tasks = 0
  for (const { taskCount } of configured.values()) tasks += taskCount
  if (tasks > mostTasks) throw invalid(`The topology has ${tasks} tasks; at most ${mostTasks} are allowed.`)
  return configured
}

function missing(
  topology: Topology,
  subtopologies: ReadonlyMap<string, ConfiguredSubtopology>,
  existing: (name: string) => number | undefined,
): StreamsInternalTopic[] {
  const expected = new Map<string, StreamsInternalTopic>()
  for (const { repartitionSourceTopics, stateChangelogTopics } of subtopologies.values()) {
    for (const info of [...repartitionSourceTopics, ...stateChangelogTopics]) expected.set(info.name, creatable(info))
  }
  for (const name of requiredTopics(topology)) {
    const found = existing(name)
    const internal = expected.get(name)
    if (found === undefined || internal === undefined) continue
    if (found !== internal.numPartitions) {
      const message = `Existing topic ${name} has different number of partitions: expected ${internal.numPartitions}, found ${found}`
      throw new TopicConfigurationProblem('INCORRECTLY_PARTITIONED_TOPICS', message)
    }
    expected.delete(name)
  }
  return [...expected.values()]
}

function creatable({ name, partitions, replicationFactor, topicConfigs }: TopicInfo): StreamsInternalTopic {
  return {
    name,
    numPartitions: partitions,
    replicationFactor: replicationFactor === 0 ? -1 : replicationFactor,
    configs: topicConfigs.map(({ key, value }) => ({ name: key, value })),
  }
}

const mostNamed = 3

function summary(names: readonly string[]): string {
  const more = names.length - mostNamed
  return names.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} additional topics` : '')
}
