/** The lag of groups over time, and when their members changed: what was seen at each look, so that what was over between two looks is not there. */
import type { Client, GroupInfo, GroupListing } from '../../client.ts'
import { progressOf } from '../lag.ts'
import { Ring } from './ring.ts'

const mostGroups = 200
const mostChanges = 100

export interface Change {
  readonly atMs: number
  readonly text: string
}

interface Kept {
  readonly lag: Ring
  readonly changes: Change[]
  /** Sums over its partitions: their ends at each look, and what it has read now. Those of other partitions say nothing about these. */
  ends: Ring
  read: number
  partitions: number
  /** By what stays when a static member comes back. */
  members: ReadonlyMap<string, string>
  /** The member of each partition. */
  owners: ReadonlyMap<string, string>
  /** null: not looked at yet. */
  state: string | null
  epoch: number | null
}

export class GroupHistory {
  readonly #points: number
  readonly #groups = new Map<string, Kept>()
  #looked = false

  constructor(points: number) {
    this.#points = points
  }

  of(group: string): { lag: Ring; changes: readonly Change[] } | null {
    return this.#groups.get(group) ?? null
  }

  /** How long ago the ends of its partitions were what it has read by now; null: longer than is known. */
  behindMs(group: string): number | null {
    const kept = this.#groups.get(group)
    if (kept === undefined || kept.lag.last === null) return null
    return kept.lag.last === 0 ? 0 : sinceEnd(kept.ends, kept.read)
  }

  /** Groups that have members first; of more than are kept nothing is known. */
  async look(client: Client, nowMs: number): Promise<void> {
    const all = await client.groups()
    const order = (each: GroupListing) => (each.state === 'Empty' ? 1 : 0)
    const chosen = [...all].sort((a, b) => order(a) - order(b)).slice(0, mostGroups)
    const names = new Set(chosen.map(each => each.group))
    for (const name of this.#groups.keys()) if (!names.has(name)) this.#groups.delete(name)
    const progress = await progressOf(chosen, client)
    for (const [at, listing] of chosen.entries()) {
      const kept = this.#keep(listing)
      const { lag, read, offsets } = progress[at]!
      kept.lag.add(nowMs, lag === null ? null : Number(lag))
      if (offsets?.length !== kept.partitions) kept.ends = new Ring(this.#points)
      kept.partitions = offsets?.length ?? 0
      kept.read = Number(read)
      kept.ends.add(nowMs, lag === null ? null : Number(read + lag))
      if (listing.state === 'Empty' && kept.members.size === 0) {
        // A group without members has nobody to come or go.
        kept.state = listing.state
        continue
      }
      const info = await client.group(listing.group, listing.type).catch(() => null)
      // Of what was there before the first look nobody knows how it came about.
      if (info !== null) compare(kept, info, nowMs, kept.state !== null || this.#looked)
    }
    this.#looked = true
  }

  #keep({ group }: GroupListing): Kept {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const kept: Kept = {
      ...{ lag: new Ring(this.#points), ends: new Ring(this.#points), changes: [], read: 0, partitions: 0 },
      ...{ members: new Map(), owners: new Map(), state: null, epoch: null },
    }
    this.#groups.set(group, kept)
    return kept
  }
}

function sinceEnd({ times, values }: Ring, read: number): number | null {
  const last = times.at(-1)!
  for (let at = values.length - 1; at >= 0; at--) {
    const end = values[at]!
    if (end === null || end > read) continue
    const [next, nextEnd] = [times[at + 1] ?? last, values[at + 1] ?? end]
    const share = nextEnd > end ? (read - end) / (nextEnd - end) : 0
    return last - times[at]! - share * (next - times[at]!)
  }
  return null
}

function compare(kept: Kept, info: GroupInfo, atMs: number, tells: boolean): void {
  const keyOf = ({ id, instanceId }: GroupInfo['members'][number]) => instanceId ?? id
  const members = new Map(info.members.map(each => [keyOf(each), `${each.clientId} (${each.host.replace(/^\//, '')})`]))
  const owners = new Map(info.members.flatMap(each => each.partitions.map(of => [`${of.topic}-${of.partition}`, keyOf(each)] as const)))
  const came = [...members].filter(([key]) => !kept.members.has(key)).map(([, name]) => name)
  const left = [...kept.members].filter(([key]) => !members.has(key)).map(([, name]) => name)
  const moved = [...owners].filter(([partition, owner]) => kept.owners.has(partition) && kept.owners.get(partition) !== owner).length
  const epoch = info.epoch !== null && kept.epoch !== null && info.epoch !== kept.epoch ? `epoch ${kept.epoch} to ${info.epoch}` : null
  const causes = [said(came, 'joined'), said(left, 'left')].filter(each => each !== null)
  const isForced = causes.length === 0 && (epoch !== null || moved > 0)
  const parts = [
    ...causes,
    isForced ? 'no member came or went: the subscriptions, the topics or the assignor changed' : null,
    moved === 0 ? null : `${moved} ${moved === 1 ? 'partition' : 'partitions'} moved to another member`,
    epoch,
    info.state === kept.state ? null : `now ${info.state.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()}`,
  ]
  const text = parts.filter(each => each !== null).join('; ')
  if (tells && text !== '') kept.changes.push({ atMs, text })
  if (kept.changes.length > mostChanges) kept.changes.shift()
  Object.assign(kept, { members, owners, state: info.state, epoch: info.epoch })
}

const mostNamed = 5

function said(names: readonly string[], what: string): string | null {
  if (names.length === 0) return null
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} others` : ''
  return `${names.slice(0, mostNamed).join(', ')}${more} ${what}`
}
