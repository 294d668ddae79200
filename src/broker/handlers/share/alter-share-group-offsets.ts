/** AlterShareGroupOffsets, v0 (KIP-932): moves an empty share group to other offsets and discards its records in delivery there. */
import { type Int64, inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, type Uuid, zeroUuid } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { fine, type Outcome, outcomeOf } from './share-requests.ts'

type ResponseTopic = InputOf<typeof apis.alterShareGroupOffsets.response>['responses'][number]

export const alterShareGroupOffsets = defineHandler<typeof apis.alterShareGroupOffsets>({
  api: apis.alterShareGroupOffsets,
  versions: [0, 0],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'READ'],
  ],
  onNewestMetadata: true,
  cost: manyThings(function* (request) {
    request.topics = yield* distinctPairs(
      request.topics,
      topic => topic.topicName,
      'partitions',
      ({ partitionIndex }) => partitionIndex,
    )
  }),
  async handle({ groupId, topics }, context) {
    const { metadata, groups, shareStates, sharePartitions, turns } = context.broker
    requireGroup(context, 'READ', groupId)
    const altered = new Map<Uuid, { name: string; partitions: Set<number> }>()
    const changes: { topicId: Uuid; partition: number; startOffset: Int64 }[] = []
    const responses = await inSlices(turns, topics, async ({ topicName, partitions }): Promise<ResponseTopic> => {
      const topic = context.allowed('READ', 'TOPIC', topicName) ? metadata.topic(topicName) : undefined
      const outcome = (partition: number): Outcome => {
        if (!context.allowed('READ', 'TOPIC', topicName)) return outcomeOf(new KafkaError('TOPIC_AUTHORIZATION_FAILED'))
        return topic?.partitions[partition] === undefined ? outcomeOf(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')) : fine
      }
      const answers = await inSlices(turns, partitions, ({ partitionIndex, startOffset }) => {
        const answer = outcome(partitionIndex)
        if (answer === fine && topic !== undefined) {
          changes.push({ topicId: topic.id, partition: partitionIndex, startOffset })
          const known = altered.get(topic.id)
          if (known === undefined) altered.set(topic.id, { name: topicName, partitions: new Set([partitionIndex]) })
          else known.partitions.add(partitionIndex)
        }
        return { partitionIndex, ...answer }
      })
      return { topicName, topicId: topic?.id ?? zeroUuid, partitions: answers }
    })
    if (changes.length > 0) {
      const stateEpoch = await groups.beginAlterShareOffsets(groupId, altered)
      await inSlices(turns, changes, ({ startOffset, ...place }) => shareStates.initialize({ groupId, ...place }, stateEpoch, startOffset))
      sharePartitions.forget(groupId)
    }
    return { throttleTimeMs: 0, ...fine, responses }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, ...outcomeOf(error), responses: [] }),
})
