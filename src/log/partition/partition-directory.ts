/** A partition's directory before it is opened: whose it is, and whether there is something in it. */
import type { FileSystem } from '../../base.ts'
import type { Uuid } from '../../protocol.ts'
import { encodePartitionMetadata } from '../kafka-files.ts'

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

export function hasSegments(files: FileSystem, directory: string): boolean {
  return files.list(directory).some(({ name }) => name.endsWith('.log'))
}
