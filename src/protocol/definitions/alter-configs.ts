/** AlterConfigs (key 33, versions 0–2): replaces whole configurations */
import { array, bool, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const alterConfigs = defineApi({
  key: 33,
  name: 'AlterConfigs',
  versions: '0-2',
  flexible: '2+',
  request: {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  },
})
