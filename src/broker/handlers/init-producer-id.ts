/**
 * InitProducerId, v0–5 (KIP-98): a fresh id for an idempotent producer, from durable blocks, so that none is ever given twice.
 *
 * A producer with a transactional id is refused with UNSUPPORTED_VERSION, which its client reports at once: transactions are not built
 * yet, and an error that says "try again" would keep it waiting for `max.block.ms` in vain.
 */
import { apis, type InputOf, KafkaError } from '../../protocol.ts'
import { clusterName } from '../authorized-operations.ts'
import { defineHandler } from '../handler.ts'

type Response = InputOf<typeof apis.initProducerId.response>

export const initProducerId = defineHandler<typeof apis.initProducerId>({
  api: apis.initProducerId,
  versions: [0, 5],
  access: [
    ['CLUSTER', 'IDEMPOTENT_WRITE'],
    ['TOPIC', 'WRITE'],
    ['TRANSACTIONAL_ID', 'WRITE'],
  ],
  async handle(request, context) {
    const { transactionalId, producerId, producerEpoch } = request
    if (transactionalId !== null && !context.allowed('WRITE', 'TRANSACTIONAL_ID', transactionalId)) {
      throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    }
    const mayWrite = () => context.allowed('IDEMPOTENT_WRITE', 'CLUSTER', clusterName, 'probe') || context.allowedSome('WRITE', 'TOPIC')
    if (transactionalId === null && !mayWrite()) {
      throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED')
    }
    if ((producerId === -1) !== (producerEpoch === -1)) {
      throw new KafkaError('INVALID_REQUEST', 'producerId and producerEpoch must both be set or both be -1')
    }
    if (transactionalId === '') throw new KafkaError('INVALID_REQUEST', 'The transactional id is empty')
    if (transactionalId !== null) throw new KafkaError('UNSUPPORTED_VERSION', 'Transactions are not supported yet')
    const response: Response = {
      throttleTimeMs: 0,
      errorCode: 0,
      producerId: await context.broker.metadata.newProducerId(),
      producerEpoch: 0,
    }
    return response
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, producerId: -1, producerEpoch: -1 }),
})
