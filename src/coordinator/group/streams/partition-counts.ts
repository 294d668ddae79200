/**
 * The numbers of partitions of a topology's internal topics, by Kafka's rules: a repartition topic gets as many as the largest
 * source of the subtopology that writes it, copartitioned topics must have equal numbers, and a changelog has one for each task.
 */
import type { Subtopology, Topology } from './streams-records.ts'
import { invalid } from './topology.ts'

/** Why tasks cannot be assigned yet: Kafka's status in heartbeat responses. */
export type ConfigurationStatus = 'MISSING_SOURCE_TOPICS' | 'INCORRECTLY_PARTITIONED_TOPICS' | 'MISSING_INTERNAL_TOPICS'

/** The topics are not what the topology needs; not an error of the request. */
export class TopicConfigurationProblem extends Error {
  readonly status: ConfigurationStatus

  constructor(status: ConfigurationStatus, message: string) {
    super(message)
    this.name = 'TopicConfigurationProblem'
    this.status = status
  }
}

/** Of a topic that exists; undefined when it does not. */
type Existing = (topic: string) => number | undefined

/** By name of repartition and changelog topics. Throws TopicConfigurationProblem, and STREAMS_INVALID_TOPOLOGY when nothing could help. */
export function decidePartitionCounts({ subtopologies }: Topology, existing: Existing): Map<string, number> {
  const decided = new Map<string, number>()
  const count = (topic: string) => existing(topic) ?? decided.get(topic)
  for (const [topic, partitions] of repartitionCounts(subtopologies, existing)) decided.set(topic, partitions)
  const fixed = new Set<string>()
  for (const { repartitionSourceTopics } of subtopologies) {
    for (const { name, partitions } of repartitionSourceTopics) if (partitions !== 0) fixed.add(name)
  }
  const internal = new Set(decided.keys())
  for (const subtopology of subtopologies) {
    for (const group of copartitionGroupsOf(subtopology)) {
      for (const [topic, partitions] of enforce(group, fixed, internal, count)) decided.set(topic, partitions)
    }
  }
  for (const subtopology of subtopologies) {
    const tasks = taskCount(subtopology, count)
    for (const { name } of subtopology.stateChangelogTopics) decided.set(name, tasks)
  }
  return decided
}

/** As many as the largest source has partitions. */
export function taskCount(subtopology: Subtopology, count: Existing): number {
  let most = 0
  for (const topic of sourcesOf(subtopology)) {
    const partitions = count(topic)
    if (partitions === undefined) throw invalid(`Number of partitions is not set for topic: ${topic}`)
    most = Math.max(most, partitions)
  }
  return most
}

export function sourcesOf({ sourceTopics, repartitionSourceTopics }: Subtopology): string[] {
  return [...sourceTopics, ...repartitionSourceTopics.map(({ name }) => name)]
}

/** What the application fixed, and for the rest what the sources upstream lead to. */
function repartitionCounts(subtopologies: readonly Subtopology[], existing: Existing): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { repartitionSourceTopics } of subtopologies) {
    for (const { name, partitions } of repartitionSourceTopics) if (partitions !== 0) counts.set(name, partitions)
  }
  followSources(subtopologies, counts, existing)
  for (const { repartitionSinkTopics } of subtopologies) {
    if (repartitionSinkTopics.every(sink => counts.has(sink))) continue
    throw invalid(
      'Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.',
    )
  }
  for (const { repartitionSourceTopics } of subtopologies) {
    if (repartitionSourceTopics.every(({ name }) => counts.has(name))) continue
    throw invalid(
      'Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.',
    )
  }
  return counts
}

/**
 * Kafka goes through all subtopologies round after round, and gives the sinks of one their count as soon as it knows any of its sources.
 * With ten thousand of them in the wrong order that is ten thousand rounds. So here each is looked at once, in the very order in which
 * Kafka comes to know one of its sources, because the count depends on which of them are known by then.
 */
function followSources(subtopologies: readonly Subtopology[], counts: Map<string, number>, existing: Existing): void {
  const readers = new Map<string, number[]>()
  const queue = new Queue()
  const queued = new Set<number>()
  const enqueue = (round: number, index: number) => {
    if (!queued.has(index)) queue.push(round * subtopologies.length + index)
    queued.add(index)
  }
  for (const [index, subtopology] of subtopologies.entries()) {
    if (upstreamCount(subtopology, counts, existing) !== undefined) enqueue(0, index)
    for (const { name } of subtopology.repartitionSourceTopics) {
      const known = readers.get(name)
      if (known === undefined) readers.set(name, [index])
      else known.push(index)
    }
  }
  for (let turn = queue.shift(); turn !== undefined; turn = queue.shift()) {
    const index = turn % subtopologies.length
    const round = (turn - index) / subtopologies.length
    const subtopology = subtopologies[index]!
    for (const sink of subtopology.repartitionSinkTopics) {
      if (counts.has(sink)) continue
      counts.set(sink, upstreamCount(subtopology, counts, existing)!)
      for (const reader of readers.get(sink) ?? []) enqueue(reader > index ? round : round + 1, reader)
    }
  }
}

/** Numbers, the smallest first: a binary heap. */
class Queue {
  readonly #heap: number[] = []

  push(value: number): void {
    const heap = this.#heap
    let at = heap.push(value) - 1
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! > value; parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = value
  }

  shift(): number | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
      if (child >= heap.length || heap[child]! >= last) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function upstreamCount({ sourceTopics, repartitionSourceTopics }: Subtopology, counts: ReadonlyMap<string, number>, existing: Existing) {
  let most: number | undefined
  for (const { name } of repartitionSourceTopics) most = larger(most, counts.get(name))
  for (const name of sourceTopics) most = larger(most, existing(name))
  return most
}

function larger(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Math.max(one, other)
}

function copartitionGroupsOf({ copartitionGroups, sourceTopics, repartitionSourceTopics }: Subtopology): string[][] {
  return copartitionGroups.map(group => [
    ...new Set([
      ...group.sourceTopics.map(index => sourceTopics[index]!),
      ...group.repartitionSourceTopics.map(index => repartitionSourceTopics[index]!.name),
    ]),
  ])
}

/** What is joined has the same number of partitions: that of the topics that exist, else the fixed one, else the largest. */
function enforce(
  group: readonly string[],
  fixed: ReadonlySet<string>,
  internal: ReadonlySet<string>,
  count: Existing,
): Map<string, number> {
  const counts = new Map<string, number>()
  if (group.length === 0) return counts
  const of = (topic: string): number => {
    const partitions = count(topic)
    if (partitions === undefined) throw invalid(`Number of partitions is not set for topic: ${topic}`)
    return partitions
  }
  const repartition = group.filter(topic => internal.has(topic))
  const others = group.filter(topic => !internal.has(topic))
  const fixedHere = repartition.filter(topic => fixed.has(topic))
  const leading = others.length > 0 ? others : fixedHere
  const partitions = leading.length > 0 ? of(leading[0]!) : Math.max(...repartition.map(of))
  if (leading.some(topic => of(topic) !== partitions)) {
    const listed = (others.length > 0 ? others : repartition).sort().map(topic => `${topic}=${of(topic)}`)
    const message = `Following topics do not have the same number of partitions: [{${listed.join(', ')}}]`
    throw new TopicConfigurationProblem('INCORRECTLY_PARTITIONED_TOPICS', message)
  }
  for (const topic of repartition) {
    if (fixed.has(topic) && of(topic) !== partitions) {
      const message = `Number of partitions [${of(topic)}] of repartition topic [${topic}] doesn't match number of partitions [${partitions}] of the source topic.`
      throw new TopicConfigurationProblem('INCORRECTLY_PARTITIONED_TOPICS', message)
    }
    counts.set(topic, partitions)
  }
  return counts
}
