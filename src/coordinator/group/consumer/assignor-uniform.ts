/**
 * The uniform assignor: the numbers of partitions of any two members differ by at most one, and members keep their partitions as long as
 * possible. If members subscribe to different topics, partitions go to the least loaded subscriber, and are then moved from the most to the
 * least loaded one until that no longer improves the balance.
 */
import type { Uuid } from '../../../protocol.ts'
import type { Assignor, AssignorMember } from './assignor-types.ts'
import type { Target } from './partitions.ts'

export const uniformAssignor: Assignor = {
  name: 'uniform',
  assign: (members, partitionCounts, homogeneous) =>
    homogeneous ? assignAlike(members, partitionCounts) : new Mixed(members, partitionCounts).assign(),
}

type MutableTarget = Map<Uuid, Set<number>>

function assignAlike(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<Uuid, number>): ReadonlyMap<string, Target> {
  let total = 0
  for (const count of partitionCounts.values()) total += count
  const least = Math.floor(total / members.length)
  let extra = total % members.length
  const taken = new Map<Uuid, Set<number>>()
  const targets = new Map<string, Target>()
  const unfilled: { target: MutableTarget; room: number }[] = []
  for (const { memberId, target: before } of members) {
    let room = least + (extra > 0 ? 1 : 0)
    if (extra > 0) extra--
    const target: MutableTarget = new Map()
    for (const [topicId, partitions] of before) {
      const count = partitionCounts.get(topicId)
      if (count === undefined) continue
      for (const partition of partitions) {
        if (room === 0) break
        if (partition >= count || !add(taken, topicId, partition)) continue
        add(target, topicId, partition)
        room--
      }
    }
    targets.set(memberId, target)
    if (room > 0) unfilled.push({ target, room })
  }
  let next = 0
  for (const [topicId, count] of partitionCounts) {
    for (let partition = 0; partition < count; partition++) {
      if (taken.get(topicId)?.has(partition)) continue
      const member = unfilled[next]!
      add(member.target, topicId, partition)
      if (--member.room === 0) next++
    }
  }
  return targets
}

/** False when it was there already. */
function add(target: MutableTarget, topicId: Uuid, partition: number): boolean {
  const partitions = target.get(topicId)
  if (partitions === undefined) target.set(topicId, new Set([partition]))
  else if (partitions.has(partition)) return false
  else partitions.add(partition)
  return true
}

/** Rounds over all topics; members with overlapping subscriptions converge slowly, and half the imbalance goes in each round. */
const mostRounds = 16
const nobody = -1

class Mixed {
  readonly #members: readonly AssignorMember[]
  /** By topic: the indexes of its subscribers, and of the owner of each partition. Topics with the most to give to each come first. */
  readonly #topics: Topic[] = []
  readonly #owners = new Map<Uuid, number[]>()
  /** Partitions by member. */
  readonly #load: number[]

  constructor(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<Uuid, number>) {
    this.#members = members
    this.#load = members.map(() => 0)
    const subscribers = new Map<Uuid, number[]>()
    members.forEach(({ topics }, index) => {
      for (const topicId of topics) {
        const indexes = subscribers.get(topicId)
        if (indexes === undefined) subscribers.set(topicId, [index])
        else indexes.push(index)
      }
    })
    for (const [topicId, indexes] of subscribers) {
      const owners = new Array<number>(partitionCounts.get(topicId)!).fill(nobody)
      this.#topics.push({ topicId, subscribers: indexes, owners })
      this.#owners.set(topicId, owners)
    }
    this.#topics.sort((one, other) => {
      const shares = other.owners.length / other.subscribers.length - one.owners.length / one.subscribers.length
      return shares || one.subscribers.length - other.subscribers.length || (one.topicId < other.topicId ? -1 : 1)
    })
  }

  assign(): ReadonlyMap<string, Target> {
    for (const [index, member] of this.#members.entries()) this.#keep(member, index)
    for (const topic of this.#topics) this.#fill(topic)
    for (let round = 0; round < mostRounds; round++) {
      let moves = 0
      // Partitions move only to less loaded members, so this does not fall during the round.
      const least = this.#load.reduce((one, other) => Math.min(one, other))
      for (const topic of this.#topics) if (this.#load[this.#mostLoaded(topic.owners)]! - least > 1) moves += this.#balance(topic)
      if (moves === 0) break
    }
    const targets = this.#members.map((): MutableTarget => new Map())
    for (const { topicId, owners } of this.#topics) {
      owners.forEach((owner, partition) => void add(targets[owner]!, topicId, partition))
    }
    return new Map(this.#members.map(({ memberId }, index) => [memberId, targets[index]!]))
  }

  #keep({ topics, target }: AssignorMember, index: number): void {
    for (const [topicId, partitions] of target) {
      const owners = topics.has(topicId) ? this.#owners.get(topicId) : undefined
      if (owners === undefined) continue
      for (const partition of partitions) {
        if (owners[partition] !== nobody) continue
        owners[partition] = index
        this.#load[index]!++
      }
    }
  }

  #fill({ subscribers, owners }: Topic): void {
    owners.forEach((owner, partition) => {
      if (owner !== nobody) return
      const least = this.#leastLoaded(subscribers)
      owners[partition] = least
      this.#load[least]!++
    })
  }

  /** Returns how many partitions it moved. */
  #balance({ subscribers, owners }: Topic): number {
    const owned = new Map<number, number[]>()
    owners.forEach((owner, partition) => {
      const partitions = owned.get(owner)
      if (partitions === undefined) owned.set(owner, [partition])
      else partitions.push(partition)
    })
    for (let moves = 0; ; moves++) {
      const least = this.#leastLoaded(subscribers)
      let most = nobody
      for (const [index, partitions] of owned) {
        if (partitions.length > 0 && (most === nobody || this.#load[index]! > this.#load[most]!)) most = index
      }
      if (most === nobody || this.#load[most]! - this.#load[least]! <= 1) return moves
      const partition = owned.get(most)!.pop()!
      const into = owned.get(least)
      if (into === undefined) owned.set(least, [partition])
      else into.push(partition)
      owners[partition] = least
      this.#load[most]!--
      this.#load[least]!++
    }
  }

  #mostLoaded(indexes: readonly number[]): number {
    let most = indexes[0]!
    for (const index of indexes) if (this.#load[index]! > this.#load[most]!) most = index
    return most
  }

  #leastLoaded(indexes: readonly number[]): number {
    let least = indexes[0]!
    for (const index of indexes) if (this.#load[index]! < this.#load[least]!) least = index
    return least
  }
}

interface Topic {
  topicId: Uuid
  subscribers: number[]
  owners: number[]
}
