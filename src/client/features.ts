/** Feature levels (KIP-584): those finalized in the cluster, and those that this broker supports. */
import { apis } from '../protocol.ts'
import type { Feature, FeatureChange } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

const upgradeTypes = { upgrade: 1, 'safe downgrade': 2, 'unsafe downgrade': 3 } as const

export async function features(requests: Requests): Promise<Feature[]> {
  const response = await requests.ask(apis.apiVersions, { clientSoftwareName: 'millrace', clientSoftwareVersion: '1' })
  refuse(response.errorCode)
  const levels = new Map(response.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
  return response.supportedFeatures
    .map(({ name, minVersion, maxVersion }) => ({ name, level: levels.get(name) ?? 0, minLevel: minVersion, maxLevel: maxVersion }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function updateFeatures(requests: Requests, changes: readonly FeatureChange[], validateOnly: boolean): Promise<void> {
  const featureUpdates = changes.map(({ name, level, kind }) => ({
    feature: name,
    maxVersionLevel: level,
    upgradeType: upgradeTypes[kind],
  }))
  const response = await requests.ask(apis.updateFeatures, { featureUpdates, validateOnly })
  refuse(response.errorCode, response.errorMessage)
  for (const { errorCode, errorMessage } of response.results) refuse(errorCode, errorMessage)
}
