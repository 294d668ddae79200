/**
 * DeleteTopics, v0–6.
 *
 * v3 has a separate error for `delete.topic.enable=false`, v5 returns messages, v6 can delete by id (KIP-516). When the response is
 * sent, the topic no longer exists for clients; its files are removed after `file.delete.delay.ms`.
 */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, type MessageOf, type Uuid, zeroUuid } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { mutationQuota } from '../../quotas/mutation-quota.ts'
import { clusterName } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.deleteTopics.request>
type Response = InputOf<typeof apis.deleteTopics.response>
type Result = Response['responses'][number]

/** The first version that knows THROTTLING_QUOTA_EXCEEDED. */
const strictSince = 5

export const deleteTopics = defineHandler<typeof apis.deleteTopics>({
  api: apis.deleteTopics,
  versions: [0, 6],
  access: [
    ['CLUSTER', 'DELETE'],
    ['TOPIC', 'DESCRIBE'],
    ['TOPIC', 'DELETE'],
  ],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    if (!context.broker.config.get('delete.topic.enable')) {
      throw context.version < 3
        ? new KafkaError('INVALID_REQUEST', 'Topic deletion is disabled.')
        : new KafkaError('TOPIC_DELETION_DISABLED')
    }
    const results: Result[] = []
    const topics = await resolve(asked(request, results), results, context)
    const outcomes = await context.broker.metadata.deleteTopics([...topics.keys()], mutationQuota(context, strictSince))
    let index = 0
    for (const [id, name] of topics) results.push(result(name, id, outcomes[index++]!))
    return { throttleTimeMs: 0, responses: results }
  },
  *fail(request, error) {
    const byName = yield* resultsOf(request.topicNames, name => result(name, zeroUuid, error))
    const byEither = yield* resultsOf(request.topics, topic => result(topic.name, topic.topicId, error))
    return { throttleTimeMs: 0, responses: [...byName, ...byEither] }
  },
})

interface Asked {
  names: Set<string>
  ids: Set<Uuid>
  duplicateIds: Set<Uuid>
}

/** The topics that are requested exactly once, by name or by id; the others get their error here. */
function asked(request: Request, results: Result[]): Asked {
  const names = new Once<string>()
  const ids = new Once<Uuid>()
  for (const name of request.topicNames) names.add(name)
  for (const { name, topicId } of request.topics) {
    if (name === null && topicId === zeroUuid) {
      results.push(result(null, zeroUuid, new KafkaError('INVALID_REQUEST', 'Neither topic name nor id were specified.')))
    } else if (name === null) ids.add(topicId)
    else if (topicId === zeroUuid) names.add(name)
    else results.push(result(name, topicId, new KafkaError('INVALID_REQUEST', 'You may not specify both topic name and topic id.')))
  }
  for (const name of names.repeated) results.push(result(name, zeroUuid, new KafkaError('INVALID_REQUEST', 'Duplicate topic name.')))
  for (const id of ids.repeated) results.push(result(null, id, new KafkaError('INVALID_REQUEST', 'Duplicate topic id.')))
  return { names: names.single, ids: ids.single, duplicateIds: ids.repeated }
}

/** Values that were added exactly once, and those that were added more often. */
class Once<T> {
  readonly single = new Set<T>()
  readonly repeated = new Set<T>()

  add(value: T): void {
    if (this.repeated.has(value)) return
    if (!this.single.delete(value)) this.single.add(value)
    else this.repeated.add(value)
  }
}

/** Names by id of the topics that may be deleted; the others get their answer here. */
async function resolve({ names, ids, duplicateIds }: Asked, results: Result[], context: RequestContext): Promise<Map<Uuid, string>> {
  const { metadata, turns } = context.broker
  const mayDeleteAny = context.allowed('DELETE', 'CLUSTER', clusterName, 'probe')
  const describable = (name: string) => mayDeleteAny || context.allowed('DESCRIBE', 'TOPIC', name)
  const deletable = (name: string) => mayDeleteAny || context.allowed('DELETE', 'TOPIC', name)
  const unauthorized = new KafkaError('TOPIC_AUTHORIZATION_FAILED')
  const topics = new Map<Uuid, string>()
  await inSlices(turns, ids, id => {
    const name = metadata.topicName(id)
    if (name === undefined) results.push(result(null, id, new KafkaError('UNKNOWN_TOPIC_ID')))
    else if (deletable(name)) topics.set(id, name)
    else results.push(result(describable(name) ? name : null, id, unauthorized))
  })
  await inSlices(turns, names, name => {
    const id = metadata.topicId(name)
    if (!describable(name)) results.push(result(name, zeroUuid, unauthorized))
    else if (id === undefined) results.push(result(name, zeroUuid, new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')))
    else if (!deletable(name)) results.push(result(name, zeroUuid, unauthorized))
    else if (topics.has(id) || duplicateIds.has(id)) {
      topics.delete(id)
      const message = 'The provided topic name maps to an ID that was already supplied.'
      results.push(result(name, id, new KafkaError('INVALID_REQUEST', message)))
    } else topics.set(id, name)
  })
  return topics
}

function result(name: string | null, topicId: Uuid, error: KafkaError | null): Result {
  return { name, topicId, errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
}
