/** CreatePartitions, v0–3: adds partitions to topics (KIP-195), which fail individually. They can be used when the response is sent. */
import { filterInSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { mutationQuota } from '../../quotas/mutation-quota.ts'

type Result = InputOf<typeof apis.createPartitions.response>['results'][number]

/** The first version that knows THROTTLING_QUOTA_EXCEEDED. */
const strictSince = 3

export const createPartitions = defineHandler<typeof apis.createPartitions>({
  api: apis.createPartitions,
  versions: [0, 3],
  access: [['TOPIC', 'ALTER']],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    const seen = new Set<string>()
    const duplicates = new Set<string>()
    for (const { name } of request.topics) {
      if (seen.has(name)) duplicates.add(name)
      seen.add(name)
    }
    const results = [...duplicates].map(name => result(name, new KafkaError('INVALID_REQUEST', 'Duplicate topic name.')))
    const wanted = await filterInSlices(context.broker.turns, request.topics, ({ name }) => {
      if (duplicates.has(name)) return false
      if (context.allowed('ALTER', 'TOPIC', name)) return true
      results.push(result(name, new KafkaError('TOPIC_AUTHORIZATION_FAILED')))
      return false
    })
    const outcomes = await context.broker.metadata.createPartitions(wanted, request.validateOnly, mutationQuota(context, strictSince))
    outcomes.forEach((outcome, index) => {
      results.push(result(wanted[index]!.name, outcome))
    })
    return { throttleTimeMs: 0, results }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, results: yield* resultsOf(request.topics, topic => result(topic.name, error)) }
  },
})

function result(name: string, error: KafkaError | null): Result {
  return { name, errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
}
