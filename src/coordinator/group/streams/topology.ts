/** The topology of a streams application as its members send it: the topics it needs, and its validation. */
import { KafkaError } from '../../../protocol.ts'
import type { Subtopology, Topology } from './streams-records.ts'

/** The topology is part of each group's state, and looked at as a whole. The largest applications have some hundred. */
const mostSubtopologies = 2_000

/** Throws INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY. */
export function checkTopology({ epoch, subtopologies }: Topology): void {
  if (epoch < 0) throw new KafkaError('INVALID_REQUEST', 'Topology epoch must be non-negative.')
  if (subtopologies.length > mostSubtopologies) {
    throw invalid(`The topology has ${subtopologies.length} subtopologies; at most ${mostSubtopologies} are allowed.`)
  }
  const ids = new Set<string>()
  for (const subtopology of subtopologies) {
    const { subtopologyId, sourceTopicRegex, stateChangelogTopics, sourceTopics, repartitionSourceTopics } = subtopology
    if (sourceTopicRegex.length > 0) {
      throw new KafkaError('INVALID_REQUEST', 'Regular expressions for source topics are not supported yet.')
    }
    if (ids.has(subtopologyId)) throw invalid(`Subtopology ${subtopologyId} occurs twice.`)
    ids.add(subtopologyId)
    for (const { name, partitions } of stateChangelogTopics) {
      if (partitions === 0) continue
      throw invalid(`Changelog topic ${name} must have an undefined partition count, but it is set to ${partitions}.`)
    }
    for (const { name, partitions } of repartitionSourceTopics) {
      if (partitions < 0) throw invalid(`Repartition topic ${name} cannot have ${partitions} partitions.`)
    }
    if (sourceTopics.length + repartitionSourceTopics.length === 0) {
      throw invalid(`No source topics found for subtopology ${subtopologyId}`)
    }
    checkCopartitionGroups(subtopology)
  }
}

/** Kafka trusts the indexes, and fails later. */
function checkCopartitionGroups({ subtopologyId, copartitionGroups, sourceTopics, repartitionSourceTopics }: Subtopology): void {
  const within = (indexes: readonly number[], length: number) => indexes.every(index => index >= 0 && index < length)
  for (const group of copartitionGroups) {
    if (within(group.sourceTopics, sourceTopics.length) && within(group.repartitionSourceTopics, repartitionSourceTopics.length)) continue
    throw invalid(`A copartition group of subtopology ${subtopologyId} names a topic that the subtopology does not have.`)
  }
}

/** Sources, repartition topics and changelogs. */
export function requiredTopics({ subtopologies }: Topology): Set<string> {
  const names = new Set<string>()
  for (const { sourceTopics, repartitionSourceTopics, stateChangelogTopics } of subtopologies) {
    for (const name of sourceTopics) names.add(name)
    for (const { name } of repartitionSourceTopics) names.add(name)
    for (const { name } of stateChangelogTopics) names.add(name)
  }
  return names
}

/** Which subtopology reads a topic. */
export function subtopologyBySource({ subtopologies }: Topology): Map<string, string> {
  const readers = new Map<string, string>()
  for (const { subtopologyId, sourceTopics, repartitionSourceTopics } of subtopologies) {
    for (const name of sourceTopics) readers.set(name, subtopologyId)
    for (const { name } of repartitionSourceTopics) readers.set(name, subtopologyId)
  }
  return readers
}

/** The order of subtopologies is of no concern. */
export function sameTopology(one: Topology, other: Topology): boolean {
  if (one.epoch !== other.epoch || one.subtopologies.length !== other.subtopologies.length) return false
  const others = new Map(other.subtopologies.map(subtopology => [subtopology.subtopologyId, plain(subtopology)]))
  return one.subtopologies.every(subtopology => others.get(subtopology.subtopologyId) === plain(subtopology))
}

function plain(subtopology: Subtopology): string {
  const { subtopologyId, sourceTopics, sourceTopicRegex, stateChangelogTopics, repartitionSinkTopics } = subtopology
  const { repartitionSourceTopics, copartitionGroups } = subtopology
  const topics = (infos: Subtopology['stateChangelogTopics']) =>
    infos.map(({ name, partitions, replicationFactor, topicConfigs }) => [
      name,
      partitions,
      replicationFactor,
      topicConfigs.map(({ key, value }) => [key, value]),
    ])
  return JSON.stringify([
    subtopologyId,
    sourceTopics,
    sourceTopicRegex,
    topics(stateChangelogTopics),
    repartitionSinkTopics,
    topics(repartitionSourceTopics),
    copartitionGroups.map(group => [group.sourceTopics, group.sourceTopicRegex, group.repartitionSourceTopics]),
  ])
}

export function invalid(message: string): KafkaError {
  return new KafkaError('STREAMS_INVALID_TOPOLOGY', message)
}
