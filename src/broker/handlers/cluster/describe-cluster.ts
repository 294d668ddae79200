/** DescribeCluster, v0–2 (KIP-700): v1 distinguishes endpoints of brokers and controllers (KIP-919), v2 returns fenced brokers on request. */
import { apis, errorCode, type InputOf } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, clusterName, everyOperation } from '../../security/authorized-operations.ts'
import { ClusterView } from './cluster-view.ts'

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
    const { nodes, controllerId } = new ClusterView(context)
    const alive = nodes.map(({ id, host, port, rack }) => ({ brokerId: id, host, port, rack, isFenced: false }))
    const response: Response = {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      clusterId: self.clusterId,
      controllerId,
      brokers: request.includeFencedBrokers ? [...alive, ...fencedBrokers(context)] : alive,
    }
    if (request.includeClusterAuthorizedOperations) {
      const allowed = context.allowed('DESCRIBE', 'CLUSTER', clusterName)
      response.clusterAuthorizedOperations = allowed ? authorizedOperations(context, 'CLUSTER', clusterName) : 0
    }
    return response
  },
  fail: (_request, error) => failed(error.code, error.message),
})

function fencedBrokers({ broker: { metadata, self }, connection }: RequestContext): Response['brokers'][number][] {
  return metadata.brokers().flatMap(({ id, fenced, endpoints, rack }) => {
    const endpoint = fenced && id !== self.id ? endpoints.get(connection.listener) : undefined
    return endpoint === undefined ? [] : [{ brokerId: id, ...endpoint, rack, isFenced: true }]
  })
}

function failed(code: number, message: string): Response {
  return { throttleTimeMs: 0, errorCode: code, errorMessage: message, clusterId: '', brokers: [] }
}
