/** GetTelemetrySubscriptions (key 71, version 0): tells a client which of its metrics to send (KIP-714) */
import { array, bool, defineApi, int8, int16, int32, string, uuid } from '../define.ts'

export const getTelemetrySubscriptions = defineApi({
  key: 71,
  name: 'GetTelemetrySubscriptions',
  versions: '0',
  flexible: '0+',
  request: {
    clientInstanceId: uuid(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    acceptedCompressionTypes: array(int8()),
    pushIntervalMs: int32(),
    telemetryMaxBytes: int32(),
    deltaTemporality: bool(),
    requestedMetrics: array(string()),
  },
})
