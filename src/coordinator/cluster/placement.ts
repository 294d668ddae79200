/**
 * Places replicas, by Kafka's rules for counts, factors and manual assignments. A replication factor above the number of registered brokers is
 * rejected, as in Kafka.
 *
 * As Kafka's StripedReplicaPlacer, it spreads leaders over the brokers, and the replicas of a partition over as many racks as there are.
 * Kafka begins at a random broker; here each placement goes on where the one before ended, so that topics with one partition are spread too.
 */
import { KafkaError } from '../../protocol.ts'
import type { BrokerRegistration, NewPartitions, NewTopic, TopicRules } from './types.ts'

/** Where replicas may be placed. */
export type Candidate = Pick<BrokerRegistration, 'id' | 'rack' | 'fenced'>

/** Of one placement, as the shard allows no more records in one operation; checked before they are placed. */
const mostPartitions = 10_000

/** A step for each partition. */
type Placing = Generator<void, number[][]>

/** Replicas by partition index, the leader first. `placed`: partitions that were placed before. */
export function* placeTopic(topic: NewTopic, brokers: readonly Candidate[], placed: number, rules: TopicRules): Placing {
  if (topic.assignments.length > 0) return yield* placeManually(topic, brokers)
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    throw new KafkaError('INVALID_REPLICATION_FACTOR', 'Replication factor must be larger than 0, or -1 to use the default value.')
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    throw new KafkaError('INVALID_PARTITIONS', 'Number of partitions was set to an invalid non-positive value.')
  }
  const factor = topic.replicationFactor === -1 ? rules.defaultReplicationFactor() : topic.replicationFactor
  return yield* place(topic.numPartitions === -1 ? rules.numPartitions() : topic.numPartitions, factor, brokers, placed)
}

/** Replicas of the partitions from `has` up to the wanted count. */
export function* placeNewPartitions(
  wanted: NewPartitions,
  has: number,
  factor: number,
  brokers: readonly Candidate[],
  placed: number,
): Placing {
  const additional = wanted.count - has
  if (wanted.assignments === null) return yield* place(additional, factor, brokers, placed)
  if (wanted.assignments.length !== additional) {
    throw new KafkaError(
      'INVALID_REPLICA_ASSIGNMENT',
      `Attempted to add ${additional} additional partition(s), but only ${wanted.assignments.length} assignment(s) were specified.`,
    )
  }
  const registered = idsOf(brokers)
  const placement: number[][] = []
  for (const { brokerIds } of wanted.assignments) {
    yield
    const replicas = manualReplicas(brokerIds, registered, factor)
    requireAlive(replicas, brokers, has + placement.length)
    placement.push(replicas)
  }
  return placement
}

function* place(count: number, factor: number, brokers: readonly Candidate[], placed: number): Placing {
  const refuse = (reason: string) => {
    throw new KafkaError('INVALID_REPLICATION_FACTOR', `Unable to replicate the partition ${factor} time(s): ${reason}`)
  }
  if (brokers.every(({ fenced }) => fenced)) refuse('All brokers are currently fenced.')
  if (factor > brokers.length) {
    refuse(`The target replication factor of ${factor} cannot be reached because only ${brokers.length} broker(s) are registered.`)
  }
  if (count > mostPartitions) throw new KafkaError('POLICY_VIOLATION', 'Unable to perform excessively large batch operation.')
  const [only] = brokers
  if (brokers.length === 1) return new Array<number[]>(count).fill([only!.id])
  const stripes = new Stripes(brokers)
  const placement: number[][] = []
  for (let index = 0; index < count; index++) {
    yield
    placement.push(stripes.replicas(placed + index, factor))
  }
  return placement
}

interface Rack {
  readonly alive: number[]
  readonly fenced: number[]
}

class Stripes {
  readonly #racks: readonly Rack[]
  /** Who may lead, each with its place in its rack: one of each rack in turn. */
  readonly #leaders: readonly { id: number; rack: number; place: number }[]

  constructor(brokers: readonly Candidate[]) {
    const racks = new Map<string | null, Rack>()
    for (const { id, rack, fenced } of [...brokers].sort((a, b) => a.id - b.id)) {
      const known = racks.get(rack) ?? { alive: [], fenced: [] }
      racks.set(rack, known)
      if (fenced) known.fenced.push(id)
      else known.alive.push(id)
    }
    // Of the same brokers, the same order: by rack, not by who registered first.
    this.#racks = [...racks].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)).map(([, rack]) => rack)
    const most = Math.max(...this.#racks.map(({ alive }) => alive.length))
    const leaders: { id: number; rack: number; place: number }[] = []
    for (let place = 0; place < most; place++) {
      for (const [rack, { alive }] of this.#racks.entries()) {
        const id = alive[place]
        if (id !== undefined) leaders.push({ id, rack, place })
      }
    }
    this.#leaders = leaders
  }

  /** Of the partition that is placed as the `nth`. Every round of the leaders pairs them with other followers. */
  replicas(nth: number, factor: number): number[] {
    const leader = this.#leaders[nth % this.#leaders.length]!
    const round = Math.floor(nth / this.#leaders.length)
    const replicas = [leader.id]
    if (factor === 1) return replicas
    const count = this.#racks.length
    const waiting = this.#racks.map((rack, index) => inTurn(rack, index === leader.rack, leader.place, round))
    // The rack of the leader has its replica already: the others come first.
    for (let step = 0; replicas.length < factor; step++) {
      const turn = Math.floor(step / count)
      const at = (leader.rack + 1 + ((step + round) % count)) % count
      const next = at === leader.rack && turn === 0 ? undefined : waiting[at]!.shift()
      if (next !== undefined) replicas.push(next)
    }
    return replicas
  }
}

/** In which order brokers of a rack become followers, those that are alive first. */
function inTurn({ alive, fenced }: Rack, hasLeader: boolean, place: number, round: number): number[] {
  if (!hasLeader) return [...rotated(alive, place + round), ...fenced]
  // All but the leader, from the one after it on.
  const others = rotated(alive, place).slice(1)
  return [...rotated(others, round), ...fenced]
}

function rotated(list: readonly number[], by: number): number[] {
  const from = list.length === 0 ? 0 : by % list.length
  return [...list.slice(from), ...list.slice(0, from)]
}

function* placeManually(topic: NewTopic, brokers: readonly Candidate[]): Placing {
  if (topic.replicationFactor !== -1) {
    throw new KafkaError('INVALID_REQUEST', 'A manual partition assignment was specified, but replication factor was not set to -1.')
  }
  if (topic.numPartitions !== -1) {
    throw new KafkaError('INVALID_REQUEST', 'A manual partition assignment was specified, but numPartitions was not set to -1.')
  }
  const registered = idsOf(brokers)
  const byIndex = new Map<number, number[]>()
  let factor: number | null = null
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    yield
    if (byIndex.has(partitionIndex)) {
      throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `Found multiple manual partition assignments for partition ${partitionIndex}`)
    }
    const replicas = manualReplicas(brokerIds, registered, factor)
    requireAlive(replicas, brokers, partitionIndex)
    byIndex.set(partitionIndex, replicas)
    factor = brokerIds.length
  }
  return Array.from({ length: byIndex.size }, (_, index) => {
    const replicas = byIndex.get(index)
    if (replicas !== undefined) return replicas
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence')
  })
}

/** Why these cannot be a partition's replicas; null when they can. */
export function assignmentProblem(brokerIds: readonly number[], registered: ReadonlySet<number>): KafkaError | null {
  try {
    manualReplicas(brokerIds, registered, null)
    return null
  } catch (error) {
    if (error instanceof KafkaError) return error
    throw error
  }
}

function idsOf(brokers: readonly Candidate[]): ReadonlySet<number> {
  return new Set(brokers.map(({ id }) => id))
}

/** Someone must be able to lead it. */
function requireAlive(replicas: readonly number[], brokers: readonly Candidate[], partition: number): void {
  if (brokers.some(({ id, fenced }) => !fenced && replicas.includes(id))) return
  throw new KafkaError(
    'INVALID_REPLICA_ASSIGNMENT',
    `All brokers specified in the manual partition assignment for partition ${partition} are fenced or in controlled shutdown.`,
  )
}

function manualReplicas(brokerIds: readonly number[], registered: ReadonlySet<number>, factor: number | null): number[] {
  const refuse = (what: string) => {
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment includes ${what}`)
  }
  if (brokerIds.length === 0) refuse('an empty replica list.')
  const sorted = [...brokerIds].sort((a, b) => a - b)
  sorted.forEach((id, index) => {
    if (!registered.has(id)) refuse(`broker ${id}, but no such broker is registered.`)
    if (index > 0 && id === sorted[index - 1]) refuse(`the broker ${id} more than once.`)
  })
  if (factor !== null && brokerIds.length !== factor) {
    refuse(
      `a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`,
    )
  }
  return [...brokerIds]
}
