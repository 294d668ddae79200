/** UnregisterController (key 94, version 0): takes a controller out of the cluster */
import { defineApi, int16, int32, string } from '../define.ts'

export const unregisterController = defineApi({
  key: 94,
  name: 'UnregisterController',
  versions: '0',
  flexible: '0+',
  request: {
    controllerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
  },
})
