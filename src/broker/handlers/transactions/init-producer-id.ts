/**
 * InitProducerId, v0–5 (KIP-98): returns a new id for an idempotent producer, from durable blocks, so that no id is ever used twice. For a
 * transactional id, returns its producer id with a new epoch, which fences earlier producers. v3 recovers from errors (KIP-360), v4 returns
 * PRODUCER_FENCED, v5 is v4 (KIP-890). v6 (two-phase commits, KIP-939) is not stable in Kafka either.
 *
 * A new id needs no memory before the first write with it (see `max.producer.ids.per.partition`). Transactional ids do, so their
 * number is limited: above the limit the longest idle ones expire, and if all are in use, the error is POLICY_VIOLATION, which ends the
 * producer.
 */
import { apis, type InputOf, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'
import { fencingError } from './transaction-caller.ts'

type Response = InputOf<typeof apis.initProducerId.response>

/** Versions before know only INVALID_PRODUCER_EPOCH. */
const fencedFrom = 4

export const initProducerId = defineHandler<typeof apis.initProducerId>({
  api: apis.initProducerId,
  versions: [0, 5],
  access: [
    ['CLUSTER', 'IDEMPOTENT_WRITE'],
    ['TOPIC', 'WRITE'],
    ['TRANSACTIONAL_ID', 'WRITE'],
  ],
  cost: oneThing,
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
    const { transactions, metadata } = context.broker
    const session =
      transactionalId === null
        ? { producerId: await metadata.newProducerId(), producerEpoch: 0 }
        : await transactions.initProducerId({ ...request, transactionalId, principal: context.connection.principal })
    const response: Response = { throttleTimeMs: 0, errorCode: 0, ...session }
    return response
  },
  fail: (_request, error, version) => ({
    throttleTimeMs: 0,
    errorCode: fencingError(error, version, fencedFrom).code,
    producerId: -1,
    producerEpoch: -1,
  }),
})
