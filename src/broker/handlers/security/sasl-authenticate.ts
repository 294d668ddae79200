/** SaslAuthenticate, v0–2 (KIP-152): one token of the chosen mechanism. v1 returns the lifetime of the session (KIP-368). */
import { apis, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'

export const saslAuthenticate = defineHandler<typeof apis.saslAuthenticate>({
  api: apis.saslAuthenticate,
  versions: [0, 2],
  access: 'none',
  cost: oneThing,
  handle(request, { connection }) {
    const { sasl } = connection.session
    if (sasl === null) throw new KafkaError('ILLEGAL_SASL_STATE', 'SaslAuthenticate request received after successful authentication')
    return sasl.authenticate(request.authBytes)
  },
  fail: (_request, error) => ({ errorCode: error.code, errorMessage: error.message, authBytes: Buffer.alloc(0) }),
})
