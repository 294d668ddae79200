/**
 * Reads a data directory of Kafka for an import: its partitions, their relevant files, and Kafka's checkpoint files. Changes nothing.
 */
import type { FileSystem } from '../base.ts'
import { type Offset, parseUuid, type Uuid } from '../protocol.ts'
import { decodeOffsetCheckpoint, decodePartitionMetadata, encodeOffsetCheckpoint, type PartitionOffset } from './kafka-files.ts'

export interface KafkaPartitionDirectory {
  path: string
  topic: string
  partition: number
  /** null in one from before topics had ids. */
  topicId: Uuid | null
}

export interface KafkaDirectory {
  partitions: KafkaPartitionDirectory[]
  /** By `topic-partition`: where DeleteRecords moved the beginning of a log to. */
  logStartOffsets: ReadonlyMap<string, Offset>
  /** How far each log is compacted. */
  cleaned: readonly PartitionOffset[]
  wasShutDownCleanly: boolean
  /** What Kafka had not finished to delete or to move. */
  unfinished: string[]
}

export function readKafkaDirectory(files: FileSystem, directory: string): KafkaDirectory {
  const partitions: KafkaPartitionDirectory[] = []
  const unfinished: string[] = []
  for (const { name, kind } of files.list(directory)) {
    if (kind !== 'directory' || name === '__cluster_metadata-0') continue
    const path = `${directory}/${name}`
    const match = /^(.+)-(\d+)$/.exec(name)
    if (match !== null) partitions.push({ path, topic: match[1]!, partition: Number(match[2]), topicId: topicIdIn(files, path) })
    else if (/-(delete|future|stray)$/.test(name)) unfinished.push(path)
  }
  const starts = checkpoint(files, `${directory}/log-start-offset-checkpoint`)
  return {
    partitions,
    logStartOffsets: new Map(starts.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset])),
    cleaned: checkpoint(files, `${directory}/cleaner-offset-checkpoint`),
    wasShutDownCleanly: files.exists(`${directory}/.kafka_cleanshutdown`),
    unfinished,
  }
}

/**
 * What belongs to the partition's log; not what Kafka was about to remove. Nor the indexes of the last segment, which every start makes anew
 * from the segment: a Kafka that was killed leaves 20 MB of zeros in each.
 */
export function partitionFiles(files: FileSystem, path: string): { name: string; bytes: number }[] {
  const wanted = /^\d{20}\.(log|index|timeindex|txnindex)(\.swap)?$|^\d{20}\.snapshot$|^leader-epoch-checkpoint$|^partition\.metadata$/
  const names = files.list(path).flatMap(({ name, kind }) => (kind === 'file' && wanted.test(name) ? [name] : []))
  const last = names.findLast(name => name.endsWith('.log'))?.slice(0, 20)
  const needless = new Set([`${last}.index`, `${last}.timeindex`])
  return names.filter(name => !needless.has(name)).map(name => ({ name, bytes: sizeOf(files, `${path}/${name}`) }))
}

export async function writeCleanerCheckpoint(files: FileSystem, directory: string, entries: readonly PartitionOffset[]): Promise<void> {
  await files.replaceFile(`${directory}/cleaner-offset-checkpoint`, Buffer.from(encodeOffsetCheckpoint(entries)))
}

function topicIdIn(files: FileSystem, path: string): Uuid | null {
  const content = files.readFile(`${path}/partition.metadata`)
  return content === null ? null : parseUuid(decodePartitionMetadata(content.toString('latin1')))
}

function checkpoint(files: FileSystem, path: string): PartitionOffset[] {
  const content = files.readFile(path)
  // Kafka makes it empty, and writes it when there is something to say.
  if (content === null || content.length === 0) return []
  try {
    return decodeOffsetCheckpoint(content.toString('latin1'))
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error })
  }
}

function sizeOf(files: FileSystem, path: string): number {
  const file = files.open(path, 'r')
  try {
    return file.size()
  } finally {
    file.close()
  }
}
