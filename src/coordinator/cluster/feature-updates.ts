/** Kafka's rules for changing feature levels (KIP-584, KIP-1022): which change is allowed, and the records that it needs. */
import { KafkaError } from '../../protocol.ts'
import { supportedFeatures } from './features.ts'
import type { MetadataRecord } from './metadata-records.ts'

export interface FeatureUpdate {
  feature: string
  /** 0 disables the feature. */
  level: number
  /** Kafka's FeatureUpdate.UpgradeType; 0 is unknown. */
  upgradeType: number
}

const upgrade = 1
const unsafeDowngrade = 3

const metadataVersion = 'metadata.version'
/** Levels of metadata.version that changed the format of records, and below which a downgrade is not allowed. */
const changedRecords: readonly number[] = [8, 11, 13, 14, 15, 17, 23]

/** All updates or none. Throws INVALID_UPDATE_VERSION for the first that is refused. */
export function featureRecords(levels: ReadonlyMap<string, number>, updates: readonly FeatureUpdate[], brokerId: number): MetadataRecord[] {
  return updates.map(update => {
    check(levels.get(update.feature) ?? 0, update, brokerId)
    return { type: 'FeatureLevelRecord', name: update.feature, featureLevel: update.level }
  })
}

function check(current: number, { feature, level, upgradeType }: FeatureUpdate, brokerId: number): void {
  const refuse = (reason: string) => {
    throw new KafkaError('INVALID_UPDATE_VERSION', `Invalid update version ${level} for feature ${feature}. ${reason}`)
  }
  if (upgradeType < upgrade || upgradeType > unsafeDowngrade) refuse('The controller does not support the given upgrade type.')
  if (level < 0) refuse('A feature version cannot be less than 0.')
  const supported = supportedFeatures.find(({ name }) => name === feature)
  if (supported === undefined) refuse(`Local controller ${brokerId} does not support this feature.`)
  else if (level > supported.maxVersion || level < supported.minVersion) {
    refuse(`Local controller ${brokerId} only supports versions ${supported.minVersion}-${supported.maxVersion}`)
  }
  if (level < current && upgradeType === upgrade) {
    refuse("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
  }
  if (level > current && upgradeType !== upgrade) refuse("Can't downgrade to a newer version.")
  if (feature !== metadataVersion || !changedRecords.some(changed => changed > level && changed <= current)) return
  const why =
    upgradeType === unsafeDowngrade
      ? 'Unsafe metadata downgrade is not supported in this version.'
      : 'Refusing to perform the requested downgrade because it might delete metadata information.'
  throw new KafkaError('INVALID_UPDATE_VERSION', `Invalid metadata.version ${level}. ${why}`)
}
