/**
 * ConsumerGroupHeartbeat, v0–1 (KIP-848): joins a group of the consumer protocol, keeps the membership, reconciles or leaves.
 *
 * v1 can subscribe by regular expression, and the client generates its member id (KIP-1082). A topic that the client may not describe fails
 * the request if it is named, and is ignored if it only matches the expression.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, KafkaError } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { callerOf, requireGroup } from './group-caller.ts'

const cost = { ...promptly(manyThings(null)), regexSteps: 10_000_000 }

export const consumerGroupHeartbeat = defineHandler<typeof apis.consumerGroupHeartbeat>({
  api: apis.consumerGroupHeartbeat,
  versions: [0, 1],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost,
  async handle(request, context) {
    requireProtocol(context)
    requireGroup(context, 'READ', request.groupId)
    await inSlices(context.broker.turns, request.subscribedTopicNames ?? [], topic => {
      if (context.allowed('DESCRIBE', 'TOPIC', topic)) return
      throw new KafkaError('TOPIC_AUTHORIZATION_FAILED', `Not authorized to describe topic ${topic}.`)
    })
    const mayFind = (topic: string) => context.allowed('DESCRIBE', 'TOPIC', topic, 'probe')
    return context.broker.groups.consumerHeartbeat(request, callerOf(context), mayFind, cost.regexSteps)
  },
  fail: (_request, error) => ({
    throttleTimeMs: 0,
    errorCode: errorCode(error.name),
    errorMessage: error.message,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  }),
})

function requireProtocol({ broker }: RequestContext): void {
  const offered = broker.config.get('group.coordinator.rebalance.protocols').includes('consumer')
  if (offered && broker.metadata.featureLevel('group.version') >= 1) return
  throw new KafkaError('UNSUPPORTED_VERSION', 'The consumer group protocol is not enabled on this cluster.')
}
