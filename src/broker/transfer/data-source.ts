/**
 * The data directory of a stopped broker, opened as a broker opens it, and left exactly as it is: what recovery writes stays in memory.
 *
 * Hides the journal that has to be replayed, directories of further processes (`processes=N`), whose partitions are brought together as at a
 * start with one process, and interrupted moves between them.
 */
import { resolve } from 'node:path'
import { DirectoryInUse, overlayFileSystem, pause, type System } from '../../base.ts'
import { type ClusterMetadata, type CopiedPartition, type MetadataCopy, readMetadataCopy } from '../../coordinator.ts'
import { copySettings, type Log, openLog, type ReleasedDirectory } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import { loadBrokerConfig } from '../config.ts'
import { type DataDirectory, openDataDirectory, readProperties } from '../start/data-directory.ts'
import { openOwnMetadata } from '../start/open-metadata.ts'
import type { Closers } from '../start/options.ts'
import { closeInTurn } from '../start.ts'
import { TransferRefused } from './standing-still.ts'

export interface DataSource {
  /** Its files are those of the directory, with what was recovered. */
  readonly system: System
  readonly clusterId: string
  readonly nodeId: number
  readonly metadata: MetadataCopy
  /** Those with data, released: the directory of each alone has all of it. */
  readonly partitions: readonly ReleasedDirectory[]
  readonly bytes: number
  close(): Promise<void>
}

/** For partitions that come from the directories of other processes. */
const mostArrivalMs = 30_000
const lookMs = 20
const leastJournalBytes = 1 << 20
/** In an error message. */
const mostNamed = 5

/** Nobody else can use the directory until `close`. Rejects with TransferRefused or DirectoryRefused. */
export async function openDataSource(system: System, path: string, logger: Logger): Promise<DataSource> {
  const opened: Closers = []
  const close = () => closeInTurn(opened)
  try {
    return { ...(await open(system, resolve(path), logger, opened)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function open(given: System, directory: string, logger: Logger, opened: Closers): Promise<Omit<DataSource, 'close'>> {
  if (!given.files.exists(directory)) throw new TransferRefused(`${directory} does not exist`)
  const files = overlayFileSystem(given.files, directory)
  const nodeId = storedNodeId({ ...given, files }, directory)
  const taken = await take({ ...given, files }, directory, nodeId, logger)
  opened.push(taken.close)
  const { system, identity } = taken
  const { clusterId } = identity
  // The journals of other processes are only read, and new ones would take memory.
  const config = loadBrokerConfig({ set: { 'log.dirs': directory, 'node.id': nodeId, 'journal.file.bytes': leastJournalBytes } })
  let failure: Error | null = null
  const onFatal = (error: Error) => {
    failure = error
  }
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  const log = await openLog({ system, directory, settings: copySettings, onFatal, onThisMachine: false, report })
  opened.push(() => log.close())
  const options = { system, config, logger, onFatal, onThisMachine: false }
  const { metadata } = await openOwnMetadata(options, log, { directory, clusterId }, opened)
  const copy = await readMetadataCopy(metadata.sharedLog!)
  const { partitions, bytes } = await releaseAll(system, directory, log, metadata, [...copy.partitions()])
  if (failure !== null) throw failure
  return { system, clusterId, nodeId, metadata: copy, partitions, bytes }
}

async function take(system: System, directory: string, nodeId: number, logger: Logger): Promise<DataDirectory> {
  try {
    return await openDataDirectory({ system, directory, nodeId, logger })
  } catch (error) {
    if (error instanceof DirectoryInUse) throw new TransferRefused(`${error.message}: stop it first`)
    throw error
  }
}

function storedNodeId({ files }: System, directory: string): number {
  const properties = readProperties(files, directory)
  if (properties === null) throw new TransferRefused(`${directory} is not a data directory of Millrace: it has no meta.properties`)
  const nodeId = Number(properties.get('node.id') || Number.NaN)
  if (!Number.isInteger(nodeId)) throw new TransferRefused(`${directory}/meta.properties has no node.id: restore that file`)
  return nodeId
}

/** Each partition, so that its directory has all of it. */
async function releaseAll(system: System, directory: string, log: Log, metadata: ClusterMetadata, wanted: readonly CopiedPartition[]) {
  const missing: string[] = []
  const offline: string[] = []
  const partitions: ReleasedDirectory[] = []
  let bytes = 0
  const untilMs = system.clock.monotonic() + mostArrivalMs
  for (const { topic, topicId, partition } of wanted) {
    const name = `${topic}-${partition}`
    let here = metadata.partition(topicId, partition)
    for (; here === undefined && system.clock.monotonic() < untilMs; here = metadata.partition(topicId, partition))
      await pause(system, lookMs)
    if (here === undefined) missing.push(name)
    else if (here.offline !== null) offline.push(`${name}: ${here.offline}`)
    else if (here.logEndOffset > 0) {
      const size = here.sizeBytes()
      bytes += size
      const released = await log.release(topicId, partition)
      partitions.push({ topic, topicId, partition, path: `${directory}/${released.directory}`, bytes: size })
    }
  }
  if (missing.length > 0)
    throw new TransferRefused(
      `the data of ${named(missing)} is not in ${directory}: start a broker on it, stop it, and read in its log what is wrong`,
    )
  if (offline.length > 0) throw new TransferRefused(`damaged partitions cannot be imported (docs/repair.md): ${named(offline)}`)
  return { partitions, bytes }
}

function named(all: readonly string[]): string {
  return `${all.slice(0, mostNamed).join('; ')}${all.length > mostNamed ? `; and ${all.length - mostNamed} more` : ''}`
}
