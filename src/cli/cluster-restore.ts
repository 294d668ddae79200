/**
 * `millrace cluster restore`: what has to be done once after the database was restored to a point in time.
 *
 * Raises the incarnation, skips what was seen of the time that is lost (producer ids, leader epochs), and then ends all sessions. A broker that still runs
 * begins another one, with which it sees the new incarnation, and forgets what it knew. Can be run again at any time.
 */
import { realSystem } from '../base.ts'
import { markRestored, openDatabaseMetadataLog } from '../coordinator.ts'
import { uuidOf } from '../log.ts'
import { KafkaError } from '../protocol.ts'
import { type ClusterFlags, newClusterId, type Stores, toldDatabase, toldObjects, withStores } from './cluster.ts'
import { CommandFailed, plural, show } from './output.ts'

/** The author of what a command writes. */
const noSession = 0
const patience = { objectsMs: 30_000, databaseMs: 30_000 }

export async function restoreCluster(flags: ClusterFlags): Promise<void> {
  const told = await withStores(flags, stores => toldDatabase(() => toldObjects(() => restore(stores))), patience)
  const { cluster, incarnation, sessions, partitions } = told
  const ended = `${plural(sessions, 'session')} ended, ${plural(partitions, 'partition')} prepared`
  await show(flags.json, told, () => `cluster ${cluster} is incarnation ${incarnation} now: ${ended}; start the brokers\n`)
}

async function restore(stores: Stores) {
  const { database, objects } = stores
  const { random } = realSystem()
  await database.check()
  // Before `start`, which would make a cluster where there is none.
  await database.heads()
  const before = await database.start(newClusterId(random))
  await database.raiseIncarnation(before.incarnation)
  const log = await openDatabaseMetadataLog({ database, objects, system: realSystem(), session: noSession, snapshotSession: () => null })
  try {
    const partitions = await markRestored(log, random)
    const open = (await database.sessions()).filter(({ ended }) => !ended)
    for (const { session } of open) await database.fence(session, noSession)
    return { cluster: uuidOf(before.id), incarnation: before.incarnation + 1, sessions: open.length, partitions }
  } catch (error) {
    if (error instanceof KafkaError) throw new CommandFailed(`${error.message}; run the command again`)
    throw error
  }
}
