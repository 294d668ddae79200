/** The metadata of a stopped broker, for commands that change it directly. A running broker holds the directory's lock. */
import type { System } from '../../base.ts'
import type { ClusterMetadata } from '../../coordinator.ts'
import { openLog } from '../../log.ts'
import { type BrokerConfig, dataDirectory, logSettings } from '../config.ts'
import type { Logger } from '../logger.ts'
import { openDataDirectory } from './data-directory.ts'
import { openMetadata } from './open-metadata.ts'

export interface OfflineOptions {
  system: System
  config: BrokerConfig
  logger: Logger
}

/** What `use` changed would survive a power cut when this resolves. Returns the directory; throws DirectoryInUse or DirectoryRefused. */
export async function withOfflineMetadata(options: OfflineOptions, use: (metadata: ClusterMetadata) => Promise<unknown>): Promise<string> {
  const { config } = options
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
  try {
    const metadata = await openMetadata(options, log, { directory })
    try {
      await use(metadata)
    } finally {
      await metadata.close()
    }
  } finally {
    await log.close()
  }
  if (broken !== null) throw broken
}
