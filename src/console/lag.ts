/** How far groups are behind: from what they have committed, and the ends of those partitions. */
import type { Client, GroupListing, GroupOffset } from '../client.ts'

/** null: not known. */
interface Progress {
  readonly offsets: readonly GroupOffset[] | null
  readonly lag: bigint | null
}

type Ends = Awaited<ReturnType<Client['manyOffsets']>>

/** Of each group: one request per group, and one per broker for the ends of all their partitions. */
export async function progressOf(groups: readonly GroupListing[], client: Client): Promise<Progress[]> {
  const all = await Promise.all(groups.map(each => client.groupOffsets(each.group, each.type).catch(() => null)))
  const untold = all.flatMap(each => each ?? []).filter(each => each.lag === null)
  const distinct = new Map(untold.map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }]))
  const ends = await client.manyOffsets([...distinct.values()], 'latest')
  return all.map(offsets => ({ offsets, lag: offsets?.reduce((sum, each) => sum + (lagOf(each, ends) ?? 0n), 0n) ?? null }))
}

/** null: the end of the partition is not known. */
export function lagOf({ topic, partition, offset, lag }: GroupOffset, ends: Ends): bigint | null {
  if (lag !== null) return lag
  const end = ends.get(topic)?.get(partition)
  if (end === undefined) return null
  return end > offset ? end - offset : 0n
}
