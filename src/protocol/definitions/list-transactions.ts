/** ListTransactions (key 66, versions 0–2): lists transactions that match a filter (KIP-664) */
import { array, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const listTransactions = defineApi({
  key: 66,
  name: 'ListTransactions',
  versions: '0-2',
  flexible: '0+',
  request: {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ versions: '1+', default: -1 }),
    transactionalIdPattern: string({ versions: '2+', nullable: '2+', default: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array(
      struct({
        transactionalId: string(),
        producerId: int64(),
        transactionState: string(),
      }),
    ),
  },
})
