/** Creates missing topics that a client requests, according to `auto.create.topics.enable`. */
import { inSlices } from '../../../base.ts'
import { belongsToBroker, type InternalTopicName, internalTopics, topicNameProblem } from '../../../coordinator.ts'
import { type ErrorName, KafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { mutationQuota } from '../../quotas/mutation-quota.ts'
import { mayCreateTopic } from '../../security/authorized-operations.ts'

/** Resolves with why some could not be created; the others are there then. */
export async function createMissingTopics(names: readonly string[], context: RequestContext): Promise<Map<string, ErrorName>> {
  const { metadata, turns } = context.broker
  const refused = new Map<string, ErrorName>()
  const mayCreate = mayCreateTopic(context)
  const ordinary: string[] = []
  await inSlices(turns, names, async name => {
    if (topicNameProblem(name) !== null) refused.set(name, 'INVALID_TOPIC_EXCEPTION')
    // As in Kafka, whose controller rejects it.
    else if (belongsToBroker(name) && !internalTopics.has(name)) refused.set(name, 'UNKNOWN_TOPIC_OR_PARTITION')
    else if (!mayCreate(name)) refused.set(name, 'TOPIC_AUTHORIZATION_FAILED')
    else if (internalTopics.has(name)) await metadata.ensureInternalTopic(name as InternalTopicName)
    else ordinary.push(name)
  })
  if (ordinary.length === 0) return refused
  const outcomes = await metadata.createTopics(
    ordinary.map(name => ({ name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] })),
    false,
    mutationQuota(context, Number.POSITIVE_INFINITY),
  )
  outcomes.forEach((outcome, index) => {
    // Another client was faster: the topic is there.
    if (outcome instanceof KafkaError && outcome.name !== 'TOPIC_ALREADY_EXISTS') refused.set(ordinary[index]!, outcome.name)
  })
  return refused
}
