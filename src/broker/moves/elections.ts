/**
 * Decides who shall lead a partition, and has its leader give it away: what ElectLeaders asks for, and what a reassignment or the balance needs
 * after they have changed the order of replicas.
 *
 * The rules are those of Kafka's ReplicationControlManager. Where this broker leads, it moves the partition itself; otherwise it asks
 * the leader with an ElectLeaders request of its own, and answers when its own metadata shows the new leader.
 */
import { chunks, pause, type System, type Turns } from '../../base.ts'
import type { ClusterMetadata, PartitionKey, TopicPartition } from '../../coordinator.ts'
import { type ErrorName, KafkaError, toKafkaError } from '../../protocol.ts'
import { candidatesOf } from './balance.ts'
import { type Mover, mostAtOnce } from './mover.ts'

export interface NamedPartition {
  readonly topic: string
  readonly partition: number
}

export interface ElectionOptions {
  brokerId: number
  system: Pick<System, 'clock' | 'timers'>
  turns: Turns
  metadata: Pick<ClusterMetadata, 'broker' | 'leaderOf' | 'topic'>
  /** null: nothing can be moved. */
  mover: Mover | null
  /** Asks another broker to have the preferred leaders elected. One outcome per partition, in order; rejects if it cannot be asked. */
  ask(brokerId: number, partitions: readonly NamedPartition[], timeoutMs: number): Promise<(KafkaError | null)[]>
}

export interface ElectionLimits {
  timeoutMs: number
  /** Asked by another broker: what a third one leads is refused, so that brokers whose metadata differs do not ask each other forever. */
  isAsked?: boolean
}

export type ElectionType = 'preferred' | 'unclean'

interface Election extends NamedPartition, PartitionKey {
  readonly from: number
  readonly to: number
  /** In the answer. */
  readonly index: number
}

/** What a broker says whose metadata differs from that of this one, which it does only for a moment. */
const differing: ReadonlySet<string> = new Set<ErrorName>(['ELECTION_NOT_NEEDED', 'NOT_LEADER_OR_FOLLOWER', 'UNKNOWN_TOPIC_OR_PARTITION'])
const mostAttempts = 10
const lookAgainMs = 10
/** How long it may take until the metadata here shows what another broker has done, and until it knows there what is known here. */
const agreeWithinMs = { done: 1_000, differing: 100 }

export class Elections {
  readonly #options: ElectionOptions

  constructor(options: ElectionOptions) {
    this.#options = options
  }

  /** One outcome per partition, in order. */
  async elect(type: ElectionType, wanted: readonly NamedPartition[], limits: ElectionLimits): Promise<(KafkaError | null)[]> {
    const outcomes: (KafkaError | null)[] = wanted.map(() => null)
    const elections = new Map<string, Election[]>()
    const { turns } = this.#options
    for (const [index, named] of wanted.entries()) {
      if (turns.over) await turns.next()
      const decided = this.#decide(type, named, index)
      if (decided instanceof KafkaError) {
        outcomes[index] = decided
        continue
      }
      const group = `${decided.from} ${decided.to}`
      const known = elections.get(group)
      if (known === undefined) elections.set(group, [decided])
      else known.push(decided)
    }
    const deadlineMs = this.#options.system.clock.monotonic() + limits.timeoutMs
    const hold = async (group: readonly Election[]) => {
      const results = await this.#hold(group, deadlineMs, limits.isAsked === true)
      group.forEach(({ index }, place) => {
        outcomes[index] = results[place] ?? null
      })
    }
    await Promise.all([...elections.values()].map(hold))
    return outcomes
  }

  #decide(type: ElectionType, { topic, partition }: NamedPartition, index: number): Election | KafkaError {
    const known = this.#options.metadata.topic(topic)
    if (known === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `No such topic as ${topic}`)
    const found = known.partitions[partition]
    if (found === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `No such partition as ${topic}-${partition}`)
    const to = this.#electedFor(type, found)
    return to instanceof KafkaError ? to : { topic, topicId: known.id, partition, from: found.leader, to, index }
  }

  #electedFor(type: ElectionType, partition: TopicPartition): number | KafkaError {
    const { leader } = partition
    const hasLeader = this.#isLed(partition)
    // Nobody but a partition's leader has its data, or knows what of it is durable: that is never given up for another leader.
    if (type === 'unclean') return new KafkaError(hasLeader ? 'ELECTION_NOT_NEEDED' : 'ELIGIBLE_LEADERS_NOT_AVAILABLE')
    const candidates = candidatesOf(partition)
    const [preferred] = candidates
    if (preferred === undefined || leader === preferred)
      return new KafkaError(hasLeader ? 'ELECTION_NOT_NEEDED' : 'PREFERRED_LEADER_NOT_AVAILABLE')
    const elected = candidates.includes(leader) ? candidates.slice(0, 1) : candidates
    return elected.find(id => this.#isAlive(id)) ?? new KafkaError('PREFERRED_LEADER_NOT_AVAILABLE')
  }

  #isLed({ leader, log }: TopicPartition): boolean {
    const { brokerId, metadata } = this.#options
    // What is about to be opened is led.
    return leader === brokerId ? (log?.offline ?? null) === null : metadata.broker(leader)?.fenced === false
  }

  #isAlive(id: number): boolean {
    const broker = this.#options.metadata.broker(id)
    return broker?.fenced === false && !broker.leaving
  }

  /** All have the same leader, and get the same. */
  async #hold(elections: readonly Election[], deadlineMs: number, isAsked: boolean): Promise<(KafkaError | null)[]> {
    const outcomes: (KafkaError | null)[] = []
    for (const some of chunks(elections, mostAtOnce)) outcomes.push(...(await this.#holdSome(some, deadlineMs, isAsked)))
    return outcomes
  }

  async #holdSome(elections: readonly Election[], deadlineMs: number, isAsked: boolean): Promise<(KafkaError | null)[]> {
    const { clock } = this.#options.system
    for (let attempt = 1; ; attempt++) {
      const leftMs = deadlineMs - clock.monotonic()
      const outcomes = leftMs <= 0 ? elections.map(() => tooLate()) : await this.#within(leftMs, elections, isAsked)
      if (isAsked) return outcomes
      const agreed = await this.#agreed(elections, outcomes, deadlineMs)
      if (attempt === mostAttempts || !agreed.some(outcome => outcome !== null && differing.has(outcome.name))) return agreed
    }
  }

  /** What was begun goes on when its time is over. */
  #within(ms: number, elections: readonly Election[], isAsked: boolean): Promise<(KafkaError | null)[]> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.system.timers.after(ms, () => resolve(elections.map(() => tooLate())))
      this.#begin(elections, ms, isAsked)
        .finally(() => timer.cancel())
        .then(resolve, reject)
    })
  }

  async #begin(elections: readonly Election[], timeoutMs: number, isAsked: boolean): Promise<(KafkaError | null)[]> {
    const { ask, brokerId, mover } = this.#options
    const { from, to } = elections[0]!
    if (mover === null) return elections.map(() => new KafkaError('PREFERRED_LEADER_NOT_AVAILABLE'))
    if (from === brokerId) return await mover.move(elections, to)
    if (isAsked) return elections.map(() => new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${from} leads the partition.`))
    try {
      return await ask(from, elections, Math.ceil(timeoutMs))
    } catch (error) {
      const { name, message } = toKafkaError(error)
      // Clients know nothing of connections between brokers.
      const told = name === 'REQUEST_TIMED_OUT' ? name : 'PREFERRED_LEADER_NOT_AVAILABLE'
      return elections.map(() => new KafkaError(told, `Broker ${from}, which leads the partition, cannot be asked: ${message}`))
    }
  }

  /** An outcome counts once the metadata here shows it: a client that asks this broker next has to see what it was told. */
  async #agreed(
    elections: readonly Election[],
    outcomes: readonly (KafkaError | null)[],
    deadlineMs: number,
  ): Promise<(KafkaError | null)[]> {
    const { metadata, system } = this.#options
    const { clock, timers } = system
    const isLed = ({ topicId, partition, to }: Election) => metadata.leaderOf(topicId, partition) === to
    const mayCome = (election: Election, outcome: KafkaError | null | undefined) =>
      !isLed(election) && (outcome === null || (outcome !== undefined && differing.has(outcome.name)))
    const waitMs = outcomes.every(outcome => outcome === null) ? agreeWithinMs.done : agreeWithinMs.differing
    const endMs = Math.min(deadlineMs, clock.monotonic() + waitMs)
    while (elections.some((election, index) => mayCome(election, outcomes[index])) && clock.monotonic() < endMs) {
      await pause({ timers }, lookAgainMs)
    }
    return elections.map((election, index) => (isLed(election) ? null : (outcomes[index] ?? null)))
  }
}

function tooLate(): KafkaError {
  return new KafkaError('REQUEST_TIMED_OUT', 'The partition was not moved in time; the move may go on.')
}
