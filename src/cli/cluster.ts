/** `millrace cluster check` and `init`: whether database and object store can be reached and keep what they confirm; and the tables of a new cluster. */
import { type Random, realSystem, stayAlive } from '../base.ts'
import { type MetadataView, openDatabaseMetadataLog, readMetadata } from '../coordinator.ts'
import { topicIdOf, uuidOf } from '../log.ts'
import { KafkaError, randomUuid } from '../protocol.ts'
import {
  type Claim,
  type Database,
  DatabaseRefused,
  DatabaseUnavailable,
  ObjectError,
  type ObjectStore,
  openDatabase,
  openObjectStore,
  postgres,
  wrongOwner,
} from '../store.ts'
import { CommandFailed, show, UsageError, write } from './output.ts'

export interface ClusterFlags {
  cluster: string
  objects: string
  json?: boolean
}

interface Checked {
  what: string
  ms: number
}

/** What a command makes garbage lives longer than `objects.grace.ms` of any broker, which a command does not know. */
const graceMs = 90 * 24 * 3_600_000

export async function checkCluster(flags: ClusterFlags): Promise<void> {
  const checked = await withStores(flags, async ({ database, objects }) => [
    await toldDatabase(() => timed('database', () => database.check())),
    ...(await checkObjects(objects)),
  ])
  if (flags.json) await write(`${JSON.stringify(checked)}\n`)
  else for (const { what, ms } of checked) await write(`${what}: ${ms.toFixed(1)} ms\n`)
}

/** Makes the tables, if there are none. */
export async function initCluster(flags: ClusterFlags): Promise<void> {
  const made = await withStores(flags, async ({ database, objects }) => {
    await toldDatabase(() => database.check())
    await checkObjects(objects)
    const cluster = await toldDatabase(() => database.start(newClusterId(realSystem().random)))
    const isNew = (await toldDatabase(() => database.sessions())).length === 0
    await requireOwnObjects(objects, cluster.id, isNew ? database : null)
    return cluster
  })
  const { incarnation, format } = made
  const id = uuidOf(made.id)
  await show(flags.json, { id, incarnation, format }, () => `cluster ${id} is ready for its first broker\n`)
}

export interface Stores {
  readonly database: Database
  readonly objects: ObjectStore
}

/** How long is tried again what fails. */
interface Patience {
  /** For each request to the object store. */
  readonly objectsMs: number
  /** Of the database; 0: who asks can ask again. */
  readonly databaseMs: number
}

const patience: Patience = { objectsMs: 10_000, databaseMs: 0 }

/** The services of the cluster while `work` runs. Throws UsageError. */
export async function withStores<T>(
  flags: ClusterFlags,
  work: (stores: Stores) => Promise<T>,
  { objectsMs, databaseMs }: Patience = patience,
): Promise<T> {
  const system = realSystem()
  const environment = process.env
  const warn = (what: string) => void process.stderr.write(`millrace: warning: ${what}\n`)
  const connect = usable(() => postgres({ system, url: flags.cluster, environment, graceMs, warn }))
  const objects = usable(() => openObjectStore({ system, url: flags.objects, environment, timeoutMs: objectsMs }))
  const database = openDatabase({ system, connect, timeoutMs: databaseMs })
  // Between two attempts no socket is open.
  using _ = stayAlive()
  try {
    return await work({ database, objects })
  } finally {
    await database.close()
    objects.close()
  }
}

/** What the cluster knows of brokers and topics. Makes no tables. */
export async function clusterMetadata(stores: Stores): Promise<MetadataView> {
  const log = await openDatabaseMetadataLog({ ...stores, system: realSystem(), session: 0, snapshotSession: () => null })
  try {
    return await toldObjects(() => readMetadata(log))
  } catch (error) {
    if (error instanceof KafkaError) throw new CommandFailed(error.message)
    throw error
  }
}

/** As the database writes it. */
export function newClusterId(random: Random): string {
  return topicIdOf(randomUuid(random))
}

/** Of the database, in one line. */
export async function toldDatabase<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DatabaseRefused || error instanceof DatabaseUnavailable) throw new CommandFailed(`the database: ${error.message}`)
    throw error
  }
}

/** Of the object store, in one line. */
export async function toldObjects<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ObjectError) throw new CommandFailed(`the object store: ${error.message}`)
    throw error
  }
}

/** Throws CommandFailed if the object store is not the cluster's. `claim`: it becomes the cluster's if it is nobody's. */
export async function requireOwnObjects(objects: ObjectStore, clusterId: string, claim: Claim | null): Promise<void> {
  const wrong = await toldDatabase(() => toldObjects(() => wrongOwner(objects, clusterId, claim)))
  if (wrong !== null) throw new CommandFailed(wrong.message)
}

/** Writes, reads, lists and deletes one small object. */
export function checkObjects(store: ObjectStore): Promise<Checked[]> {
  return toldObjects(() => checkObject(store))
}

async function checkObject(store: ObjectStore): Promise<Checked[]> {
  const content = Buffer.alloc(16)
  realSystem().random.fill(content)
  const name = `check/${content.toString('hex')}`
  const checked = [await timed('put', () => store.put(name, [content]))]
  try {
    checked.push(
      await timed('get', async () => {
        const found = await store.get(name, 4, 8)
        if (!found.equals(content.subarray(4, 12))) throw new CommandFailed(`the object store: ${name} holds other bytes than were written`)
      }),
      await timed('list', () => store.list('check/')),
    )
  } finally {
    checked.push(await timed('delete', () => store.delete([name])))
  }
  return checked
}

function usable<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

export async function timed(what: string, work: () => Promise<unknown>): Promise<Checked> {
  const { clock } = realSystem()
  const begunMs = clock.monotonic()
  await work()
  return { what, ms: clock.monotonic() - begunMs }
}
