/** ApiVersions (key 18, versions 0–5): tells which APIs and versions the broker speaks; the first request of most clients */
import { array, bool, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const apiVersions = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: '0-5',
  flexible: '3+',
  request: {
    clientSoftwareName: string({ versions: '3+', ignorable: true }),
    clientSoftwareVersion: string({ versions: '3+', ignorable: true }),
    clusterId: string({ versions: '5+', nullable: '5+', default: null, ignorable: true }),
    nodeId: int32({ versions: '5+', default: -1, ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array(
      struct({
        apiKey: int16(),
        minVersion: int16(),
        maxVersion: int16(),
      }),
    ),
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    supportedFeatures: array(
      struct({
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      }),
      { versions: '3+', tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ versions: '3+', default: -1, tag: 1, ignorable: true }),
    finalizedFeatures: array(
      struct({
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      }),
      { versions: '3+', tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool({ versions: '3+', default: false, tag: 3, ignorable: true }),
  },
})
