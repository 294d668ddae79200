/**
 * The metadata, for commands that change it directly: those of a stopped broker (a running one holds the directory's lock), or those of a
 * cluster, whose brokers may run.
 */
import type { System } from '../../base.ts'
import { type ClusterMetadata, openDatabaseMetadataLog } from '../../coordinator.ts'
import { type Log, openLog, openSharedLog, sharedDefaults } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import type { Database, ObjectStore } from '../../store.ts'
import { type BrokerConfig, dataDirectory, logSettings } from '../config.ts'
import { openDataDirectory } from './data-directory.ts'
import { type MetadataPlace, openMetadata } from './open-metadata.ts'

export interface OfflineOptions {
  system: System
  config: BrokerConfig
  logger: Logger
  /** Of a cluster. */
  stores?: { readonly database: Database; readonly objects: ObjectStore }
}

/** What `use` changed would survive a power cut when this resolves. Says where it is; throws DirectoryInUse or DirectoryRefused. */
export async function withOfflineMetadata(options: OfflineOptions, use: (metadata: ClusterMetadata) => Promise<unknown>): Promise<string> {
  const { config, stores } = options
  if (stores !== undefined) {
    await withClusterMetadata(options, stores, use)
    return 'the database of the cluster'
  }
  const directory = dataDirectory(config)
  const { system, close } = await openDataDirectory({ ...options, directory, nodeId: config.get('node.id') })
  try {
    await withMetadata({ ...options, system }, directory, use)
  } finally {
    await close()
  }
  return directory
}

/** Of a directory that is open already. */
export async function withMetadata(
  options: OfflineOptions,
  directory: string,
  use: (metadata: ClusterMetadata) => Promise<unknown>,
): Promise<void> {
  const { system, config, logger } = options
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  let broken: Error | null = null
  const onFatal = (error: Error) => {
    broken = error
  }
  const log = await openLog({ system, directory, settings: logSettings(config), onFatal, onThisMachine: true, report })
  await useOnce(options, log, { directory }, use)
  if (broken !== null) throw broken
}

async function withClusterMetadata(
  options: OfflineOptions,
  stores: NonNullable<OfflineOptions['stores']>,
  use: (metadata: ClusterMetadata) => Promise<unknown>,
): Promise<void> {
  const { system, config, logger } = options
  // A broker on one machine loads nothing of this.
  const { randomId } = await import('../cluster/sessions.ts')
  await stores.database.start(randomId(system.random))
  const metadataLog = await openDatabaseMetadataLog({ ...stores, system, session: 0, snapshotSession: () => null })
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  const log = await openSharedLog({ ...stores, system, settings: logSettings(config), shared: sharedDefaults, report, onEnded() {} })
  // Without a session it leads nothing.
  await useOnce(options, log, { directory: '', metadataLog, session: () => null }, use)
}

/** Closes the log as well. */
async function useOnce(
  options: OfflineOptions,
  log: Log,
  place: MetadataPlace,
  use: (metadata: ClusterMetadata) => Promise<unknown>,
): Promise<void> {
  try {
    const metadata = await openMetadata(options, log, place)
    try {
      await use(metadata)
    } finally {
      await metadata.close()
    }
  } finally {
    await log.close()
  }
}
