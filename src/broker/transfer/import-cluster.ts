/**
 * `millrace cluster import`: puts the data of a stopped broker into a cluster, on which brokers can then start: topics with their ids, records,
 * committed offsets, transactions, users, ACLs, quotas, configs.
 *
 * The data comes first, the metadata last and at once: until then the cluster has no topic, so nothing of a half-finished import is ever
 * served. What is not finished is nobody's: the same import goes on with it, and if none does, the first broker removes it.
 */
import { type System, severalAtOnce } from '../../base.ts'
import { type MetadataCopy, type MetadataCounts, openDatabaseMetadataLog, readMetadataCopy } from '../../coordinator.ts'
import {
  type ClusterImport,
  type Counted,
  openClusterImport,
  type ReleasedDirectory,
  readThrough,
  type Seen,
  topicIdOf,
  uuidOf,
} from '../../log.ts'
import type { Logger } from '../../logger.ts'
import { parseUuid } from '../../protocol.ts'
import { type Database, type ObjectStore, wrongOwner } from '../../store.ts'
import { randomId } from '../cluster/sessions.ts'
import { type ContentCounts, Contents } from './contents.ts'
import { type DataSource, openDataSource } from './data-source.ts'
import {
  endImports,
  type Heads,
  headsOf,
  importInfo,
  importsOf,
  noBroker,
  requireFirstImport,
  standingStill,
  TransferRefused,
} from './standing-still.ts'

export interface ClusterImportOptions {
  system: System
  logger: Logger
  directory: string
  database: Database
  objects: ObjectStore
  /** Reads and checks everything, and writes nothing. */
  dryRun: boolean
  onProgress?(progress: TransferProgress): void
}

interface TransferProgress {
  bytes: number
  totalBytes: number
  partitions: number
  totalPartitions: number
}

export interface ClusterImportReport extends MetadataCounts, ContentCounts, Counted {
  /** `imported`; `checked`: it was a dry run; `there`: an earlier import was complete. */
  outcome: 'imported' | 'checked' | 'there'
  directory: string
  /** Of the cluster, now. */
  clusterId: string
  /** Of the directory. */
  sourceClusterId: string
  nodeId: number
  partitions: number
}

const groupsAtOnce = 8
/** All of it is one append; some 100 bytes for each partition. */
const mostMetadataBytes = 64 << 20
/** Appends to the metadata that others were faster with. */
const mostAttempts = 5

/** Rejects with TransferRefused or DirectoryRefused before anything is written, or with CopyFailed; then the same import may go on. */
export async function importIntoCluster(options: ClusterImportOptions): Promise<ClusterImportReport> {
  const { system, directory, logger, database } = options
  await database.check()
  const source = await openDataSource(system, directory, logger)
  try {
    // A dry run does not make a cluster: where there is none, this rejects.
    if (options.dryRun) await database.heads()
    const cluster = await database.start(idOf(source.clusterId) ?? randomId(system.random))
    const heads = await standingStill(system, database)
    if (!options.dryRun) await requireOwnObjects(options, cluster.id)
    return await new Importing(options, source, uuidOf(cluster.id)).run(heads)
  } finally {
    await source.close()
  }
}

/** As for a broker: nobody has written anything before the first session. */
async function requireOwnObjects({ database, objects }: ClusterImportOptions, clusterId: string): Promise<void> {
  const isNew = (await database.sessions()).length === 0
  const wrong = await wrongOwner(objects, clusterId, isNew ? database : null)
  if (wrong !== null) throw wrong
}

/** In the database's form. A cluster that is made for the import has the id of the directory. */
function idOf(clusterId: string): string | null {
  const uuid = parseUuid(clusterId)
  return uuid === null ? null : topicIdOf(uuid)
}

class Importing {
  readonly #options: ClusterImportOptions
  readonly #source: DataSource
  readonly #clusterId: string
  readonly #counted = { batches: 0, records: 0, bytes: 0 }
  readonly #contents = new Contents()
  readonly #progress: TransferProgress

  constructor(options: ClusterImportOptions, source: DataSource, clusterId: string) {
    this.#options = options
    this.#source = source
    this.#clusterId = clusterId
    this.#progress = { bytes: 0, totalBytes: source.bytes, partitions: 0, totalPartitions: source.partitions.length }
  }

  async run(heads: Heads): Promise<ClusterImportReport> {
    const { database, dryRun } = this.#options
    const wanted = await this.#wanted(0)
    if (wanted.kind === 'done') return this.#report('there')
    if (dryRun) {
      await this.#all(
        this.#source.partitions.map(one => [one]),
        ([one], seen) => readThrough(this.#source.system, one!, seen),
      )
      return this.#report('checked')
    }
    await endImports(database, heads)
    const target = await this.#begin()
    try {
      await requireFirstImport(database, target.session)
      await this.#all(target.groupsOf(this.#source.partitions), (group, seen) => target.take(group, seen))
      await this.#requireStill(target, heads)
      await this.#requireAll(target, 'run the same import again')
      await this.#append(target)
      await this.#requireAll(target, 'its topics are there already, so import again into a new database schema and prefix')
    } catch (error) {
      // If this fails as well, the next attempt ends the session.
      await target.close().catch(() => {})
      throw error
    }
    await target.close()
    return this.#report('imported')
  }

  async #begin(): Promise<ClusterImport> {
    const { system, database, objects, logger } = this.#options
    const incarnation = randomId(system.random)
    const session = await database.beginSession({ brokerId: noBroker, incarnation, info: importInfo })
    const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
    return await openClusterImport({ system: this.#source.system, database, objects, session, report })
  }

  async #all(groups: readonly ReleasedDirectory[][], work: (group: ReleasedDirectory[], seen: Seen) => Promise<Counted>): Promise<void> {
    const seen: Seen = ({ topic }, batches) => {
      this.#contents.take(topic, batches)
      this.#advance(batches.length)
    }
    await severalAtOnce(groups, groupsAtOnce, async group => {
      const { batches, records, bytes } = await work(group, seen)
      this.#counted.batches += batches
      this.#counted.records += records
      this.#counted.bytes += bytes
      this.#progress.partitions += group.length
      this.#advance(0)
    })
  }

  /** A broker would take data of topics that do not exist yet for leftovers. Another import that begins now refuses itself, as long as this one goes on. */
  async #requireStill(target: ClusterImport, before: Heads): Promise<void> {
    const { database } = this.#options
    const heads = await headsOf(database)
    const imports = await importsOf(database)
    for (const [session, seq] of heads)
      if (session !== target.session && !imports.has(session) && before.get(session) !== seq)
        throw new TransferRefused('a broker has started during the import: stop it, and run the same import again')
  }

  async #requireAll(target: ClusterImport, whatToDo: string): Promise<void> {
    const [first, ...more] = await target.missing()
    if (first === undefined) return
    throw new TransferRefused(`the import is not complete (${first}${more.length > 0 ? `, and ${more.length} more` : ''}): ${whatToDo}`)
  }

  /** From now on the cluster has the topics. */
  async #append(target: ClusterImport): Promise<void> {
    const id = Buffer.alloc(16)
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      this.#options.system.random.fill(id)
      const wanted = await this.#wanted(target.session)
      if (wanted.kind !== 'new') throw new TransferRefused('another import into this cluster was completed first')
      const log = await this.#metadataLog(target.session)
      if (await log.by(append => target.append(append), mostMetadataBytes)(wanted.end, wanted.records, Buffer.from(id))) return
    }
    throw new TransferRefused('the metadata of the cluster keeps changing: stop all brokers, and run the same import again')
  }

  #metadataLog(session: number) {
    const { system, database, objects } = this.#options
    return openDatabaseMetadataLog({ system, database, objects, session, snapshotSession: () => null })
  }

  async #wanted(session: number) {
    const target: MetadataCopy = await readMetadataCopy(await this.#metadataLog(session))
    const { nodeId, metadata } = this.#source
    const wanted = metadata.into(target, { nodeId, nodes: new Set([nodeId]) })
    if (wanted.kind !== 'occupied') return { ...wanted, end: target.endOffset }
    throw new TransferRefused(
      `the cluster is not empty, it has ${wanted.by}: an import needs a cluster without topics, users, quotas or configs`,
    )
  }

  #advance(bytes: number): void {
    this.#progress.bytes += bytes
    this.#options.onProgress?.({ ...this.#progress })
  }

  #report(outcome: ClusterImportReport['outcome']): ClusterImportReport {
    const { directory } = this.#options
    const { clusterId: sourceClusterId, nodeId, metadata, partitions } = this.#source
    const { batches, records, bytes } = this.#counted
    const counted = { partitions: partitions.length, batches, records, bytes }
    return {
      outcome,
      directory,
      clusterId: this.#clusterId,
      sourceClusterId,
      nodeId,
      ...counted,
      ...this.#contents.counts(),
      ...metadata.counts(),
    }
  }
}
