/**
 * CreateTopics, v0–7.
 *
 * v1 can only validate and returns messages, v5 returns the new topic's counts and configs (KIP-525), v7 its id (KIP-516). The response is sent
 * when the topics are durable and usable, so `timeoutMs` has no effect. Topics fail individually.
 */
import { inSlices } from '../../../base.ts'
import type { CreatedTopic, NewTopic } from '../../../coordinator.ts'
import { apis, errorCode, type InputOf, KafkaError, type MessageOf, zeroUuid } from '../../../protocol.ts'
import { mostConfigs } from '../../config.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { mutationQuota } from '../../quotas/mutation-quota.ts'
import { mayCreateTopic } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.createTopics.request>
type Response = InputOf<typeof apis.createTopics.response>
type Result = Response['topics'][number]

/** The first version that knows THROTTLING_QUOTA_EXCEEDED. */
const strictSince = 6

export const createTopics = defineHandler<typeof apis.createTopics>({
  api: apis.createTopics,
  versions: [0, 7],
  access: [
    ['CLUSTER', 'CREATE'],
    ['TOPIC', 'CREATE'],
    ['TOPIC', 'DESCRIBE_CONFIGS'],
  ],
  onNewestMetadata: true,
  cost: manyThings(null),
  async handle(request, context) {
    const { creatable, refused } = await sort(request, context)
    const outcomes = await context.broker.metadata.createTopics(creatable, request.validateOnly, mutationQuota(context, strictSince))
    const results = await inSlices(context.broker.turns, outcomes, (outcome, index) => {
      const { name } = creatable[index]!
      return outcome instanceof KafkaError ? failure(name, outcome) : success(name, outcome, context)
    })
    return { throttleTimeMs: 0, topics: [...results, ...refused] }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, topics: yield* resultsOf(request.topics, topic => failure(topic.name, error)) }
  },
})

async function sort(request: Request, context: RequestContext): Promise<{ creatable: NewTopic[]; refused: Result[] }> {
  const count = new Map<string, number>()
  for (const { name } of request.topics) count.set(name, (count.get(name) ?? 0) + 1)
  const mayCreate = mayCreateTopic(context)
  const creatable: NewTopic[] = []
  const refused = new Map<string, Result>()
  await inSlices(context.broker.turns, request.topics, topic => {
    const { name } = topic
    const refuse = (error: KafkaError) => refused.set(name, failure(name, error))
    if (count.get(name)! > 1) refuse(new KafkaError('INVALID_REQUEST', 'Duplicate topic name.'))
    else if (!mayCreate(name)) {
      refuse(new KafkaError('TOPIC_AUTHORIZATION_FAILED', 'Authorization failed.'))
    } else if (topic.configs.length > mostConfigs) {
      refuse(
        new KafkaError(
          'INVALID_CONFIG',
          `The request contains ${topic.configs.length} configs for this topic; at most ${mostConfigs} are allowed.`,
        ),
      )
    } else creatable.push(topic)
  })
  return { creatable, refused: [...refused.values()] }
}

function success(name: string, created: CreatedTopic, context: RequestContext): Result {
  const result: Result = { name, topicId: created.id, errorCode: 0, errorMessage: null, configs: [] }
  if (context.version < 5) return result
  if (!context.allowed('DESCRIBE_CONFIGS', 'TOPIC', name, 'probe')) {
    result.topicConfigErrorCode = errorCode('TOPIC_AUTHORIZATION_FAILED')
    return result
  }
  result.numPartitions = created.numPartitions
  result.replicationFactor = created.replicationFactor
  result.configs = context.broker.metadata.describeTopicConfigs(created.configs)
  return result
}

function failure(name: string, error: KafkaError): Result {
  return { name, topicId: zeroUuid, errorCode: error.code, errorMessage: error.message, configs: [] }
}
