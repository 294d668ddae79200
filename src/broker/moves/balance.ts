/**
 * Plans which partitions should have another leader; pure, so that each rule is tested by itself. In this order:
 *
 * 1. What a reassignment has decided is done first: a leader that it takes out gives its partition to one that it put in.
 * 2. Preferred leaders lead: those that have come, at once; all, as often as Kafka's `leader.imbalance.check.interval.seconds` says. So who
 *    changes the order of replicas moves nothing with that.
 * 3. A broker that has come gets its share: as many leaders as all partitions divided by all brokers, rounded down, also of each topic where that
 *    is possible. Brokers that have been here are left alone, however an operator has arranged their partitions.
 * 4. Where one broker has far more load than the others, busy partitions change places with quiet ones.
 *
 * Nothing is planned as long as nothing of this is missing, so a cluster under even load stays as it is.
 *
 * Plans are made in steps, because there may be many thousands of partitions.
 */
import type { PartitionKey, Topic, TopicPartition } from '../../coordinator.ts'

export interface BalancedPartition extends PartitionKey {
  readonly topic: string
  readonly internal: boolean
  readonly leader: number
  /** Who may lead it, the preferred one first; without the leader if that has to go. */
  readonly candidates: readonly number[]
  /** Bytes per second that come in. */
  readonly load: number
}

/** Who may lead the partition, the preferred one first: not those that a reassignment takes out. */
export function candidatesOf({ replicas, removing }: Pick<TopicPartition, 'removing' | 'replicas'>): readonly number[] {
  return removing.length === 0 ? replicas : replicas.filter(id => !removing.includes(id))
}

export function asBalanced({ name, id, internal }: Topic, partition: TopicPartition, load: number): BalancedPartition {
  const { index, leader } = partition
  return { topic: name, topicId: id, partition: index, internal, leader, candidates: candidatesOf(partition), load }
}

export interface Situation {
  /** Those that serve and stay. */
  readonly brokers: readonly number[]
  /** Those of them that have come and not had their share yet. */
  readonly owed: ReadonlySet<number>
  /** In a fixed order, so that one situation has one plan. */
  readonly partitions: readonly BalancedPartition[]
  /** Those of them that shall lead now what they are preferred for. */
  readonly restored: ReadonlySet<number>
  /** Whether load may be the reason for a move now. */
  readonly byLoad: boolean
}

export interface PlannedMove {
  readonly partition: BalancedPartition
  readonly to: number
  /** What its replicas have to be first, so that `to` is preferred; null: they need not change. */
  readonly replicas: readonly number[] | null
}

/** Bytes per second of an average broker; below it, no load is worth a move. */
const leastLoad = 1024 * 1024
/** A broker with so many times the average load has too much. */
const tooMuch = 1.3
/** What changing places must at least save. */
const worthIt = 0.9
const mostSwaps = 4

/** Of this many partitions is a step. */
const atOnce = 500

export function* planMoves(situation: Situation, most: number): Generator<void, PlannedMove[]> {
  const { brokers, restored } = situation
  const alive = new Set(brokers)
  const due: PlannedMove[] = []
  for (const [index, partition] of situation.partitions.entries()) {
    if (index % atOnce === 0) yield
    const { candidates, leader } = partition
    const mustGo = !mayStay(partition)
    const [first] = candidates
    const to = mustGo ? candidates.find(id => alive.has(id)) : first
    // What a broker leads that is away is not to be had from it.
    if (to === undefined || to === leader || !alive.has(to) || !alive.has(leader) || !(mustGo || restored.has(to))) continue
    due.push({ partition, to, replicas: null })
    if (due.length === most) return due
  }
  if (due.length > 0) return due
  const shares = yield* planShares(situation, most)
  return shares.length > 0 || !situation.byLoad ? shares : yield* planByLoad(brokers, situation.partitions)
}

/** Otherwise its leader gives it to a candidate as soon as one is there, and to nobody else. */
function mayStay({ candidates, leader }: BalancedPartition): boolean {
  return candidates.includes(leader)
}

/** The replicas with `to` as the preferred one; if it was none, it takes the place of the leader. */
function replicasFor({ candidates, leader }: BalancedPartition, to: number): number[] {
  return [to, ...candidates.filter(id => id !== to && (candidates.includes(to) || id !== leader))]
}

// ---- shares

/** Who leads what, as the plan changes it. */
class Leaders {
  /** What is not moved by the plan yet, by broker. */
  readonly byBroker = new Map<number, BalancedPartition[]>()
  readonly #counts = new Map<number, number>()
  /** By topic and broker. */
  readonly #ofTopics = new Map<string, Map<number, number>>()
  total = 0

  constructor(brokers: readonly number[]) {
    for (const id of brokers) this.byBroker.set(id, [])
  }

  add(partition: BalancedPartition): void {
    this.total++
    if (mayStay(partition)) this.byBroker.get(partition.leader)?.push(partition)
    this.#count(partition, partition.leader, 1)
  }

  count(broker: number): number {
    return this.#counts.get(broker) ?? 0
  }

  countOf(topic: string, broker: number): number {
    return this.#ofTopics.get(topic)?.get(broker) ?? 0
  }

  move(partition: BalancedPartition, to: number): void {
    const list = this.byBroker.get(partition.leader)!
    list.splice(list.indexOf(partition), 1)
    this.#count(partition, partition.leader, -1)
    this.#count(partition, to, 1)
  }

  #count({ topic }: BalancedPartition, broker: number, by: number): void {
    this.#counts.set(broker, this.count(broker) + by)
    let ofTopic = this.#ofTopics.get(topic)
    if (ofTopic === undefined) this.#ofTopics.set(topic, (ofTopic = new Map()))
    ofTopic.set(broker, (ofTopic.get(broker) ?? 0) + by)
  }
}

function* planShares({ brokers, owed, partitions }: Situation, most: number): Generator<void, PlannedMove[]> {
  if (owed.size === 0) return []
  // Each kind is spread for itself: they have different work.
  const kinds = [new Leaders(brokers), new Leaders(brokers)] as const
  for (const [index, partition] of partitions.entries()) {
    if (index % atOnce === 0) yield
    kinds[partition.internal ? 1 : 0].add(partition)
  }
  const inAll = (id: number) => kinds.reduce((sum, kind) => sum + kind.count(id), 0)
  const share = (total: number) => Math.floor(total / brokers.length)
  const isShort = (kind: Leaders, to: number, from: number) => kind.count(to) < share(kind.total) && kind.count(from) - kind.count(to) > 1
  // What is left over of one kind makes up for what is left over of the other.
  const isShortInAll = (kind: Leaders, to: number, from: number) =>
    inAll(to) < share(partitions.length) && kind.count(from) > kind.count(to) && inAll(from) - inAll(to) > 1
  const moves: PlannedMove[] = []
  const fill = function* (to: number, kind: Leaders, needs: typeof isShort): Generator<void> {
    while (moves.length < most) {
      yield
      const more = (id: number, than: number) => kind.count(id) - kind.count(than) || inAll(id) - inAll(than)
      const givers = brokers.filter(id => id === to || kind.byBroker.get(id)!.length > 0)
      const from = givers.reduce((best, id) => (more(id, best) > 0 ? id : best))
      const partition = needs(kind, to, from) ? choose(kind, from, to) : undefined
      if (partition === undefined) return
      kind.move(partition, to)
      moves.push({ partition, to, replicas: replicasFor(partition, to) })
    }
  }
  for (const needs of [isShort, isShortInAll]) for (const to of owed) for (const kind of kinds) yield* fill(to, kind, needs)
  return moves
}

/** Of the topic of which the giver has most compared with the receiver; rather one whose replica that is; rather a quiet one. */
function choose(leaders: Leaders, from: number, to: number): BalancedPartition | undefined {
  let best: BalancedPartition | undefined
  let bestRank = [0, 0, 0]
  for (const partition of leaders.byBroker.get(from)!) {
    const { candidates, load, topic } = partition
    const rank = [leaders.countOf(topic, from) - leaders.countOf(topic, to), candidates.includes(to) ? 1 : 0, -load]
    if (best === undefined || isBefore(bestRank, rank)) {
      best = partition
      bestRank = rank
    }
  }
  return best
}

function isBefore(one: readonly number[], other: readonly number[]): boolean {
  const differs = one.findIndex((value, index) => value !== other[index])
  return differs >= 0 && one[differs]! < other[differs]!
}

// ---- load

/** Nothing: it is even enough, or no exchange would help. */
export function* planByLoad(brokers: readonly number[], partitions: readonly BalancedPartition[]): Generator<void, PlannedMove[]> {
  const load = new Map(brokers.map(id => [id, 0]))
  const moved = new Set<BalancedPartition>()
  const led = new Map(brokers.map((id): [number, BalancedPartition[]] => [id, []]))
  for (const [index, partition] of partitions.entries()) {
    if (index % atOnce === 0) yield
    const { leader } = partition
    if (mayStay(partition)) led.get(leader)?.push(partition)
    if (load.has(leader)) load.set(leader, load.get(leader)! + partition.load)
  }
  const average = [...load.values()].reduce((sum, each) => sum + each, 0) / brokers.length
  const moves: PlannedMove[] = []
  if (average < leastLoad) return moves
  for (let swaps = 0; swaps < mostSwaps; swaps++) {
    const byLoad = [...load].sort(([, one], [, other]) => other - one)
    const [busy, most] = byLoad[0]!
    const [quiet, least] = byLoad.at(-1)!
    if (most < tooMuch * average) break
    yield
    const ofBusy = led.get(busy)!.filter(each => !moved.has(each))
    const ofQuiet = led.get(quiet)!.filter(each => !moved.has(each))
    const pair = bestPair(ofBusy, ofQuiet, most, least)
    if (pair === null) break
    const [heavy, light] = pair
    for (const [partition, to] of [
      [heavy, quiet],
      [light, busy],
    ] as const) {
      moved.add(partition)
      moves.push({ partition, to, replicas: replicasFor(partition, to) })
    }
    load.set(busy, most - heavy.load + light.load)
    load.set(quiet, least + heavy.load - light.load)
  }
  return moves
}

/** Which two should change places so that the busier of both brokers has as little as possible; null: it would save too little. */
function bestPair(
  ofBusy: readonly BalancedPartition[],
  ofQuiet: readonly BalancedPartition[],
  most: number,
  least: number,
): readonly [BalancedPartition, BalancedPartition] | null {
  const heavy = [...ofBusy].sort((one, other) => other.load - one.load)
  const light = [...ofQuiet].sort((one, other) => one.load - other.load)
  const wanted = (most - least) / 2
  let best: readonly [BalancedPartition, BalancedPartition] | null = null
  let bestMost = most * worthIt
  let at = light.length - 1
  // The lighter the one, the lighter what it is exchanged for, to come near to what is wanted.
  for (const one of heavy) {
    while (at > 0 && one.load - light[at]!.load < wanted) at--
    for (const other of light.slice(at, at + 2)) {
      if (one.internal !== other.internal) continue
      const change = one.load - other.load
      const after = Math.max(most - change, least + change)
      if (after > bestMost) continue
      bestMost = after
      best = [one, other]
    }
  }
  return best
}

// ---- a broker that stops

/** To whom a broker that is about to stop gives its partitions: to who may lead them, otherwise to who leads least. */
export function planDrain(
  led: readonly BalancedPartition[],
  others: readonly number[],
  counts: ReadonlyMap<number, number>,
): { partition: BalancedPartition; to: number }[] {
  const has = new Map(others.map(id => [id, counts.get(id) ?? 0]))
  return led.map(partition => {
    const candidates = partition.candidates.filter(id => has.has(id))
    const from = candidates.length > 0 ? candidates : others
    const to = from.reduce((best, id) => (has.get(id)! < has.get(best)! ? id : best))
    has.set(to, has.get(to)! + 1)
    return { partition, to }
  })
}
