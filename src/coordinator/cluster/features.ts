/**
 * The feature levels (KIP-584) that this broker supports and finalizes in a new cluster. Clients enable protocols by them, so a
 * feature must not be added here before it works.
 */
export interface SupportedFeature {
  name: string
  minVersion: number
  maxVersion: number
}

/** 3.3-IV3, the oldest that Kafka 4 starts from, to 4.0-IV3, whose records are the ones written here. */
export const supportedFeatures: readonly SupportedFeature[] = [
  { name: 'metadata.version', minVersion: 7, maxVersion: 25 },
  { name: 'transaction.version', minVersion: 0, maxVersion: 2 },
  { name: 'group.version', minVersion: 0, maxVersion: 1 },
  { name: 'share.version', minVersion: 0, maxVersion: 2 },
  { name: 'streams.version', minVersion: 0, maxVersion: 1 },
]

export const bootstrapLevels: ReadonlyMap<string, number> = new Map(supportedFeatures.map(({ name, maxVersion }) => [name, maxVersion]))
