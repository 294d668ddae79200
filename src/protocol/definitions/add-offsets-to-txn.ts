/** AddOffsetsToTxn (key 25, versions 0–4): enters a group's offsets into a transaction */
import { defineApi, int16, int32, int64, string } from '../define.ts'

export const addOffsetsToTxn = defineApi({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: '0-4',
  flexible: '3+',
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
})
