/** ListConfigResources (key 74, versions 0–1): lists resources that have a configuration (KIP-1142); version 0 knew client metrics only */
import { array, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const listConfigResources = defineApi({
  key: 74,
  name: 'ListConfigResources',
  versions: '0-1',
  flexible: '0+',
  request: {
    resourceTypes: array(int8(), { versions: '1+' }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: array(
      struct({
        resourceName: string(),
        resourceType: int8({ versions: '1+', default: 16, ignorable: true }),
      }),
    ),
  },
})
