/** DescribeTransactions, v0 (KIP-664): the state of transactional ids; topics that the principal may not describe are omitted. */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'

type TransactionState = InputOf<typeof apis.describeTransactions.response>['transactionStates'][number]

export const describeTransactions = defineHandler<typeof apis.describeTransactions>({
  api: apis.describeTransactions,
  versions: [0, 0],
  access: [
    ['TRANSACTIONAL_ID', 'DESCRIBE'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost: manyThings(function* (request) {
    request.transactionalIds = yield* distinct(request.transactionalIds)
  }),
  async handle({ transactionalIds }, context) {
    return { throttleTimeMs: 0, transactionStates: await inSlices(context.broker.turns, transactionalIds, id => describe(id, context)) }
  },
  *fail({ transactionalIds }, error) {
    return { throttleTimeMs: 0, transactionStates: yield* resultsOf(transactionalIds, id => failed(id, error)) }
  },
})

async function describe(transactionalId: string, context: RequestContext): Promise<TransactionState> {
  try {
    if (!context.allowed('DESCRIBE', 'TRANSACTIONAL_ID', transactionalId)) throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    const transaction = await context.broker.transactions.describe(transactionalId)
    const visible = [...transaction.partitions].filter(([topic]) => context.allowed('DESCRIBE', 'TOPIC', topic))
    return {
      errorCode: 0,
      transactionalId,
      transactionState: transaction.status,
      transactionTimeoutMs: transaction.timeoutMs,
      transactionStartTimeMs: transaction.startMs,
      producerId: transaction.producerId,
      producerEpoch: transaction.producerEpoch,
      topics: visible.map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
    }
  } catch (error) {
    return failed(transactionalId, toKafkaError(error))
  }
}

function failed(transactionalId: string, { code }: KafkaError): TransactionState {
  return {
    errorCode: code,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  }
}
