/**
 * UnregisterController, v0: removes a permanently stopped controller. The only controller is this broker, and it
 * refuses to remove itself.
 */
import { apis, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const unregisterController = defineHandler<typeof apis.unregisterController>({
  api: apis.unregisterController,
  versions: [0, 0],
  access: [['CLUSTER', 'ALTER']],
  cost: oneThing,
  handle({ controllerId }, context) {
    requireCluster(context, 'ALTER')
    if (controllerId === context.broker.self.id) {
      throw new KafkaError('INVALID_REQUEST', `Controller ${controllerId} is the active one and cannot be unregistered.`)
    }
    throw new KafkaError('CONTROLLER_ID_NOT_REGISTERED', `Controller ID ${controllerId} is not currently registered`)
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message }),
})
