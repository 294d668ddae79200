/** AlterClientQuotas (key 49, versions 0–1): changes quotas (KIP-546) */
import { array, bool, defineApi, float64, int16, int32, string, struct } from '../define.ts'

export const alterClientQuotas = defineApi({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    entries: array(
      struct({
        entity: array(
          struct({
            entityType: string(),
            entityName: string({ nullable: '0+' }),
          }),
        ),
        ops: array(
          struct({
            key: string(),
            value: float64(),
            remove: bool(),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    entries: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
        entity: array(
          struct({
            entityType: string(),
            entityName: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
})
