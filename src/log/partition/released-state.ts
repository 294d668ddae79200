/**
 * `millrace.released`: the state that a partition had when its log released it. As long as no log knows the partition, the file says that its
 * directory is to be left alone until a log adopts it, which then need not read the segments. The adopting log removes the file once its own
 * state log has a state of the partition. If that does not happen, the file is an older checkpoint than the one in the state log.
 *
 *     file:  magic (8 bytes), checksum of the rest, a partition's state as in the state log
 */
import { crc32c, type FileSystem } from '../../base.ts'
import { decodePartition, encodePartition, type PartitionState } from '../journal/state-record.ts'

export const releasedFile = 'millrace.released'

const magic = Buffer.from('MRrel\0\0\x01', 'latin1')
const stateAt = magic.length + 4

/** Durable when it resolves. */
export async function writeReleased(files: FileSystem, directory: string, state: PartitionState): Promise<void> {
  const encoded = encodePartition(state)
  const head = Buffer.alloc(stateAt)
  magic.copy(head)
  head.writeUInt32BE(crc32c(encoded), magic.length)
  await files.replaceFile(`${directory}/${releasedFile}`, Buffer.concat([head, encoded]))
}

/** null if there is none. Throws if it is damaged, or of a version that is not known. */
export function readReleased(files: FileSystem, directory: string): PartitionState | null {
  const path = `${directory}/${releasedFile}`
  // Asking first: it is hardly ever there, and a failed open is dear.
  const content = files.exists(path) ? files.readFile(path) : null
  if (content === null) return null
  const encoded = content.subarray(stateAt)
  const isSound = encoded.length > 0 && magic.compare(content, 0, magic.length) === 0
  if (!isSound || content.readUInt32BE(magic.length) !== crc32c(encoded)) throw new Error(`${path} is damaged`)
  return decodePartition(encoded)
}
