/** GetTelemetrySubscriptions, v0 (KIP-714): which metrics the client should push, how often, and the maximum size of a push. */
import { apis, zeroUuid } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import type { Caller } from '../../telemetry.ts'

export const getTelemetrySubscriptions = defineHandler<typeof apis.getTelemetrySubscriptions>({
  api: apis.getTelemetrySubscriptions,
  versions: [0, 0],
  access: 'none',
  cost: oneThing,
  handle(request, context) {
    const answer = context.broker.telemetry.subscribe(request.clientInstanceId, telemetryCaller(context))
    return { throttleTimeMs: 0, errorCode: 0, ...answer }
  },
  fail: (_, error) => ({
    throttleTimeMs: 0,
    errorCode: error.code,
    clientInstanceId: zeroUuid,
    subscriptionId: 0,
    acceptedCompressionTypes: [],
    pushIntervalMs: 0,
    telemetryMaxBytes: 0,
    deltaTemporality: false,
    requestedMetrics: [],
  }),
})

export function telemetryCaller({ clientId, connection }: RequestContext): Caller {
  return {
    client_id: clientId ?? '',
    client_software_name: connection.clientSoftwareName,
    client_software_version: connection.clientSoftwareVersion,
    client_source_address: connection.remoteAddress,
  }
}
