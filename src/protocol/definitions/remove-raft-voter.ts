/** RemoveRaftVoter (key 81, version 0): removes a voter from the metadata quorum (KIP-853) */
import { defineApi, int16, int32, string, uuid } from '../define.ts'

export const removeRaftVoter = defineApi({
  key: 81,
  name: 'RemoveRaftVoter',
  versions: '0',
  flexible: '0+',
  request: {
    clusterId: string({ nullable: '0+' }),
    voterId: int32(),
    voterDirectoryId: uuid(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', ignorable: true }),
  },
})
