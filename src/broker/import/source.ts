/**
 * The data directories of a stopped Kafka as one source: their cluster and nodes, their metadata, and the directory of each partition.
 *
 * Hides that `log.dirs` may have several directories, that they may come from several brokers, and the locks that keep Kafka from
 * starting meanwhile. Changes nothing in the directories.
 */
import { DirectoryInUse, DiskError, type FileSystem } from '../../base.ts'
import { type CopiedPartition, type MetadataCopy, readKafkaMetadata } from '../../coordinator.ts'
import { parseProperties } from '../../formats.ts'
import { type KafkaDirectory, type KafkaPartitionDirectory, readKafkaDirectory } from '../../log.ts'
import type { Offset, Uuid } from '../../protocol.ts'

/** The source cannot be imported. It was not changed. */
export class ImportRefused extends Error {
  readonly code = 'ERR_IMPORT'

  constructor(why: string) {
    super(why)
    this.name = 'ImportRefused'
  }
}

interface SourceDirectory extends KafkaDirectory {
  path: string
  clusterId: string
  nodeId: number
  directoryId: string
}

/** A partition, and the directory of the copy to use. */
export interface SourcePartition extends CopiedPartition {
  path: string
  /** Where DeleteRecords moved its beginning to. */
  logStartOffset: Offset
  /** How far it is compacted; null: never. */
  cleanedTo: Offset | null
}

export interface Source {
  readonly clusterId: string
  /** The brokers whose directories these are. */
  readonly nodes: ReadonlySet<number>
  readonly metadata: MetadataCopy
  readonly partitions: readonly SourcePartition[]
  readonly wasShutDownCleanly: boolean
  /** Directories that belong to no topic, or that Kafka had not finished deleting or moving. */
  readonly leftOut: readonly string[]
  release(): void
}

/** Throws ImportRefused, or DirectoryInUse while Kafka runs. */
export function openSource(files: FileSystem, paths: readonly string[]): Source {
  const locks: { release(): void }[] = []
  const release = () => {
    for (const lock of locks.splice(0)) lock.release()
  }
  try {
    for (const path of paths) locks.push(lockOf(files, path))
    return { ...read(files, paths), release }
  } catch (error) {
    release()
    // A file of Kafka's has contents that this version cannot read.
    throw error instanceof ImportRefused || error instanceof DiskError ? error : new ImportRefused((error as Error).message)
  }
}

function lockOf(files: FileSystem, path: string): { release(): void } {
  if (!files.exists(path)) throw new ImportRefused(`${path} does not exist`)
  try {
    return files.lockForReading(path) ?? { release() {} }
  } catch (error) {
    if (error instanceof DirectoryInUse) throw new ImportRefused(`${error.message}: stop it first`)
    throw error
  }
}

function read(files: FileSystem, paths: readonly string[]): Omit<Source, 'release'> {
  const directories = paths.map(path => readDirectory(files, path))
  const [first] = directories
  if (first === undefined) throw new ImportRefused('no data directory of Kafka was given')
  for (const { path, clusterId } of directories)
    if (clusterId !== first.clusterId)
      throw new ImportRefused(
        `${path} belongs to cluster ${clusterId}, but ${first.path} to cluster ${first.clusterId}; name directories of one cluster`,
      )
  const metadata = newestMetadata(files, paths)
  const { partitions, used } = place(metadata, directories)
  const strays = directories.flatMap(each => each.partitions.filter(({ path }) => !used.has(path)).map(({ path }) => path))
  return {
    clusterId: first.clusterId,
    nodes: new Set(directories.map(({ nodeId }) => nodeId)),
    metadata,
    partitions,
    wasShutDownCleanly: directories.every(each => each.wasShutDownCleanly),
    leftOut: [...strays, ...directories.flatMap(({ unfinished }) => unfinished)],
  }
}

function readDirectory(files: FileSystem, path: string): SourceDirectory {
  const content = files.readFile(`${path}/meta.properties`)
  if (content === null) throw new ImportRefused(`${path} is not a data directory of Kafka: it has no meta.properties`)
  const parsed = parseProperties(content.toString('latin1'))
  if (typeof parsed === 'string') throw new ImportRefused(`${path}/meta.properties is damaged: ${parsed}`)
  const property = (key: string) => parsed.get(key)?.value.trim()
  if (property('millrace.format') !== undefined) throw new ImportRefused(`${path} contains data of Millrace, not of Kafka`)
  if (property('version') === '0')
    throw new ImportRefused(`${path} belongs to a Kafka with ZooKeeper: migrate it to KRaft first, or mirror its topics`)
  if (property('version') !== '1')
    throw new ImportRefused(`${path}/meta.properties has version ${property('version')}; only version 1 is supported`)
  const [clusterId, nodeId] = [property('cluster.id'), Number(property('node.id'))]
  if (!clusterId || !Number.isInteger(nodeId)) throw new ImportRefused(`${path}/meta.properties has no cluster.id or no node.id`)
  return { ...readKafkaDirectory(files, path), path, clusterId, nodeId, directoryId: property('directory.id') ?? '' }
}

function newestMetadata(files: FileSystem, paths: readonly string[]): MetadataCopy {
  let newest: MetadataCopy | null = null
  for (const path of paths) {
    if (!files.exists(`${path}/__cluster_metadata-0`)) continue
    const metadata = readKafkaMetadata(files, path)
    if (newest === null || metadata.endOffset > newest.endOffset) newest = metadata
  }
  if (newest !== null) return newest
  throw new ImportRefused(`none of ${paths.join(', ')} contains __cluster_metadata-0: also name the directory of metadata.log.dir`)
}

function place(metadata: MetadataCopy, directories: readonly SourceDirectory[]): { partitions: SourcePartition[]; used: Set<string> } {
  const found = new Map<string, { of: SourceDirectory; at: KafkaPartitionDirectory }[]>()
  for (const of of directories)
    for (const at of of.partitions) {
      const name = `${at.topic}-${at.partition}`
      const places = found.get(name)
      if (places === undefined) found.set(name, [{ of, at }])
      else places.push({ of, at })
    }
  const cleaned = new Map<string, Offset>(
    directories.flatMap(of => of.cleaned.map(each => [`${of.path} ${each.topic}-${each.partition}`, each.offset] as const)),
  )
  const partitions: SourcePartition[] = []
  const missing: string[] = []
  const used = new Set<string>()
  for (const partition of metadata.partitions()) {
    const name = `${partition.topic}-${partition.partition}`
    const places = (found.get(name) ?? []).filter(({ at }) => at.topicId === null || at.topicId === partition.topicId)
    const chosen = choose(partition, places)
    if (chosen === undefined) {
      missing.push(name)
      continue
    }
    for (const { at } of places) used.add(at.path)
    partitions.push({
      ...partition,
      path: chosen.at.path,
      logStartOffset: chosen.of.logStartOffsets.get(name) ?? 0,
      cleanedTo: cleaned.get(`${chosen.of.path} ${name}`) ?? null,
    })
  }
  if (missing.length === 0) return { partitions, used }
  const some = missing.slice(0, 5).join(', ')
  throw new ImportRefused(
    `${missing.length} partitions are in none of the directories (${some}${missing.length > 5 ? ', …' : ''}): name all directories of log.dirs`,
  )
}

/** The copy of the broker most likely to have all records; of several directories of one broker, the one that the metadata names. */
function choose<Place extends { of: SourceDirectory }>(partition: CopiedPartition, places: readonly Place[]): Place | undefined {
  const { mostComplete, replicas, directories } = partition
  const isNamed = ({ of }: Place) => directories[replicas.indexOf(of.nodeId)] === (of.directoryId as Uuid)
  for (const node of [...mostComplete, ...replicas]) {
    const here = places.filter(({ of }) => of.nodeId === node)
    if (here.length > 0) return here.find(isNamed) ?? here[0]
  }
  return undefined
}
