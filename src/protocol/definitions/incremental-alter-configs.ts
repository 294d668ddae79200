/** IncrementalAlterConfigs (key 44, versions 0–1): changes single configuration keys (KIP-339) */
import { array, bool, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: '0-1',
  flexible: '1+',
  request: {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            configOperation: int8(),
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
