/**
 * A SCRAM credential written into the data directory of a broker that does not run: how the first user comes into being where nobody can
 * log in yet (Kafka: `kafka-storage format --add-scram`). A running broker holds the directory's lock, and then this throws DirectoryInUse.
 */
import type { System } from '../../base.ts'
import { openLog } from '../../log.ts'
import { type BrokerConfig, dataDirectory, logSettings } from '../config.ts'
import type { Logger } from '../logger.ts'
import { drawBytes, saltPassword, scramCredential, scramHashes } from '../security.ts'
import { openIdentity } from '../start/identity.ts'
import { openMetadata } from '../start.ts'

export interface FirstUser {
  user: string
  password: string
  mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  iterations: number
}

const saltBytes = 32

/** Resolves when it would survive a power cut. Returns the directory. */
export async function writeScramCredential(
  options: { system: System; config: BrokerConfig; logger: Logger },
  { user, password, mechanism, iterations }: FirstUser,
): Promise<string> {
  const { system, config, logger } = options
  const directory = dataDirectory(config)
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  let broken: Error | null = null
  const onFatal = (error: Error) => {
    broken = error
  }
  const log = await openLog({ system, directory, settings: logSettings(config), onFatal, onThisMachine: true, report })
  try {
    await openIdentity(system, directory, config.get('node.id'))
    const metadata = await openMetadata(options, log, directory)
    try {
      const hash = scramHashes.find(({ name }) => name === mechanism)!
      const salt = drawBytes(system.random, saltBytes)
      const credential = scramCredential(hash, await saltPassword(hash, password, salt, iterations), salt, iterations)
      await metadata.security.alterScramCredentials([], [{ name: user, mechanism: hash.type, credential }])
    } finally {
      await metadata.close()
    }
  } finally {
    await log.close()
  }
  if (broken !== null) throw broken
  return directory
}
