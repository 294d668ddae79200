/** DescribeClientQuotas (key 48, versions 0–1): lists quotas that match a filter (KIP-546) */
import { array, bool, defineApi, float64, int8, int16, int32, string, struct } from '../define.ts'

export const describeClientQuotas = defineApi({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: array(
      struct({
        entityType: string(),
        matchType: int8(),
        match: string({ nullable: '0+' }),
      }),
    ),
    strict: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    entries: array(
      struct({
        entity: array(
          struct({
            entityType: string(),
            entityName: string({ nullable: '0+' }),
          }),
        ),
        values: array(
          struct({
            key: string(),
            value: float64(),
          }),
        ),
      }),
      { nullable: '0+' },
    ),
  },
})
