/** One fetch from one broker, at given positions of any topics, whether these are known by id or by name. */
import { toInt64 } from '../base.ts'
import { apis, type ErrorName, type MessageOf, type Uuid } from '../protocol.ts'
import { type Requests, refuse } from './requests.ts'
import type { PartitionOffset, PollOptions } from './types.ts'

/** The leader is another one by now, or there is none for the moment. */
export const moved: ReadonlySet<string> = new Set<ErrorName>([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'UNKNOWN_TOPIC_ID',
])

export type FetchedPartition = MessageOf<typeof apis.fetch.response>['responses'][number]['partitions'][number]

export interface Fetched {
  topic: string
  partition: number
  from: bigint
  fetched: FetchedPartition
}

/** `idOf`: '' where topics have no ids. */
export async function fetchPositions(
  requests: Requests,
  node: number,
  wanted: readonly PartitionOffset[],
  idOf: (topic: string) => string,
  { maxWaitMs, maxBytes, committedOnly, maxBytesPerPartition }: Omit<PollOptions, 'positions'> & { maxBytesPerPartition: number },
): Promise<Fetched[]> {
  const topics = Array.from(
    Map.groupBy(wanted, each => each.topic),
    ([topic, positions]) => {
      const id = idOf(topic)
      const partitions = positions.map(({ partition, offset }) => ({
        partition,
        fetchOffset: toInt64(offset),
        partitionMaxBytes: Math.min(maxBytes, maxBytesPerPartition),
      }))
      return { topic, ...(id === '' ? {} : { topicId: id as Uuid }), partitions }
    },
  )
  const hasIds = topics.every(each => each.topicId !== undefined)
  const isolationLevel = committedOnly === true ? 1 : 0
  const request = { maxWaitMs, minBytes: 1, maxBytes, isolationLevel, topics, forgottenTopicsData: [] }
  const response = await requests.ask(apis.fetch, request, { node }, hasIds ? apis.fetch.maxVersion : 12)
  refuse(response.errorCode)
  const names = new Map(topics.map(each => [each.topicId as string | undefined, each.topic]))
  const offsets = new Map(wanted.map(each => [`${each.topic} ${each.partition}`, each.offset]))
  return response.responses.flatMap(({ topic: name, topicId, partitions }) => {
    const topic = name !== undefined && name !== '' ? name : names.get(topicId)!
    return partitions.map((fetched: FetchedPartition) => {
      const partition = fetched.partitionIndex
      return { topic, partition, from: offsets.get(`${topic} ${partition}`)!, fetched }
    })
  })
}
