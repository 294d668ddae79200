/** Topics, partition leaders and offsets, with our own requests, because the library hides internal topics. */
import { pause, toInt64 } from '../base.ts'
import { ClientError } from '../channel.ts'
import { apis, errorName, errorText, type MessageOf, type Uuid, zeroUuid } from '../protocol.ts'
import type { Client } from './client.ts'
import { sourceName } from './configs.ts'
import { type Ask, type Requests, refuse } from './requests.ts'
import type { ConfigEntry, NewTopicSpec, OffsetQuery, PartitionInfo, TopicInfo } from './types.ts'

type TopicMetadata = MessageOf<typeof apis.metadata.response>['topics'][number]

const listOffsetsFrom = { latest: -1n, stable: -1n, earliest: -2n }
const committed = 1

export function topicMethods(
  ask: Ask,
): Pick<Client, 'topicNames' | 'topics' | 'createTopic' | 'deleteTopics' | 'setPartitions' | 'offsets'> {
  return {
    topicNames: () => ask(topicNames),
    topics: names => ask(requests => describeTopics(requests, names)),
    createTopic: topic =>
      ask(async requests => {
        const created = await createTopic(requests, topic)
        if (topic.validateOnly !== true) await untilKnown(requests, topic.name)
        return created
      }),
    deleteTopics: names => ask(requests => deleteTopics(requests, names)),
    setPartitions: (name, count) => ask(requests => setPartitions(requests, name, count)),
    offsets: (topic, partitions, query) => ask(requests => listOffsets(requests, topic, partitions, query)),
  }
}

async function topicNames(requests: Requests): Promise<string[]> {
  return (await requests.metadata('all')).map(({ name }) => name!).sort()
}

async function describeTopics(requests: Requests, names: readonly string[] | 'all'): Promise<TopicInfo[]> {
  if (names.length === 0) return []
  const found = new Map((await requests.metadata(names)).map(topic => [topic.name!, topic]))
  return (names === 'all' ? [...found.keys()].sort() : names).map(name => topicInfo(name, found.get(name)))
}

async function createTopic(
  requests: Requests,
  { name, partitions, replicas, assignments, configs, validateOnly = false }: NewTopicSpec,
): Promise<{ partitions: number; replicas: number; configs: ConfigEntry[] }> {
  const topic = {
    name,
    numPartitions: partitions ?? -1,
    replicationFactor: replicas ?? -1,
    assignments: Array.from(assignments ?? [], ([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds: [...brokerIds] })),
    configs: Array.from(configs ?? [], ([key, value]) => ({ name: key, value })),
  }
  const { topics } = await requests.ask(apis.createTopics, { topics: [topic], validateOnly })
  const created = topics[0]!
  refuse(created.errorCode, created.errorMessage)
  const all = (created.configs ?? []).map(({ name: key, value, configSource, readOnly, isSensitive }) => ({
    ...{ name: key, value, source: sourceName(configSource), readOnly, sensitive: isSensitive },
    ...{ type: 'UNKNOWN', documentation: null, synonyms: [] },
  }))
  return { partitions: created.numPartitions, replicas: created.replicationFactor, configs: all.sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

const timeoutMs = 30_000
/** Later versions name topics in another way. */
const newestWithNames = 5

async function deleteTopics(requests: Requests, names: readonly string[]): Promise<void> {
  const { responses } = await requests.ask(apis.deleteTopics, { topicNames: [...names], timeoutMs }, 'any', newestWithNames)
  for (const { errorCode, errorMessage } of responses) refuse(errorCode, errorMessage)
}

async function setPartitions(requests: Requests, name: string, count: number): Promise<void> {
  const topics = [{ name, count, assignments: null }]
  const { results } = await requests.ask(apis.createPartitions, { topics, timeoutMs, validateOnly: false })
  for (const { errorCode, errorMessage } of results) refuse(errorCode, errorMessage)
}

const knownWithinMs = 5_000
const lookAgainMs = 20

/**
 * The brokers of Apache Kafka hear of a topic a moment after it was made, and until then say that there is none. Resolves in any case: the topic is made, and
 * only who uses it at once would notice.
 */
async function untilKnown(requests: Requests, name: string): Promise<void> {
  const { clock } = requests.system
  const deadlineMs = clock.monotonic() + knownWithinMs
  while (clock.monotonic() < deadlineMs) {
    const found = await requests.metadata([name]).catch(() => null)
    const problem = found === null ? 'NONE' : errorName(found[0]?.errorCode ?? 0)
    if (problem !== 'UNKNOWN_TOPIC_OR_PARTITION' && problem !== 'LEADER_NOT_AVAILABLE') return
    await pause(requests.system, lookAgainMs)
  }
}

function topicInfo(name: string, topic: TopicMetadata | undefined): TopicInfo {
  const problem = topic === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : errorName(topic.errorCode)
  if (problem === 'UNKNOWN_TOPIC_OR_PARTITION') throw new ClientError(problem, `topic not found: ${name}`)
  if (problem !== 'NONE') throw new ClientError(problem, `${name}: ${errorText(problem)}`)
  const partitions = topic!.partitions.map(
    ({ partitionIndex, leaderId, replicaNodes, isrNodes }): PartitionInfo => ({
      partition: partitionIndex,
      leader: leaderId,
      replicas: [...replicaNodes],
      isr: [...isrNodes],
    }),
  )
  return {
    name,
    id: kafkaUuid(topic!.topicId),
    isInternal: topic!.isInternal,
    partitions: partitions.sort((a, b) => a.partition - b.partition),
  }
}

/** As Kafka's tools print it; empty where the cluster is too old for ids. */
function kafkaUuid(id: Uuid): string {
  return id === zeroUuid ? '' : id
}

/** Who leads each of these partitions; throws when one has no leader. */
export async function leaders(
  requests: Requests,
  topic: string,
  partitions: readonly number[],
): Promise<{ info: TopicInfo; byLeader: Map<number, number[]> }> {
  const [info] = await describeTopics(requests, [topic])
  const known = new Map(info!.partitions.map(each => [each.partition, each.leader]))
  const byLeader = Map.groupBy(partitions, partition => {
    const leader = known.get(partition)
    if (leader === undefined) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `partition not found: ${topic}-${partition}`)
    if (leader < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
    return leader
  })
  return { info: info!, byLeader }
}

/** The first offset from a time on, where there is one, else the end. */
async function listOffsets(
  requests: Requests,
  topic: string,
  partitions: readonly number[],
  query: OffsetQuery,
): Promise<Map<number, bigint>> {
  const timestamp = toInt64(typeof query === 'string' ? listOffsetsFrom[query] : query.timestampMs)
  const offsets = new Map<number, bigint>()
  const isolationLevel = query === 'stable' ? committed : 0
  const { byLeader } = await leaders(requests, topic, partitions)
  for (const [node, wanted] of byLeader) {
    const asked = { name: topic, partitions: wanted.map(partitionIndex => ({ partitionIndex, timestamp })) }
    const response = await requests.ask(apis.listOffsets, { replicaId: -1, isolationLevel, topics: [asked] }, { node })
    for (const { partitionIndex, errorCode, offset } of response.topics[0]?.partitions ?? []) {
      refusePartition(topic, partitionIndex, errorCode)
      offsets.set(partitionIndex, BigInt(offset))
    }
  }
  const beyond = partitions.filter(partition => offsets.get(partition) === -1n)
  if (typeof query !== 'string' && beyond.length > 0) {
    for (const [partition, end] of await listOffsets(requests, topic, beyond, 'latest')) offsets.set(partition, end)
  }
  return offsets
}

export function refusePartition(topic: string, partition: number, code: number): void {
  if (code === 0) return
  const name = errorName(code)
  throw new ClientError(name, `${topic}-${partition}: ${errorText(name)}`)
}
