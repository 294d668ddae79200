/** InitProducerId (key 22, versions 0–6): hands out a producer id and epoch, and fences earlier owners of a transactional id */
import { bool, defineApi, int16, int32, int64, string } from '../define.ts'

export const initProducerId = defineApi({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  latestVersionUnstable: true,
  request: {
    transactionalId: string({ nullable: '0+' }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: '3+', default: -1 }),
    producerEpoch: int16({ versions: '3+', default: -1 }),
    enable2Pc: bool({ versions: '6+', default: false }),
    keepPreparedTxn: bool({ versions: '6+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ versions: '6+', default: -1 }),
    ongoingTxnProducerEpoch: int16({ versions: '6+', default: -1 }),
  },
})
