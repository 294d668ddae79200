/**
 * Takes a broker out of the cluster, also one that runs.
 *
 * Its stream is fenced, so that it commits nothing more; then its lease has to pass, in which it may serve what it has, before others lead its partitions. Until
 * then it is marked as leaving, and cannot register with the session that it begins meanwhile. The last step is one batch of metadata: it leaves, and its
 * partitions have other leaders.
 */
import { pause, type System } from '../../base.ts'
import type { ClusterMetadata, DatabaseMetadataLog } from '../../coordinator.ts'
import { KafkaError } from '../../protocol.ts'
import { type Database, DatabaseUnavailable } from '../../store.ts'

export interface UnregisterOptions {
  system: System
  database: Database
  metadata: ClusterMetadata
  metadataLog: DatabaseMetadataLog
  /** Which the fence bears. */
  author: number
  /** After so long without a frame not even its own broker believes in a session. */
  silentMs: number
}

/** How often the broker may be the faster one. */
const mostAttempts = 5

export async function unregister(options: UnregisterOptions, id: number): Promise<void> {
  try {
    for (let attempt = 0; attempt < mostAttempts; attempt++) if (await tryOnce(options, id)) return
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error
    throw new KafkaError('REQUEST_TIMED_OUT', `The database does not answer: ${error.message}. Broker ${id} may still be registered.`)
  }
  throw new KafkaError('REQUEST_TIMED_OUT', `Broker ${id} registered again before each of ${mostAttempts} attempts to unregister it.`)
}

/** False: it has registered again meanwhile. */
async function tryOnce({ system, database, metadata, metadataLog, author, silentMs }: UnregisterOptions, id: number): Promise<boolean> {
  await metadata.catchUp()
  const broker = metadata.broker(id)
  if (broker === undefined) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ID ${id} is not currently registered`)
  const { epoch, fenced } = broker
  if (!fenced) {
    if (metadata.brokers().every(other => other.id === id || other.fenced)) {
      throw new KafkaError('INVALID_REQUEST', `Broker ${id} is the only one that runs: nobody could lead its partitions.`)
    }
    await database.fence(epoch, author)
    await metadata.leaveBroker(id)
    if (metadata.broker(id)?.epoch !== epoch) return false
    await pause(system, silentMs)
  }
  await metadata.endSession({ brokerId: id, epoch, avoid: new Set(), unregister: true }, metadataLog.append)
  if (metadata.broker(id) !== undefined) return false
  await metadata.electLeaders()
  return true
}
