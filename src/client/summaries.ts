/** What lists of topics show, with few requests however many topics there are. */
import { toInt64 } from '../base.ts'
import { ClientError } from '../channel.ts'
import { apis, errorName } from '../protocol.ts'
import type { PartitionName, ProducerPlace } from './administration.ts'
import type { Client } from './client.ts'
import { type Ask, type Requests, refuse } from './requests.ts'
import type { ReplicaSize, TopicState } from './types.ts'

export function summaryMethods(ask: Ask): Pick<Client, 'topicStates' | 'replicaSizes' | 'manyOffsets' | 'manyProducers' | 'deleteRecords'> {
  return {
    topicStates: () => ask(topicStates),
    replicaSizes: (topic, partitions) => ask(each => replicaSizes(each, topic, partitions)),
    manyOffsets: (partitions, query) => ask(each => manyOffsets(each, partitions, query)),
    manyProducers: partitions => ask(each => manyProducers(each, partitions)),
    deleteRecords: (topic, before) => ask(each => deleteRecords(each, topic, before)),
  }
}

/** One request for all topics. */
async function topicStates(requests: Requests): Promise<TopicState[]> {
  const topics = await requests.metadata('all')
  return topics
    .map(({ name, isInternal, partitions }) => ({
      name: name!,
      internal: isInternal,
      partitions: partitions.length,
      replicas: partitions[0]?.replicaNodes.length ?? 0,
      underReplicated: partitions.filter(each => each.isrNodes.length < each.replicaNodes.length).length,
      offline: partitions.filter(each => each.leaderId < 0).length,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** One request for each leader; without partitions that have none, or that are gone. */
async function manyOffsets(
  requests: Requests,
  names: readonly PartitionName[],
  query: 'earliest' | 'latest' | 'stable',
): Promise<Map<string, Map<number, bigint>>> {
  const offsets = new Map<string, Map<number, bigint>>()
  if (names.length === 0) return offsets
  const byLeader = await ledBy(requests, names)
  const timestamp = toInt64(query === 'earliest' ? -2n : -1n)
  const isolationLevel = query === 'stable' ? 1 : 0
  const ask = async ([node, led]: [number, Map<string, number[]>]) => {
    const topics = Array.from(led, ([name, some]) => ({ name, partitions: some.map(partitionIndex => ({ partitionIndex, timestamp })) }))
    const response = await requests.ask(apis.listOffsets, { replicaId: -1, isolationLevel, topics }, { node })
    for (const { name, partitions } of response.topics) {
      const found = new Map(partitions.filter(each => each.errorCode === 0).map(each => [each.partitionIndex, BigInt(each.offset)]))
      offsets.set(name, new Map([...(offsets.get(name) ?? []), ...found]))
    }
  }
  await Promise.all(Array.from(byLeader, ask))
  return offsets
}

/** By leader and topic; without partitions that have none, or that are gone. */
async function ledBy(requests: Requests, names: readonly PartitionName[]): Promise<Map<number, Map<string, number[]>>> {
  const wanted = Map.groupBy(names, each => each.topic)
  const byLeader = new Map<number, Map<string, number[]>>()
  for (const { name, partitions } of await requests.metadata([...wanted.keys()])) {
    const asked = new Set(wanted.get(name!)!.map(each => each.partition))
    for (const { partitionIndex, leaderId } of partitions) {
      if (leaderId < 0 || !asked.has(partitionIndex)) continue
      const led = byLeader.get(leaderId) ?? new Map<string, number[]>()
      byLeader.set(leaderId, led)
      if (led.has(name!)) led.get(name!)!.push(partitionIndex)
      else led.set(name!, [partitionIndex])
    }
  }
  return byLeader
}

/** One request for each leader; without partitions that do not tell. */
async function manyProducers(requests: Requests, names: readonly PartitionName[]): Promise<(PartitionName & ProducerPlace)[]> {
  if (names.length === 0) return []
  const asking = Array.from(await ledBy(requests, names), async ([node, led]) => {
    const topics = Array.from(led, ([name, partitionIndexes]) => ({ name, partitionIndexes }))
    const response = await requests.ask(apis.describeProducers, { topics }, { node })
    return response.topics.flatMap(({ name: topic, partitions }) =>
      partitions.flatMap(({ partitionIndex: partition, activeProducers }) =>
        activeProducers.map(({ producerId, producerEpoch, lastSequence }) => ({
          topic,
          partition,
          producerId,
          producerEpoch,
          lastSequence,
        })),
      ),
    )
  })
  return (await Promise.all(asking)).flat()
}

/** Of one topic, as every broker has it on its disks. */
async function replicaSizes(requests: Requests, topic: string, partitions: readonly number[]): Promise<ReplicaSize[]> {
  const sizes: ReplicaSize[] = []
  for (const broker of await requests.nodes()) {
    const request = { topics: [{ topic, partitions: [...partitions] }] }
    const { errorCode, results } = await requests.ask(apis.describeLogDirs, request, { node: broker })
    refuse(errorCode)
    for (const { logDir: directory, topics } of results)
      for (const found of topics)
        for (const { partitionIndex: partition, partitionSize, isFutureKey } of found.partitions)
          if (!isFutureKey) sizes.push({ broker, partition, bytes: BigInt(partitionSize), directory })
  }
  return sizes
}

/** Deletes all records before these offsets, by partition. */
async function deleteRecords(requests: Requests, topic: string, before: ReadonlyMap<number, bigint>): Promise<void> {
  for (const [partition, offset] of before) {
    const asked = { name: topic, partitions: [{ partitionIndex: partition, offset: toInt64(offset) }] }
    const response = await requests.ask(apis.deleteRecords, { topics: [asked], timeoutMs: 30_000 }, { leaderOf: topic, partition })
    const code = response.topics[0]?.partitions[0]?.errorCode ?? 0
    if (code !== 0) throw new ClientError(errorName(code), `${topic}-${partition}: ${errorName(code)}`)
  }
}
