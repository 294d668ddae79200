/** Small text files of a Kafka data directory: `partition.metadata` and offset checkpoints (`cleaner-offset-checkpoint` and others). */
import type { Offset, Uuid } from '../protocol.ts'

export function encodePartitionMetadata(topicId: Uuid): string {
  return `version: 0\ntopic_id: ${topicId}`
}

/** Throws when the file is damaged. */
export function decodePartitionMetadata(text: string): Uuid {
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(text)
  if (match === null) throw new Error(`malformed partition.metadata ${JSON.stringify(text.slice(0, 100))}`)
  return match[1] as Uuid
}

export interface PartitionOffset {
  topic: string
  partition: number
  offset: Offset
}

export function encodeOffsetCheckpoint(entries: readonly PartitionOffset[]): string {
  const lines = ['0', String(entries.length), ...entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`)]
  return `${lines.join('\n')}\n`
}

/** Throws when the file is damaged. */
export function decodeOffsetCheckpoint(text: string): PartitionOffset[] {
  const lines = text.split('\n')
  const count = Number(lines[1])
  if (lines[0] !== '0' || !Number.isInteger(count) || count < 0) throw new Error('malformed offset checkpoint')
  const entries = lines.slice(2, 2 + count).map(line => {
    const match = /^(\S+) (\d+) (\d+)$/.exec(line)
    if (match === null) throw new Error(`malformed offset checkpoint line ${JSON.stringify(line)}`)
    return { topic: match[1]!, partition: Number(match[2]), offset: Number(match[3]) }
  })
  if (entries.length !== count) throw new Error(`offset checkpoint has ${entries.length} of ${count} entries`)
  return entries
}
