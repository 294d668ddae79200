/** SaslHandshake, v0–1 (KIP-43): chooses a mechanism. After v0, tokens follow without request headers; after v1, in SaslAuthenticate requests (KIP-152). */
import { apis, errorCode } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'

export const saslHandshake = defineHandler<typeof apis.saslHandshake>({
  api: apis.saslHandshake,
  versions: [0, 1],
  access: 'none',
  cost: oneThing,
  handle(request, { version, connection }) {
    const { sasl } = connection.session
    // The listener needs none.
    if (sasl === null) return { errorCode: errorCode('ILLEGAL_SASL_STATE'), mechanisms: [] }
    return sasl.handshake(request.mechanism, version)
  },
  fail: (_request, error) => ({ errorCode: error.code, mechanisms: [] }),
})
