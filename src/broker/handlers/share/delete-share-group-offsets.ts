/** DeleteShareGroupOffsets, v0 (KIP-932): deletes the state of an empty share group in topics; if it returns, it starts over there. */
import { inSlices } from '../../../base.ts'
import { apis, KafkaError, type Uuid, zeroUuid } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { forgetShareTopics } from './share-deletion.ts'
import { fine, outcomeOf } from './share-requests.ts'

export const deleteShareGroupOffsets = defineHandler<typeof apis.deleteShareGroupOffsets>({
  api: apis.deleteShareGroupOffsets,
  versions: [0, 0],
  access: [
    ['GROUP', 'DELETE'],
    ['TOPIC', 'READ'],
  ],
  onNewestMetadata: true,
  cost: manyThings(function* (request) {
    request.topics = yield* distinct(request.topics, topic => topic.topicName)
  }),
  async handle({ groupId, topics }, context) {
    requireGroup(context, 'DELETE', groupId)
    const { metadata, turns } = context.broker
    const wanted = new Set<Uuid>()
    const checked = await inSlices(turns, topics, ({ topicName }) => {
      if (!context.allowed('READ', 'TOPIC', topicName)) {
        return { topicName, topicId: zeroUuid, ...outcomeOf(new KafkaError('TOPIC_AUTHORIZATION_FAILED')) }
      }
      const topicId = metadata.topicId(topicName)
      if (topicId === undefined) return { topicName, topicId: zeroUuid, ...outcomeOf(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')) }
      wanted.add(topicId)
      return { topicName, topicId, ...fine }
    })
    const forgotten = await forgetShareTopics(groupId, wanted, context.broker)
    const responses = checked.map(answer => {
      if (answer.errorCode !== 0 || forgotten.has(answer.topicId)) return answer
      return { ...answer, ...outcomeOf(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', 'The group has no offsets for this topic.')) }
    })
    return { throttleTimeMs: 0, ...fine, responses }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, ...outcomeOf(error), responses: [] }),
})
