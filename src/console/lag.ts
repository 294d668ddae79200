/** How far groups are behind: from what they have committed, and the ends of those partitions. */
import { type Client, ClientError, type GroupListing, type GroupOffset } from '../client.ts'

interface Progress {
  /** null: not known. */
  readonly offsets: readonly GroupOffset[] | null
  /** null also if nothing is committed: where such a group begins is not known. */
  readonly lag: bigint | null
  /** The sum of the offsets. */
  readonly read: bigint
}

type Ends = Awaited<ReturnType<Client['manyOffsets']>>

/** Of each group, with a few requests for all of them. */
export async function progressOf(groups: readonly GroupListing[], client: Client): Promise<Progress[]> {
  const found = await client.manyGroupOffsets(groups)
  const all = groups.map(({ group }) => {
    const offsets = found.get(group)
    return offsets === undefined || offsets instanceof ClientError ? null : offsets
  })
  const untold = all.flatMap(each => each ?? []).filter(each => each.lag === null)
  const distinct = new Map(untold.map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }]))
  const ends = await client.manyOffsets([...distinct.values()], 'latest')
  const sum = (offsets: readonly GroupOffset[], part: (each: GroupOffset) => bigint) =>
    offsets.reduce((total, each) => total + part(each), 0n)
  return all.map(offsets => ({
    offsets,
    lag: offsets === null || offsets.length === 0 ? null : sum(offsets, each => lagOf(each, ends) ?? 0n),
    read: sum(offsets ?? [], each => each.offset),
  }))
}

/** null: the end of the partition is not known. */
export function lagOf({ topic, partition, offset, lag }: GroupOffset, ends: Ends): bigint | null {
  if (lag !== null) return lag
  const end = ends.get(topic)?.get(partition)
  if (end === undefined) return null
  return end > offset ? end - offset : 0n
}
