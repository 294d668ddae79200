/** ListGroups (key 16, versions 0–5): lists the groups that a broker coordinates */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const listGroups = defineApi({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: array(string(), { versions: '4+' }),
    typesFilter: array(string(), { versions: '5+' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    errorCode: int16(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string(),
        groupState: string({ versions: '4+', ignorable: true }),
        groupType: string({ versions: '5+', ignorable: true }),
      }),
    ),
  },
})
