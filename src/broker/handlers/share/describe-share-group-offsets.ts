/**
 * DescribeShareGroupOffsets, v0–1 (KIP-932): the positions of share groups in their partitions; v1 also returns the lag
 * (KIP-1226). Without topics, returns those that the group has ever been assigned and the caller may describe. As in Kafka, an unknown
 * partition, topic or group is not an error; it has no position.
 */
import { inSlices } from '../../../base.ts'
import type { InitializedTopics } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, type MessageOf, toKafkaError, zeroUuid } from '../../../protocol.ts'
import { distinct, distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { shareStanding } from '../../share/share-lag.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { fine, outcomeOf } from './share-requests.ts'

type RequestGroup = MessageOf<typeof apis.describeShareGroupOffsets.request>['groups'][number]
type ResponseGroup = InputOf<typeof apis.describeShareGroupOffsets.response>['groups'][number]
type ResponsePartition = ResponseGroup['topics'][number]['partitions'][number]

export const describeShareGroupOffsets = defineHandler<typeof apis.describeShareGroupOffsets>({
  api: apis.describeShareGroupOffsets,
  versions: [0, 1],
  access: [
    ['GROUP', 'DESCRIBE'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost: manyThings(function* (request) {
    request.groups = yield* distinct(request.groups, group => group.groupId)
    for (const group of request.groups) {
      if (group.topics !== null) group.topics = yield* distinctPairs(group.topics, topic => topic.topicName, 'partitions')
    }
  }),
  async handle(request, context) {
    return { throttleTimeMs: 0, groups: await inSlices(context.broker.turns, request.groups, group => describe(group, context)) }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, groups: yield* resultsOf(request.groups, ({ groupId }) => ({ groupId, topics: [], ...outcomeOf(error) })) }
  },
})

async function describe({ groupId, topics }: RequestGroup, context: RequestContext): Promise<ResponseGroup> {
  try {
    requireGroup(context, 'DESCRIBE', groupId)
    const initialized = await context.broker.groups.shareGroupTopics(groupId)
    const asked =
      topics?.map(({ topicName, partitions }) => ({ topicName, partitions })) ??
      Array.from(initialized.values(), ({ name, partitions }) => ({ topicName: name, partitions: [...partitions] })).filter(
        ({ topicName }) => context.broker.metadata.topicId(topicName) !== undefined && context.allowed('DESCRIBE', 'TOPIC', topicName),
      )
    const { turns, metadata } = context.broker
    const described = await inSlices(turns, asked, async ({ topicName, partitions }) => ({
      topicName,
      topicId: metadata.topicId(topicName) ?? zeroUuid,
      partitions: await inSlices(turns, partitions, index => standing(groupId, topicName, index, initialized, context)),
    }))
    return { groupId, topics: described, ...fine }
  } catch (error) {
    return { groupId, topics: [], ...outcomeOf(toKafkaError(error)) }
  }
}

const nowhere = { startOffset: -1, leaderEpoch: 0, lag: -1 }

async function standing(
  groupId: string,
  topicName: string,
  partitionIndex: number,
  initialized: InitializedTopics,
  context: RequestContext,
): Promise<ResponsePartition> {
  const { metadata, shareStates, peers } = context.broker
  try {
    if (!context.allowed('DESCRIBE', 'TOPIC', topicName)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
    const topic = metadata.topic(topicName)
    const partition = topic?.partitions[partitionIndex]
    const known = topic !== undefined && partition !== undefined && initialized.get(topic.id)?.partitions.has(partitionIndex)
    if (!known) return { partitionIndex, ...nowhere, ...fine }
    const ends = partition.log ?? (await peers?.partitions.ends(topicName, partitionIndex)) ?? null
    const key = { groupId, topicId: topic.id, partition: partitionIndex }
    return { partitionIndex, ...(await shareStanding(shareStates, key, partition.leaderEpoch, ends)), ...fine }
  } catch (error) {
    return { partitionIndex, ...nowhere, ...outcomeOf(toKafkaError(error)) }
  }
}
