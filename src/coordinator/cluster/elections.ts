/**
 * Who leads the partitions of brokers that are gone, and takes the place of those that were unregistered.
 *
 * The first of a partition's replicas that is alive leads it. If none is, the broker that has the least to do joins them: any broker can lead a
 * partition, because its data is in the store.
 */
import { changedPartition } from './broker-changes.ts'
import type { ClusterImage } from './image.ts'
import type { PartitionChangeRecord, PartitionRecord } from './metadata-records.ts'

interface Electorate {
  /** These are alive. */
  alive: ReadonlySet<number>
  /** Alive, but probably not for long: they are elected only if there is nobody else. */
  avoid?: ReadonlySet<number>
}

/** Brokers that stop get nothing either if there is anybody else. At most so many changes; those that are left are found by another call on the state with these. */
export function electionRecords(image: ClusterImage, { alive, avoid = new Set() }: Electorate, most: number): PartitionChangeRecord[] {
  const { brokers, topics } = image
  const wanted = [...alive].filter(id => !avoid.has(id) && brokers.byId.get(id)?.leaving === false)
  const isAlive = (id: number) => alive.has(id)
  const electable = new Set(wanted.length > 0 ? wanted : alive)
  if (electable.size === 0) return []
  const load = new Map(Array.from(electable, id => [id, 0]))
  const waiting: PartitionRecord[] = []
  for (const { partitions } of topics.byId.values()) {
    for (const partition of partitions) {
      const { leader, replicas } = partition
      load.set(leader, (load.get(leader) ?? 0) + 1)
      if (!isAlive(leader) || !replicas.every(id => brokers.byId.has(id))) waiting.push(partition)
    }
  }
  const leastLoaded = (not: readonly number[]) => {
    let found: number | undefined
    for (const id of electable) if (!not.includes(id) && (found === undefined || load.get(id)! < load.get(found)!)) found = id
    if (found !== undefined) load.set(found, load.get(found)! + 1)
    return found
  }
  return waiting.slice(0, most).map(before => {
    const isKnown = (id: number) => brokers.byId.has(id)
    const replicas = before.replicas.filter(isKnown)
    const adding = before.addingReplicas.filter(isKnown)
    const removing = before.removingReplicas.filter(isKnown)
    while (replicas.length < before.replicas.length) {
      const joining = leastLoaded(replicas)
      if (joining === undefined) break
      replicas.push(joining)
    }
    if (isAlive(before.leader)) return changedPartition(before, { replicas, adding, removing, leader: undefined }, isAlive)
    const stays = (id: number) => !removing.includes(id)
    const next = replicas.find(id => electable.has(id) && stays(id)) ?? replicas.find(id => electable.has(id))
    if (next !== undefined) load.set(next, load.get(next)! + 1)
    const leader = next ?? leastLoaded([])!
    const joined = replicas.includes(leader) ? replicas : [...replicas, leader]
    if (!stays(leader)) return changedPartition(before, { replicas: joined, adding, removing, leader }, isAlive)
    // If there was a reassignment, this ends it.
    return changedPartition(before, { replicas: joined.filter(stays), adding: [], removing: [], leader }, isAlive)
  })
}
