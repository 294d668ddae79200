/**
 * Writes a SCRAM credential to the data directory of a stopped broker, or to the database of a cluster, to create the first user when nobody can
 * log in yet (Kafka: `kafka-storage format --add-scram`). If the broker runs, it holds the directory's lock, and this throws DirectoryInUse.
 */
import { drawBytes, saltPassword, scramCredential, scramHashes } from '../security.ts'
import { type OfflineOptions, withOfflineMetadata } from '../start/offline.ts'

export interface FirstUser {
  user: string
  password: string
  mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  iterations: number
}

const saltBytes = 32

/** Resolves when it would survive a power cut. Says where it is. */
export function writeScramCredential(options: OfflineOptions, { user, password, mechanism, iterations }: FirstUser): Promise<string> {
  return withOfflineMetadata(options, async metadata => {
    const hash = scramHashes.find(({ name }) => name === mechanism)!
    const salt = drawBytes(options.system.random, saltBytes)
    const credential = scramCredential(hash, await saltPassword(hash, password, salt, iterations), salt, iterations)
    await metadata.security.alterScramCredentials([], [{ name: user, mechanism: hash.type, credential }])
  })
}
