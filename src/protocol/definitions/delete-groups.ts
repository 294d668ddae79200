/** DeleteGroups (key 42, versions 0–3): deletes groups with their offsets */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const deleteGroups = defineApi({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-3',
  flexible: '2+',
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        groupId: string(),
        errorCode: int16(),
        errorMessage: string({ versions: '3+', nullable: '3+', default: null, ignorable: true }),
      }),
    ),
  },
})
