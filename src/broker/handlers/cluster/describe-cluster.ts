/** DescribeCluster, v0–2 (KIP-700): v1 distinguishes endpoints of brokers and controllers (KIP-919), v2 returns fenced brokers, of which there are none. */
import { apis, errorCode, type InputOf } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { authorizedOperations, clusterName, everyOperation } from '../../security/authorized-operations.ts'

type Response = InputOf<typeof apis.describeCluster.response>

const brokerEndpoint = 1
const controllerEndpoint = 2

export const describeCluster = defineHandler<typeof apis.describeCluster>({
  api: apis.describeCluster,
  versions: [0, 2],
  access: everyOperation('CLUSTER'),
  cost: oneThing,
  handle(request, context) {
    const { self } = context.broker
    if (request.endpointType === controllerEndpoint) {
      return failed(
        errorCode('MISMATCHED_ENDPOINT_TYPE'),
        'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
      )
    }
    if (request.endpointType !== brokerEndpoint) {
      return failed(errorCode('UNSUPPORTED_ENDPOINT_TYPE'), `Unsupported endpoint type ${request.endpointType}`)
    }
    const response: Response = {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      clusterId: self.clusterId,
      controllerId: self.id,
      brokers: [{ brokerId: self.id, ...self.advertised(context.connection.listener), rack: self.rack, isFenced: false }],
    }
    if (request.includeClusterAuthorizedOperations) {
      const allowed = context.allowed('DESCRIBE', 'CLUSTER', clusterName)
      response.clusterAuthorizedOperations = allowed ? authorizedOperations(context, 'CLUSTER', clusterName) : 0
    }
    return response
  },
  fail: (_request, error) => failed(error.code, error.message),
})

function failed(code: number, message: string): Response {
  return { throttleTimeMs: 0, errorCode: code, errorMessage: message, clusterId: '', brokers: [] }
}
