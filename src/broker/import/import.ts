/**
 * `millrace import`: copies the data of a stopped Kafka into a new data directory, on which a broker can then start: topics with their ids,
 * records, committed offsets, transactions, users, ACLs, quotas, configs.
 *
 * Segments are copied unchanged, and cloned where the file system supports it; the metadata becomes the first snapshot of the new metadata
 * log. Then the directory is opened once, which recovers every partition, and closed. Until that is done, `import.json` marks the directory
 * as incomplete: no broker starts on it, and the same command continues where it was interrupted.
 */
import { resolve } from 'node:path'
import { type FileSystem, type System, severalAtOnce } from '../../base.ts'
import type { ClusterMetadata, MetadataCounts } from '../../coordinator.ts'
import { partitionFiles, writeCleanerCheckpoint } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import { type BrokerConfig, dataDirectory } from '../config.ts'
import { openImportTarget } from '../start/data-directory.ts'
import { withMetadata } from '../start/offline.ts'
import { ImportRefused, openSource, type Source, type SourcePartition } from './source.ts'

export interface ImportOptions {
  system: System
  /** The configuration of the new broker: its directory, its node.id. */
  config: BrokerConfig
  logger: Logger
  /** All directories of Kafka's log.dirs. */
  sources: readonly string[]
  onProgress?(progress: ImportProgress): void
}

export interface ImportProgress {
  /** `checking`: everything is copied, and every log is read as at a start. */
  step: 'copying' | 'checking'
  bytes: number
  totalBytes: number
  partitions: number
  totalPartitions: number
}

export interface ImportReport extends MetadataCounts {
  directory: string
  clusterId: string
  nodeId: number
  partitions: number
  bytes: number
  /** Partitions that are offline, and why: their files were damaged before. */
  offline: { partition: string; reason: string }[]
  wasShutDownCleanly: boolean
  leftOut: readonly string[]
}

/** Throws ImportRefused, DirectoryRefused or DirectoryInUse; then nothing was changed. */
export async function importKafka(options: ImportOptions): Promise<ImportReport> {
  const source = openSource(options.system.files, options.sources)
  try {
    return await importFrom(source, options)
  } finally {
    source.release()
  }
}

async function importFrom(source: Source, options: ImportOptions): Promise<ImportReport> {
  const { config, logger, sources } = options
  const directory = dataDirectory(config)
  for (const each of sources)
    if (liesIn(directory, each) || liesIn(each, directory))
      throw new ImportRefused(`${directory} and ${each} are inside one another: choose another directory`)
  const nodeId = config.get('node.id')
  const { clusterId, metadata } = source
  const data = await openImportTarget({ ...options, directory, nodeId, logger }, { clusterId, metadataEndOffset: metadata.endOffset })
  try {
    const { files, clock } = data.system
    const copying = new Copying(files, directory, source, options.onProgress ?? (() => {}))
    await copying.run()
    await metadata.writeFor({ files, directory, nodeId, nodes: source.nodes, timestamp: clock.now() })
    const offline: ImportReport['offline'] = []
    await withMetadata({ ...options, system: data.system }, directory, opened => settle(opened, source.partitions, offline))
    await data.finish()
    const { wasShutDownCleanly, leftOut, partitions } = source
    const bytes = copying.totalBytes
    return {
      directory,
      clusterId,
      nodeId,
      partitions: partitions.length,
      bytes,
      offline,
      wasShutDownCleanly,
      leftOut,
      ...metadata.counts(),
    }
  } finally {
    await data.close()
  }
}

function liesIn(inner: string, outer: string): boolean {
  return `${resolve(inner)}/`.startsWith(`${resolve(outer)}/`)
}

/** Moves what Kafka keeps in separate files into each log. */
async function settle(metadata: ClusterMetadata, partitions: readonly SourcePartition[], offline: ImportReport['offline']): Promise<void> {
  for (const { topic, topicId, partition, leaderEpoch, logStartOffset } of partitions) {
    const log = metadata.partition(topicId, partition)
    const name = `${topic}-${partition}`
    if (log === undefined) throw new Error(`${name} was copied, but cannot be opened`)
    if (log.offline !== null) {
      offline.push({ partition: name, reason: log.offline })
      continue
    }
    log.raiseLeaderEpoch(leaderEpoch + 1)
    const start = Math.min(logStartOffset, log.highWatermark)
    if (start > log.logStartOffset) await log.deleteBefore(start)
  }
}

/** While a partition is being copied, its directory has this suffix. */
const unfinishedSuffix = '.import'
/** Written by an earlier check of the copy. */
const offlineFile = 'millrace.offline'
const copiesAtATime = 4

class Copying {
  readonly totalBytes: number
  readonly #files: FileSystem
  readonly #directory: string
  readonly #source: Source
  readonly #onProgress: (progress: ImportProgress) => void
  readonly #todo: { partition: SourcePartition; files: { name: string; bytes: number }[] }[]
  #bytes = 0
  #partitions = 0
  #roomChecked = false

  constructor(files: FileSystem, directory: string, source: Source, onProgress: (progress: ImportProgress) => void) {
    this.#files = files
    this.#directory = directory
    this.#source = source
    this.#onProgress = onProgress
    this.#todo = source.partitions.map(partition => ({ partition, files: partitionFiles(files, partition.path) }))
    this.totalBytes = this.#todo.reduce((sum, { files: all }) => sum + all.reduce((bytes, file) => bytes + file.bytes, 0), 0)
  }

  async run(): Promise<void> {
    this.#tell('copying')
    await severalAtOnce(this.#todo, copiesAtATime, async ({ partition, files }) => {
      await this.#copy(partition, files)
      this.#partitions++
      this.#tell('copying')
    })
    const cleaned = this.#source.partitions.flatMap(({ topic, partition, cleanedTo }) =>
      cleanedTo === null ? [] : [{ topic, partition, offset: cleanedTo }],
    )
    await writeCleanerCheckpoint(this.#files, this.#directory, cleaned)
    await this.#files.syncDirectory(this.#directory)
    this.#tell('checking')
  }

  async #copy({ topic, partition, path }: SourcePartition, all: readonly { name: string; bytes: number }[]): Promise<void> {
    const files = this.#files
    const target = `${this.#directory}/${topic}-${partition}`
    const isDone = files.exists(target) && !files.exists(`${target}/${offlineFile}`)
    if (!isDone) {
      const unfinished = `${target}${unfinishedSuffix}`
      await files.removeDirectory(target)
      await files.removeDirectory(unfinished)
      files.makeDirectory(unfinished)
      for (const { name, bytes } of all) {
        const how = await files.copyFile(`${path}/${name}`, `${unfinished}/${name}`)
        if (how === 'copied') this.#checkRoom(bytes)
        this.#bytes += bytes
        this.#tell('copying')
      }
      await files.syncDirectory(unfinished)
      files.rename(unfinished, target)
    } else for (const { bytes } of all) this.#bytes += bytes
  }

  /** As soon as it is clear that copies need space: better now than after hours. */
  #checkRoom(copied: number): void {
    if (this.#roomChecked) return
    this.#roomChecked = true
    const missing = this.totalBytes - this.#bytes - copied - this.#files.freeBytes(this.#directory)
    if (missing > 0)
      throw new ImportRefused(`the copy needs ${this.totalBytes} bytes; the volume of ${this.#directory} has ${missing} bytes too few`)
  }

  #tell(step: ImportProgress['step']): void {
    this.#onProgress({
      step,
      bytes: this.#bytes,
      totalBytes: this.totalBytes,
      partitions: this.#partitions,
      totalPartitions: this.#source.partitions.length,
    })
  }
}
