/** The committed offsets of groups, as offsets of the target. Those of a group never go back, so that a group that has begun here is not sent back. */
import { severalAtOnce } from '../base.ts'
import { type Client, ClientError, type CommittedOffset, type GroupListing, type GroupOffset, patiently } from '../client.ts'
import { type Chunk, placeOf } from './state.ts'
import { translation, type Wanted } from './translate.ts'
import type { Left, MirrorOptions } from './types.ts'

const groupsAtOnce = 8
/** The group has members, whose own offsets count. */
const hasMembers: ReadonlySet<string> = new Set([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
  'NON_EMPTY_GROUP',
  'STALE_MEMBER_EPOCH',
])

interface Read {
  group: GroupListing
  offsets: GroupOffset[]
}

export async function copyGroups(
  { source, target, system, patienceMs, onProgress }: Pick<MirrorOptions, 'source' | 'target' | 'system' | 'patienceMs' | 'onProgress'>,
  clusterId: string,
  copied: ReadonlySet<string>,
  isCurrent: (chunk: Chunk) => boolean,
  left: Left,
  failed: { name: string; reason: string }[],
): Promise<{ copied: number; offsets: number }> {
  const groups: Read[] = []
  await severalAtOnce(await source.groups(), groupsAtOnce, async group => {
    try {
      const offsets = (await source.groupOffsets(group.group, group.type)).filter(({ topic }) => copied.has(topic))
      if (offsets.length > 0) groups.push({ group, offsets })
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      failed.push({ name: `group ${group.group}`, reason: `${error.code}: ${error.message}` })
    }
  })
  const wanted: Wanted = new Map()
  for (const { offsets } of groups)
    for (const each of offsets) wanted.set(placeOf(each), (wanted.get(placeOf(each)) ?? new Set()).add(each.offset))
  const translated = await translation(target, clusterId, wanted, isCurrent)
  const places = groups.flatMap(({ offsets }) => offsets.map(({ topic, partition }) => ({ topic, partition })))
  const starts = await target.manyOffsets(distinct(places), 'earliest')
  const outcome = { copied: 0, offsets: 0 }
  let done = 0
  await severalAtOnce(groups, groupsAtOnce, async ({ group, offsets }) => {
    onProgress({ step: 'groups', done: done++, total: groups.length, records: 0, bytes: 0 })
    try {
      const moved = offsets.flatMap((each): CommittedOffset[] => {
        const start = starts.get(each.topic)?.get(each.partition)
        if (start === undefined) return []
        const offset = translated.of(each, each.offset) ?? start
        // A group that finds its offset deleted might begin at the end.
        return [{ topic: each.topic, partition: each.partition, offset: offset < start ? start : offset, metadata: each.metadata }]
      })
      const isMoved = await patiently(system, { patienceMs }, () => moveForward(target, group, moved))
      if (!isMoved) return left.add('offsets of groups that have members in the target', group.group)
      outcome.copied++
      outcome.offsets += moved.length
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      failed.push({ name: `group ${group.group}`, reason: `${error.code}: ${error.message}` })
    }
  })
  return outcome
}

function distinct(places: readonly { topic: string; partition: number }[]) {
  return [...new Map(places.map(place => [placeOf(place), place])).values()]
}

/** Commits the offsets that are ahead of those that the group has there. False: it has members, whose own offsets count. */
export async function moveForward(target: Client, group: GroupListing, offsets: readonly CommittedOffset[]): Promise<boolean> {
  try {
    const forward = await onlyForward(target, group, offsets)
    if (forward.length > 0) await commit(target, group, forward)
    return true
  } catch (error) {
    if (error instanceof ClientError && hasMembers.has(error.code)) return false
    throw error
  }
}

async function onlyForward(target: Client, { group, type }: GroupListing, offsets: readonly CommittedOffset[]): Promise<CommittedOffset[]> {
  const known = new Map((await offsetsThere(target, group, type)).map(each => [placeOf(each), each.offset]))
  return offsets.filter(each => (known.get(placeOf(each)) ?? -1n) < each.offset)
}

async function offsetsThere(target: Client, group: string, type: string): Promise<GroupOffset[]> {
  try {
    return await target.groupOffsets(group, type)
  } catch (error) {
    if (error instanceof ClientError && error.code === 'GROUP_ID_NOT_FOUND') return []
    throw error
  }
}

function commit(target: Client, { group, type }: GroupListing, offsets: readonly CommittedOffset[]): Promise<void> {
  return type === 'share' ? target.setShareGroupOffsets(group, offsets) : target.commit(group, offsets)
}
