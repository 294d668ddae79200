/**
 * UnregisterBroker, v0 (KIP-631): removes a broker. In a cluster over a database it may be running, as in Kafka: others lead its partitions, and it belongs to
 * the cluster again when its process is restarted. Where each broker has its own data, a broker that is running, or that leads partitions, is
 * refused, and so is the broker that is asked.
 */
import { apis, KafkaError } from '../../../protocol.ts'
import type { Broker } from '../../dispatch/context.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const unregisterBroker = defineHandler<typeof apis.unregisterBroker>({
  api: apis.unregisterBroker,
  versions: [0, 0],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: oneThing,
  async handle({ brokerId }, context) {
    requireCluster(context, 'ALTER')
    const { cluster } = context.broker
    if (cluster !== null) await cluster.member.unregister(brokerId)
    else await unregisterStopped(context.broker, brokerId)
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message }),
})

async function unregisterStopped({ self, metadata }: Broker, brokerId: number): Promise<void> {
  if (brokerId === self.id && metadata.brokers().length === 1) {
    throw new KafkaError('INVALID_REQUEST', `Broker ${brokerId} is the only one of this cluster and cannot be unregistered.`)
  }
  if (brokerId === self.id) throw new KafkaError('INVALID_REQUEST', `Broker ${brokerId} is running; stop it before it is unregistered.`)
  await metadata.unregisterBroker(brokerId)
}
