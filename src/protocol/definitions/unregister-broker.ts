/** UnregisterBroker (key 64, version 0): takes a broker out of the cluster (KIP-631) */
import { defineApi, int16, int32, string } from '../define.ts'

export const unregisterBroker = defineApi({
  key: 64,
  name: 'UnregisterBroker',
  versions: '0',
  flexible: '0+',
  request: {
    brokerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
  },
})
