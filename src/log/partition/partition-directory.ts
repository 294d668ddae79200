/** A partition's directory before it is opened and after it is deleted: its topic, whether it contains data, and what may be removed. */
import type { FileSystem } from '../../base.ts'
import { parseUuid, type Uuid } from '../../protocol.ts'
import { decodePartitionMetadata, encodePartitionMetadata } from '../kafka-files.ts'

/** An operator removes it to have the partition opened all the same. */
export const damageFile = 'millrace.offline'
/** Created by an operator to request a repair: the next start keeps what can be read, gives up the rest, and brings the partition online. */
export const repairFile = 'millrace.repair'

export function writePartitionMetadata(files: FileSystem, directory: string, topicId: Uuid): void {
  const file = files.open(`${directory}/partition.metadata`, 'rw')
  try {
    const content = Buffer.from(encodePartitionMetadata(topicId))
    file.writeSync([content], 0)
    file.truncate(content.length)
  } finally {
    file.close()
  }
}

/** Whose directory it is; null when it does not say. Throws DiskError when it cannot be read. */
export function readTopicId(files: FileSystem, directory: string): Uuid | null {
  const metadata = files.readFile(`${directory}/partition.metadata`)
  if (metadata === null) return null
  try {
    return parseUuid(decodePartitionMetadata(metadata.toString('latin1')))
  } catch {
    // Torn while it was made: nothing was acknowledged in it that the journal does not have.
    return null
  }
}

export function hasSegments(files: FileSystem, directory: string): boolean {
  return files.list(directory).some(({ name }) => name.endsWith('.log'))
}

const longestName = 255

/** The name that a deleted partition's directory has until it is removed. Kafka's long topic names are cut, as the file system demands. */
export function condemnedName(topic: string, partition: number, topicId: Uuid): string {
  const end = `-${partition}.${topicId}-delete`
  return `${topic.slice(0, longestName - end.length)}${end}`
}

/** Whether `condemnedName` gave the name. Other names that end in `-delete`, those of Kafka too, are not ours to remove. */
export function isCondemned(name: string): boolean {
  return /-\d+\.[A-Za-z0-9_-]{22}-delete$/.test(name)
}
