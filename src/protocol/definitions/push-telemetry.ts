/** PushTelemetry (key 72, version 0): receives metrics from a client (KIP-714) */
import { bool, bytes, defineApi, int8, int16, int32, uuid } from '../define.ts'

export const pushTelemetry = defineApi({
  key: 72,
  name: 'PushTelemetry',
  versions: '0',
  flexible: '0+',
  request: {
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    terminating: bool(),
    compressionType: int8(),
    metrics: bytes(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
})
