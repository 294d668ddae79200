/** OffsetDelete, v0 (KIP-496): drops committed offsets of topics that the group does not consume any more. */
import { inSlices } from '../../../base.ts'
import { apis, type ErrorName, errorCode, type MessageOf } from '../../../protocol.ts'
import { topicPartitions } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireGroup } from './group-caller.ts'

type RequestTopic = MessageOf<typeof apis.offsetDelete.request>['topics'][number]

export const offsetDelete = defineHandler<typeof apis.offsetDelete>({
  api: apis.offsetDelete,
  versions: [0, 0],
  access: [
    ['GROUP', 'DELETE'],
    ['TOPIC', 'READ'],
  ],
  onNewestMetadata: true,
  cost: topicPartitions,
  async handle(request, context) {
    requireGroup(context, 'DELETE', request.groupId)
    const topics: ReturnType<typeof refused>[] = []
    const wanted: { name: string; partitionIndexes: number[] }[] = []
    await inSlices(context.broker.turns, request.topics, topic => {
      const { name } = topic
      const known = context.broker.metadata.topic(name)
      if (!context.allowed('READ', 'TOPIC', name)) topics.push(refused(topic, 'TOPIC_AUTHORIZATION_FAILED'))
      else if (known === undefined) topics.push(refused(topic, 'UNKNOWN_TOPIC_OR_PARTITION'))
      else {
        const missing = topic.partitions.filter(({ partitionIndex }) => known.partitions[partitionIndex] === undefined)
        if (missing.length > 0) topics.push(refused({ name, partitions: missing }, 'UNKNOWN_TOPIC_OR_PARTITION'))
        const present = topic.partitions.filter(({ partitionIndex }) => known.partitions[partitionIndex] !== undefined)
        if (present.length > 0) wanted.push({ name, partitionIndexes: present.map(({ partitionIndex }) => partitionIndex) })
      }
    })
    // Even with nothing left to delete, an unknown group is an error.
    const deleted = await context.broker.groups.deleteOffsets(request.groupId, wanted)
    const begun = new Map(topics.map(topic => [topic.name, topic]))
    for (const result of deleted) {
      const known = begun.get(result.name)
      if (known === undefined) topics.push(result)
      else for (const partition of result.partitions) known.partitions.push(partition)
    }
    return { errorCode: 0, throttleTimeMs: 0, topics }
  },
  fail: (_request, error) => ({ errorCode: errorCode(error.name), throttleTimeMs: 0, topics: [] }),
})

function refused({ name, partitions }: RequestTopic, error: ErrorName) {
  return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errorCode(error) })) }
}
