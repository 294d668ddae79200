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
  members: ReadonlyMap<string, string>
  /** null: not looked at yet. */
  state: string | null
  epoch: number | null
}

export class GroupHistory {
  readonly #points: number
  readonly #groups = new Map<string, Kept>()

  constructor(points: number) {
    this.#points = points
  }

  of(group: string): { lag: Ring; changes: readonly Change[] } | null {
    return this.#groups.get(group) ?? null
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
      const { lag } = progress[at]!
      kept.lag.add(nowMs, lag === null ? null : Number(lag))
      // A group without members has nobody to come or go.
      const info = listing.state === 'Empty' && kept.members.size === 0 ? null : await client.group(listing.group).catch(() => null)
      if (info !== null) compare(kept, info, nowMs)
    }
  }

  #keep({ group }: GroupListing): Kept {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const kept: Kept = { lag: new Ring(this.#points), changes: [], members: new Map(), state: null, epoch: null }
    this.#groups.set(group, kept)
    return kept
  }
}

function compare(kept: Kept, info: GroupInfo, atMs: number): void {
  const members = new Map(info.members.map(({ id, clientId, host }) => [id, `${clientId} (${host.replace(/^\//, '')})`]))
  const came = [...members].filter(([id]) => !kept.members.has(id)).map(([, name]) => name)
  const left = [...kept.members].filter(([id]) => !members.has(id)).map(([, name]) => name)
  const epoch = info.epoch !== null && kept.epoch !== null && info.epoch !== kept.epoch ? `epoch ${kept.epoch} to ${info.epoch}` : null
  const causes = [said(came, 'joined'), said(left, 'left')].filter(each => each !== null)
  const state = info.state !== kept.state ? `now ${info.state.toLowerCase()}` : null
  const parts = [...causes, ...(causes.length === 0 && epoch !== null ? ['the assignment or the subscription changed'] : []), epoch, state]
  const text = parts.filter(each => each !== null).join('; ')
  if (kept.state !== null && text !== '') kept.changes.push({ atMs, text })
  if (kept.changes.length > mostChanges) kept.changes.shift()
  kept.members = members
  kept.state = info.state
  kept.epoch = info.epoch
}

const mostNamed = 5

function said(names: readonly string[], what: string): string | null {
  if (names.length === 0) return null
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} others` : ''
  return `${names.slice(0, mostNamed).join(', ')}${more} ${what}`
}
