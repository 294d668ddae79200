/**
 * Who runs what: Kafka Connect's incremental cooperative assignment (KIP-415), decided by the worker that leads.
 *
 * Nothing moves that need not: what is new goes to the workers with the least, what a lost worker had waits for it to come back, and what is to move is
 * first given up by one worker and, in the next round, given to another. Has a memory, because what is lost is what was there before.
 */
import { nameOfTask, type TaskId, type Work } from '../names.ts'

/** What is configured, by connector the number of tasks. */
export type Configured = ReadonlyMap<string, number>

export interface Round {
  /** By member: to begin now. */
  readonly assigned: ReadonlyMap<string, Work>
  /** By member: to give up now. */
  readonly revoked: ReadonlyMap<string, Work>
  /** By member: what it runs when both is done. */
  readonly all: ReadonlyMap<string, Work>
  readonly delayMs: number
}

/** What an assignor is told of the round that it decides. */
export interface RoundOf {
  /** The last generation that the worker that leads took part in. */
  readonly lastGeneration: number
  readonly generation: number
  /** By member, of its worker: who comes back as another member has the same. */
  readonly urls: ReadonlyMap<string, string>
}

/** Connectors and tasks alike, as unique texts. */
type Items = Set<string>

interface Load {
  readonly member: string
  readonly connectors: string[]
  readonly tasks: string[]
}

type Kind = 'connectors' | 'tasks'
const kinds: readonly Kind[] = ['connectors', 'tasks']
type Sets = Record<Kind, Items>

/** Of delays between rounds that take work away from workers one after the other. */
const backOffBase = 40

export class Assignor {
  readonly #maxDelayMs: number
  readonly #now: () => number
  #previous: Sets = { connectors: new Set(), tasks: new Set() }
  #previousRevoked: Sets = { connectors: new Set(), tasks: new Set() }
  #previousGeneration = -1
  #previousMembers: ReadonlySet<string> = new Set()
  #revokedBefore = false
  #successive = 0
  #scheduledAt = 0
  #delayMs = 0
  readonly #candidates = new Set<string>()
  /** URLs of the workers that had it last. */
  readonly #lastAt: Readonly<Record<Kind, Map<string, string>>> = { connectors: new Map(), tasks: new Map() }
  readonly #taskOf = new Map<string, TaskId>()

  constructor(maxDelayMs: number, now: () => number) {
    this.#maxDelayMs = maxDelayMs
    this.#now = now
  }

  assign(configured: Configured, members: ReadonlyMap<string, Work>, { lastGeneration, generation, urls }: RoundOf): Round {
    if (this.#previousGeneration !== lastGeneration) this.#previous = noItems()
    const wanted = this.#wanted(configured)
    const held = new Map(Array.from(members, ([member, work]) => [member, this.#items(work)]))
    const active = unionOf(held.values())
    if (kinds.some(kind => overlaps(this.#previousRevoked[kind], active[kind]))) this.#previous = copyOf(active)
    this.#previousRevoked = noItems()

    const deleted = minus(this.#previous, wanted)
    const duplicated = duplicatesOf(held.values())
    const lost = minus(this.#previous, active, deleted)
    const created = minus(wanted, this.#previous, active)

    const revoked = new Map<string, Sets>(Array.from(held, ([member, items]) => [member, both(items, union(deleted, duplicated))]))
    const loads = Array.from(held, ([member, items]): Load => {
      const left = minus(items, revoked.get(member)!)
      return { member, connectors: [...left.connectors], tasks: [...left.tasks] }
    })
    const returned = this.#giveBack(lost, loads, urls)
    const reassigned = this.#settleLost(minus(lost, returned), loads)
    this.#balance(wanted, loads, revoked)
    const fresh = union(created, reassigned)
    spread(loads, 'connectors', [...fresh.connectors].sort())
    spread(loads, 'tasks', [...fresh.tasks].sort(byTask))

    const next = new Map(loads.map(load => [load.member, { connectors: new Set(load.connectors), tasks: new Set(load.tasks) }]))
    this.#remember(next, revoked, lost, generation, members)
    this.#noteWhere(next, urls, lost)
    const assigned = new Map(Array.from(next, ([member, items]) => [member, this.#work(minus(items, minus(held.get(member)!, deleted)))]))
    return {
      assigned,
      revoked: new Map(Array.from(revoked, ([member, items]) => [member, this.#work(items)])),
      all: new Map(Array.from(next, ([member, items]) => [member, this.#work(items)])),
      delayMs: this.#delayMs,
    }
  }

  /**
   * A worker that lost the group for a while, or was started again, is back as another member: it has what it had, and nothing waits for it. The same where
   * the group had one worker and has one. Java's workers rejoin with what they had; ours have given it up by then. Returns what it has given.
   */
  #giveBack(lost: Sets, loads: readonly Load[], urls: ReadonlyMap<string, string>): Sets {
    const [before] = this.#previousMembers
    const wasAlone = this.#previousMembers.size === 1 && loads.length === 1 && before !== loads[0]!.member && this.#scheduledAt <= 0
    const byUrl = new Map(loads.map(load => [urls.get(load.member) ?? '', load]))
    const returned = noItems()
    for (const kind of kinds)
      for (const item of lost[kind]) {
        const url = this.#lastAt[kind].get(item) ?? ''
        const load = wasAlone ? loads[0] : url === '' ? undefined : byUrl.get(url)
        if (load === undefined) continue
        load[kind].push(item)
        returned[kind].add(item)
      }
    return returned
  }

  #noteWhere(next: ReadonlyMap<string, Sets>, urls: ReadonlyMap<string, string>, lost: Sets): void {
    for (const kind of kinds) {
      const at = this.#lastAt[kind]
      for (const item of at.keys()) if (!lost[kind].has(item)) at.delete(item)
      for (const [member, items] of next) for (const item of items[kind]) at.set(item, urls.get(member) ?? '')
    }
  }

  /** What was there before is given to those who are there now, once it is clear that its worker does not come back. */
  #settleLost(lost: Sets, loads: readonly Load[]): Sets {
    if (isEmpty(lost) && !this.#revokedBefore) {
      this.#resetDelay()
      return noItems()
    }
    const now = this.#now()
    const present = new Set(loads.map(({ member }) => member))
    const nobodyLeft = [...this.#previousMembers].every(member => present.has(member))
    if ((this.#scheduledAt <= 0 && nobodyLeft) || this.#maxDelayMs === 0) return lost
    if (this.#scheduledAt > 0 && now >= this.#scheduledAt) return this.#giveAway(lost, loads)
    for (const load of loads) if (load.connectors.length === 0 && load.tasks.length === 0) this.#candidates.add(load.member)
    this.#delayMs = now < this.#scheduledAt ? Math.min(this.#scheduledAt - now, this.#maxDelayMs) : this.#maxDelayMs
    this.#scheduledAt = now + this.#delayMs
    return noItems()
  }

  /** To those that came, with nothing, while it was waited for: they are what was lost, started again. */
  #giveAway(lost: Sets, loads: readonly Load[]): Sets {
    const takers = loads.filter(({ member }) => this.#candidates.has(member))
    this.#resetDelay()
    this.#revokedBefore = false
    if (takers.length === 0) return lost
    for (const kind of kinds) for (const [index, item] of [...lost[kind]].entries()) takers[index % takers.length]![kind].push(item)
    return noItems()
  }

  #resetDelay(): void {
    this.#candidates.clear()
    this.#scheduledAt = 0
    this.#delayMs = 0
  }

  /** Takes from those who have more than their share, not in each round. */
  #balance(wanted: Sets, loads: readonly Load[], revoked: Map<string, Sets>): void {
    if (this.#delayMs !== 0) {
      this.#revokedBefore = false
      return
    }
    const surplus = kinds.map(kind => surplusOf(loads, kind, wanted[kind].size))
    const isBalanced = surplus.every(each => each.size === 0)
    if (isBalanced) {
      this.#revokedBefore = false
      this.#successive = 0
      return
    }
    if (this.#revokedBefore) {
      this.#successive++
      this.#delayMs = this.#maxDelayMs === 0 ? 0 : Math.min(backOffBase ** this.#successive, this.#maxDelayMs)
      if (this.#delayMs !== 0) {
        this.#scheduledAt = this.#now() + this.#delayMs
        return
      }
    }
    this.#revokedBefore = true
    for (const [at, kind] of kinds.entries()) {
      for (const [member, items] of surplus[at]!) {
        const load = loads.find(each => each.member === member)!
        for (const item of items) {
          revoked.get(member)![kind].add(item)
          load[kind].splice(load[kind].indexOf(item), 1)
        }
      }
    }
  }

  #remember(
    next: ReadonlyMap<string, Sets>,
    revoked: ReadonlyMap<string, Sets>,
    lost: Sets,
    generation: number,
    members: ReadonlyMap<string, Work>,
  ): void {
    this.#previousRevoked = unionOf(revoked.values())
    this.#previous = union(minus(unionOf(next.values()), this.#previousRevoked), lost)
    this.#previousGeneration = generation
    this.#previousMembers = new Set(members.keys())
  }

  #wanted(configured: Configured): Sets {
    const wanted = noItems()
    for (const connector of [...configured.keys()].sort()) {
      wanted.connectors.add(connector)
      for (let task = 0; task < configured.get(connector)!; task++) wanted.tasks.add(this.#named({ connector, task }))
    }
    return wanted
  }

  #items({ connectors, tasks }: Work): Sets {
    return { connectors: new Set(connectors), tasks: new Set(tasks.map(each => this.#named(each))) }
  }

  #named(id: TaskId): string {
    const name = nameOfTask(id)
    this.#taskOf.set(name, id)
    return name
  }

  #work({ connectors, tasks }: Sets): Work {
    return { connectors: [...connectors], tasks: Array.from(tasks, name => this.#taskOf.get(name)!) }
  }
}

/** To the least loaded ones first. */
function spread(loads: Load[], kind: Kind, items: readonly string[]): void {
  if (loads.length === 0) return
  for (const item of items) {
    let least = loads[0]!
    for (const load of loads) if (load[kind].length < least[kind].length) least = load
    least[kind].push(item)
  }
}

/** By member, what is beyond its share of `total`, as far as others have less than theirs. */
function surplusOf(loads: readonly Load[], kind: Kind, total: number): Map<string, string[]> {
  const found = new Map<string, string[]>()
  if (loads.length === 0) return found
  const least = Math.floor(total / loads.length)
  let extras = total % loads.length
  const sizes = loads.map(load => load[kind].length)
  const withExtra = sizes.filter(size => size === least + 1).length
  if (withExtra === extras && sizes.filter(size => size === least).length + withExtra === loads.length) return found
  for (const load of loads) {
    const size = load[kind].length
    if (size <= least) continue
    let most = least
    if (extras > 0) {
      extras--
      most = least + 1
    }
    if (size > most) found.set(load.member, load[kind].slice(0, size - most))
  }
  return found
}

function byTask(a: string, b: string): number {
  return a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length
}

function noItems(): Sets {
  return { connectors: new Set(), tasks: new Set() }
}

function copyOf({ connectors, tasks }: Sets): Sets {
  return { connectors: new Set(connectors), tasks: new Set(tasks) }
}

function isEmpty({ connectors, tasks }: Sets): boolean {
  return connectors.size === 0 && tasks.size === 0
}

function overlaps(one: Items, other: Items): boolean {
  for (const item of one) if (other.has(item)) return true
  return false
}

function union(one: Sets, other: Sets): Sets {
  return { connectors: new Set([...one.connectors, ...other.connectors]), tasks: new Set([...one.tasks, ...other.tasks]) }
}

function unionOf(all: Iterable<Sets>): Sets {
  const sum = noItems()
  for (const each of all) for (const kind of kinds) for (const item of each[kind]) sum[kind].add(item)
  return sum
}

function filtered(base: Sets, keep: (item: string, kind: Kind) => boolean): Sets {
  const left = noItems()
  for (const kind of kinds) for (const item of base[kind]) if (keep(item, kind)) left[kind].add(item)
  return left
}

function both(one: Sets, other: Sets): Sets {
  return filtered(one, (item, kind) => other[kind].has(item))
}

function minus(base: Sets, ...others: readonly Sets[]): Sets {
  return filtered(base, (item, kind) => !others.some(other => other[kind].has(item)))
}

function duplicatesOf(all: Iterable<Sets>): Sets {
  const seen = noItems()
  const twice = noItems()
  for (const each of all)
    for (const kind of kinds)
      for (const item of each[kind]) {
        if (seen[kind].has(item)) twice[kind].add(item)
        seen[kind].add(item)
      }
  return twice
}
