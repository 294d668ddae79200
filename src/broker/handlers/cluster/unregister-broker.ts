/**
 * UnregisterBroker, v0 (KIP-631): removes a permanently stopped broker. The only broker is this one; unlike Kafka, it
 * refuses to remove itself, because that would leave an unusable cluster.
 */
import { apis, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const unregisterBroker = defineHandler<typeof apis.unregisterBroker>({
  api: apis.unregisterBroker,
  versions: [0, 0],
  access: [['CLUSTER', 'ALTER']],
  cost: oneThing,
  handle({ brokerId }, context) {
    requireCluster(context, 'ALTER')
    if (brokerId === context.broker.self.id) {
      throw new KafkaError('INVALID_REQUEST', `Broker ${brokerId} is the only one of this cluster and cannot be unregistered.`)
    }
    throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${brokerId} is not currently registered`)
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message }),
})
