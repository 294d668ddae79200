/** UpdateFeatures (key 57, versions 0–2): changes finalized feature levels (KIP-584) */
import { array, bool, defineApi, int8, int16, int32, string, struct } from '../define.ts'

export const updateFeatures = defineApi({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array(
      struct({
        feature: string(),
        maxVersionLevel: int16(),
        allowDowngrade: bool({ versions: '0' }),
        upgradeType: int8({ versions: '1+', default: 1 }),
      }),
    ),
    validateOnly: bool({ versions: '1+', default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    results: array(
      struct({
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0-1' }),
      }),
      { versions: '0-1', ignorable: true },
    ),
  },
})
