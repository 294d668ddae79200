/** The topics as groups see them: which exist, how many partitions they have, and whether that has changed since the last check. */
import { crc32, crc32c } from '../../base.ts'
import type { Uuid } from '../../protocol.ts'

export interface GroupTopics {
  /** Grows whenever a topic or a partition comes or goes. */
  readonly version: number
  topic(name: string): { readonly id: Uuid; readonly partitionCount: number } | undefined
  name(id: Uuid): string | undefined
  names(): Iterable<string>
}

/**
 * A number for everything that an assignment depends on: names, ids and partition counts of the topics that exist. It is stored with the
 * group's epoch (KIP-1101), so that a group finds out after any pause that its topics changed. 53 bits of two checksums, 0 for none.
 */
export function topicsHash(subscribed: Iterable<string>, topics: GroupTopics): number {
  const known: string[] = []
  for (const name of subscribed) if (topics.topic(name) !== undefined) known.push(name)
  let text = ''
  for (const name of known.sort()) {
    const { id, partitionCount } = topics.topic(name)!
    text += `${name} ${id} ${partitionCount}\n`
  }
  if (text === '') return 0
  const bytes = Buffer.from(text)
  return crc32c(bytes) * 2 ** 21 + (crc32(bytes) % 2 ** 21)
}
