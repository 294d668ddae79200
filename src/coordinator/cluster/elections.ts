/**
 * Who leads the partitions of brokers that are gone, and takes the place of those that were unregistered.
 *
 * The first of a partition's replicas that is alive leads it. If none is, the broker that has the least to do joins them: any broker can lead a
 * partition, because its data is in the store. It does so until one of the others is back: it is a replica that a reassignment takes out, and whoever
 * balances gives the partition back, so that the replication factor is again what was asked for.
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

interface Standing {
  leads: number
  readonly isAlive: boolean
}

/** Brokers that stop get nothing either if there is anybody else. At most so many changes; those that are left are found by another call on the state with these. */
export function electionRecords(image: ClusterImage, { alive, avoid = new Set() }: Electorate, most: number): PartitionChangeRecord[] {
  const { brokers } = image
  const wanted = [...alive].filter(id => !avoid.has(id) && brokers.byId.get(id)?.leaving === false)
  const isAlive = (id: number) => alive.has(id)
  const isKnown = (id: number) => brokers.byId.has(id)
  const electable = new Set(wanted.length > 0 ? wanted : alive)
  if (electable.size === 0) return []
  const standings = new Map<number, Standing>()
  for (const id of brokers.byId.keys()) standings.set(id, { leads: 0, isAlive: isAlive(id) })
  const leastLoaded = (not: readonly number[]) => {
    let found: number | undefined
    for (const id of electable)
      if (!not.includes(id) && (found === undefined || standings.get(id)!.leads < standings.get(found)!.leads)) found = id
    if (found !== undefined) standings.get(found)!.leads++
    return found
  }
  return waitingFor(image, standings, most).map(before => {
    const replicas = before.replicas.filter(isKnown)
    const adding = before.addingReplicas.filter(isKnown)
    const removing = before.removingReplicas.filter(isKnown)
    while (replicas.length < before.replicas.length) {
      const joining = leastLoaded(replicas)
      if (joining === undefined) break
      replicas.push(joining)
    }
    if (isAlive(before.leader)) return changedPartition(before, { replicas, adding, removing, leader: undefined }, isAlive)
    const staying = replicas.filter(id => !removing.includes(id))
    const next = staying.find(id => electable.has(id)) ?? removing.find(id => electable.has(id))
    if (next === undefined) {
      const leader = leastLoaded(replicas)!
      return changedPartition(before, { replicas: [...replicas, leader], adding, removing: [...removing, leader], leader }, isAlive)
    }
    standings.get(next)!.leads++
    if (removing.includes(next)) return changedPartition(before, { replicas, adding, removing, leader: next }, isAlive)
    // If there was a reassignment, this ends it.
    return changedPartition(before, { replicas: staying, adding: [], removing: [], leader: next }, isAlive)
  })
}

/** Those without a living leader, or with replicas that are not registered any more. Also counts what everybody leads. */
function waitingFor({ topics }: ClusterImage, standings: ReadonlyMap<number, Standing>, most: number): PartitionRecord[] {
  const waiting: PartitionRecord[] = []
  // One step, however many partitions there are: so nothing here is more than a look-up.
  for (const { partitions } of topics.byId.values()) {
    for (const partition of partitions) {
      const leader = standings.get(partition.leader)
      if (leader !== undefined) leader.leads++
      if (waiting.length === most) continue
      if (leader?.isAlive !== true || hasUnknown(partition.replicas, standings)) waiting.push(partition)
    }
  }
  return waiting
}

function hasUnknown(replicas: readonly number[], standings: ReadonlyMap<number, Standing>): boolean {
  for (const id of replicas) if (!standings.has(id)) return true
  return false
}
