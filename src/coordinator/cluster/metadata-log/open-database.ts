/** Loads the metadata log of a cluster only where there is one: a broker on one machine has nothing of the database in memory. */
import type { DatabaseMetadataLog, DatabaseMetadataLogOptions } from './database.ts'

export async function openDatabaseMetadataLog(options: DatabaseMetadataLogOptions): Promise<DatabaseMetadataLog> {
  const { DatabaseMetadataLog } = await import('./database.ts')
  return new DatabaseMetadataLog(options)
}
