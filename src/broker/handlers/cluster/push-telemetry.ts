/** PushTelemetry, v0 (KIP-714): the client's metrics, which `/metrics` then shows with the client's name. */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { telemetryCaller } from './get-telemetry-subscriptions.ts'

export const pushTelemetry = defineHandler<typeof apis.pushTelemetry>({
  api: apis.pushTelemetry,
  versions: [0, 0],
  access: 'none',
  cost: oneThing,
  handle(request, context) {
    context.broker.telemetry.push(request, telemetryCaller(context))
    return { throttleTimeMs: 0, errorCode: 0 }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code }),
})
