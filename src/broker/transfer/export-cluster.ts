/**
 * `millrace cluster export`: writes all that a cluster has into a new data directory, on which one broker can then start. Changes nothing in the
 * cluster.
 *
 * The cluster has to stand still: what was read is of one moment only if nothing was written from the beginning to the end, which is looked at
 * again before the directory is declared complete. Until then `import.json` marks it, no broker starts on it, and the same command continues.
 */
import { resolve } from 'node:path'
import type { System } from '../../base.ts'
import { type MetadataCopy, type MetadataCounts, openDatabaseMetadataLog, readMetadataCopy } from '../../coordinator.ts'
import { type Counted, type ExportedPartition, exportPartitions, type PartitionSpec, uuidOf } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import type { Database, ObjectStore } from '../../store.ts'
import { randomId } from '../cluster/sessions.ts'
import { type BrokerConfig, effectiveTopicConfig, loadBrokerConfig } from '../config.ts'
import { openImportTarget } from '../start/data-directory.ts'
import { type ContentCounts, Contents } from './contents.ts'
import { type Heads, headsOf, standingStill, TransferRefused } from './standing-still.ts'

export interface ClusterExportOptions {
  system: System
  logger: Logger
  directory: string
  /** Of the broker that will start on the directory. */
  nodeId: number
  database: Database
  objects: ObjectStore
  /** Reads and checks everything, and writes nothing. */
  dryRun: boolean
  onProgress?(progress: ExportProgress): void
}

interface ExportProgress {
  bytes: number
  partitions: number
  totalPartitions: number
}

export interface ClusterExportReport extends MetadataCounts, ContentCounts, Counted {
  outcome: 'exported' | 'checked'
  directory: string
  clusterId: string
  nodeId: number
  /** With data. */
  partitions: number
  /** Of those, the ones that an earlier attempt had exported; they are not among the other numbers. */
  kept: number
}

/** While a partition is being written, its directory has this suffix; import.json says that it may be removed. */
const unfinishedSuffix = '.import'

/** Rejects with TransferRefused or DirectoryRefused before anything is written, or with CopyFailed; then the same export goes on. */
export async function exportCluster(options: ClusterExportOptions): Promise<ClusterExportReport> {
  const { system, database, objects } = options
  await database.check()
  const heads = await standingStill(system, database)
  const written = await writtenOf(database, heads)
  const { id } = await database.start(randomId(system.random))
  const log = await openDatabaseMetadataLog({ system, database, objects, session: 0, snapshotSession: () => null })
  return await new Exporting(options, heads, uuidOf(id), await readMetadataCopy(log)).run(written)
}

/** Grows with everything that a broker writes. */
async function writtenOf(database: Database, heads: Heads): Promise<string> {
  const newest = Math.max(0, ...(await database.sessions()).map(({ session }) => session))
  return JSON.stringify({ newest, heads: [...heads], metadata: await database.metadataEnd() })
}

class Exporting {
  readonly #options: ClusterExportOptions
  readonly #heads: Heads
  readonly #clusterId: string
  readonly #metadata: MetadataCopy
  readonly #directory: string
  readonly #contents = new Contents()
  readonly #counted = { batches: 0, records: 0, bytes: 0 }
  readonly #progress: ExportProgress
  #kept = 0

  constructor(options: ClusterExportOptions, heads: Heads, clusterId: string, metadata: MetadataCopy) {
    this.#options = options
    this.#heads = heads
    this.#clusterId = clusterId
    this.#metadata = metadata
    this.#directory = resolve(options.directory)
    this.#progress = { bytes: 0, partitions: 0, totalPartitions: 0 }
  }

  async run(written: string): Promise<ClusterExportReport> {
    const { system, logger, nodeId, dryRun } = this.#options
    const directory = this.#directory
    if (dryRun) {
      await this.#copy(system, written)
      return this.#report('checked')
    }
    const state = { clusterId: this.#clusterId, metadataEndOffset: this.#metadata.endOffset, written }
    const target = await openImportTarget({ system, directory, nodeId, logger }, state)
    try {
      const { files, clock } = target.system
      await this.#copy(target.system, written)
      await files.syncDirectory(directory)
      await this.#metadata.writeFor({ files, directory, nodeId, nodes: new Set([nodeId]), timestamp: clock.now() })
      await target.finish()
    } finally {
      await target.close()
    }
    return this.#report('exported')
  }

  async #copy(system: System, written: string): Promise<void> {
    const { database, objects, dryRun, logger, nodeId } = this.#options
    const config = loadBrokerConfig({ set: { 'log.dirs': this.#directory, 'node.id': nodeId } })
    const specs = this.#specs(config)
    this.#progress.totalPartitions = specs.length
    await exportPartitions(specs, {
      system,
      database,
      objects,
      heads: this.#heads,
      dryRun,
      pathFor: spec => this.#pathFor(system, spec),
      done: (spec, path, exported) => this.#done(system, spec, path, exported),
      seen: ({ topic }, batches) => {
        this.#contents.take(topic, batches)
        this.#progress.bytes += batches.length
        this.#tell()
      },
      report: (what, error) => logger.warn({ err: error }, what),
    })
    if ((await writtenOf(database, await headsOf(database))) !== written)
      throw new TransferRefused('a broker has written to the cluster during the export: stop all brokers, and run the same export again')
  }

  #specs(config: BrokerConfig): PartitionSpec[] {
    const configs = new Map<string, PartitionSpec['config']>()
    return Array.from(this.#metadata.partitions(), ({ topic, topicId, partition }) => {
      let own = configs.get(topic)
      if (own === undefined) configs.set(topic, (own = effectiveTopicConfig(config, this.#metadata.topicConfigs(topic))))
      return { topic, topicId, partition, config: own }
    })
  }

  #pathFor({ files }: System, { topic, partition }: PartitionSpec): string | null {
    const path = `${this.#directory}/${topic}-${partition}`
    if (this.#options.dryRun || !files.exists(path)) return `${path}${unfinishedSuffix}`
    this.#kept++
    this.#progress.partitions++
    return null
  }

  async #done({ files }: System, spec: PartitionSpec, path: string, { batches, records, bytes }: ExportedPartition): Promise<void> {
    if (!this.#options.dryRun) {
      await files.syncDirectory(path)
      files.rename(path, `${this.#directory}/${spec.topic}-${spec.partition}`)
    }
    this.#counted.batches += batches
    this.#counted.records += records
    this.#counted.bytes += bytes
    this.#progress.partitions++
    this.#tell()
  }

  #tell(): void {
    this.#options.onProgress?.({ ...this.#progress })
  }

  #report(outcome: ClusterExportReport['outcome']): ClusterExportReport {
    const counts = { ...this.#counted, ...this.#contents.counts(), ...this.#metadata.counts() }
    const { nodeId } = this.#options
    const [kept, partitions] = [this.#kept, this.#progress.partitions]
    return { outcome, directory: this.#directory, clusterId: this.#clusterId, nodeId, partitions, kept, ...counts }
  }
}
