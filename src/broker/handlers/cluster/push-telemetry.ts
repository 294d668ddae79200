/** PushTelemetry, v0 (KIP-714): receives the client's metrics, which `/metrics` shows with the client's name. */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { telemetryCaller } from './get-telemetry-subscriptions.ts'

const cost = { ...oneThing, inflatedBytes: 2 * 1024 * 1024 }

export const pushTelemetry = defineHandler<typeof apis.pushTelemetry>({
  api: apis.pushTelemetry,
  versions: [0, 0],
  access: 'none',
  cost,
  async handle(request, context) {
    const { telemetry, turns } = context.broker
    // Reading one takes some milliseconds, and many clients may push at once.
    if (turns.over) await turns.next()
    telemetry.push(request, telemetryCaller(context), cost.inflatedBytes)
    return { throttleTimeMs: 0, errorCode: 0 }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code }),
})
