/**
 * moves: which broker leads which partition, and how that changes.
 *
 * Hides who may move a partition (its leader only), how it gets to another broker (`Mover`, which differs by the home of the log), how other
 * brokers ask for it, the balance, and that a broker which stops gives its partitions away first. A broker without others has
 * no mover, and nothing here does anything.
 */
import type { System, Turns } from '../base.ts'
import type { BrokerRegistration, ClusterMetadata, TopicPartition } from '../coordinator.ts'
import { KafkaError } from '../protocol.ts'
import type { BrokerConfig } from './config.ts'
import type { Logger } from './logger.ts'
import { asBalanced, type BalancedPartition, planDrain } from './moves/balance.ts'
import { Balancer } from './moves/balancer.ts'
import { type ElectionLimits, Elections, type ElectionType, type NamedPartition } from './moves/elections.ts'
import { type Mover, mostAtOnce } from './moves/mover.ts'
import type { Peering } from './peers.ts'

/** Of a whole drain. */
const drainWithinMs = 15_000

export interface MovesOptions {
  brokerId: number
  system: System
  turns: Turns
  config: BrokerConfig
  logger: Logger
  metadata: ClusterMetadata
  peers: Peering | null
  mover: Mover | null
}

export class Moves {
  readonly #options: MovesOptions
  readonly #elections: Elections
  readonly #balancer: Balancer | null

  constructor(options: MovesOptions) {
    this.#options = options
    const { brokerId, config, logger, metadata, mover, peers, system, turns } = options
    const ask = async (broker: number, partitions: readonly NamedPartition[], timeoutMs: number) => {
      if (peers === null) throw new KafkaError('NETWORK_EXCEPTION', 'This broker knows no others.')
      return await peers.moves.elect(broker, partitions, timeoutMs)
    }
    this.#elections = new Elections({ brokerId, system, turns, metadata, mover, ask })
    this.#balancer =
      mover === null || peers === null
        ? null
        : new Balancer({
            brokerId,
            system,
            turns,
            metadata,
            elections: this.#elections,
            isEnabled: () => config.get('auto.leader.rebalance.enable'),
            sizes: async id => (id === brokerId ? ownSizes(metadata) : await peers.moves.sizes(id)),
            info: (details, message) => logger.info(details, message),
            report: (what, error) => logger.warn({ err: error }, what),
          })
  }

  /** Whether partitions can get another leader at all. */
  get arePossible(): boolean {
    return this.#options.mover !== null
  }

  /** ElectLeaders. One outcome per partition, in order. */
  elect(type: ElectionType, partitions: readonly NamedPartition[], limits: ElectionLimits): Promise<(KafkaError | null)[]> {
    return this.#elections.elect(type, partitions, limits)
  }

  /** From now on, if this broker is the first that serves, it balances the partitions. */
  start(): void {
    this.#balancer?.start()
  }

  /**
   * This broker is about to stop: it gives its partitions to others that serve. False if there are none, or if `signal` aborts or it takes too
   * long. Never rejects.
   */
  drain(signal: AbortSignal): Promise<boolean> {
    const { config, mover, system } = this.#options
    this.#balancer?.close()
    if (mover === null || !config.get('controlled.shutdown.enable') || signal.aborted || this.#others().length === 0)
      return Promise.resolve(false)
    const ending = new AbortController()
    return new Promise(resolve => {
      const give = (done: boolean) => {
        timer.cancel()
        ending.abort()
        resolve(done)
      }
      const timer = system.timers.after(drainWithinMs, () => give(false))
      signal.addEventListener('abort', () => give(false), { once: true })
      this.#drain(mover, ending.signal).then(
        () => give(true),
        error => {
          this.#options.logger.warn({ err: error }, 'partitions were not given to other brokers before this one stops')
          give(false)
        },
      )
    })
  }

  async #drain(mover: Mover, signal: AbortSignal): Promise<void> {
    const { logger, metadata } = this.#options
    await metadata.leaveBroker(this.#options.brokerId)
    const away = new Set<number>()
    let moved = 0
    for (;;) {
      const led = this.#led()
      const others = this.#others().filter(id => !away.has(id))
      if (led.length === 0 || others.length === 0 || signal.aborted) break
      moved += await this.#giveSome(mover, led.slice(0, mostAtOnce), others, away)
    }
    logger.info({ moved, left: this.#led().length }, 'partitions were given to other brokers before this one stops')
  }

  #others(): number[] {
    const mayLead = ({ id, fenced, leaving }: BrokerRegistration) => id !== this.#options.brokerId && !fenced && !leaving
    return this.#options.metadata
      .brokers()
      .filter(mayLead)
      .map(({ id }) => id)
  }

  close(): void {
    this.#balancer?.close()
  }

  /** How many were moved. Brokers that take none are added to `away`. */
  async #giveSome(mover: Mover, some: readonly BalancedPartition[], others: readonly number[], away: Set<number>): Promise<number> {
    const byTarget = new Map<number, BalancedPartition[]>()
    for (const { partition, to } of planDrain(some, others, this.#counts())) {
      const known = byTarget.get(to)
      if (known === undefined) byTarget.set(to, [partition])
      else known.push(partition)
    }
    const give = async ([to, partitions]: [number, BalancedPartition[]]) => {
      const outcomes = await mover.move(partitions, to)
      const done = outcomes.filter(outcome => outcome === null).length
      if (done === 0) {
        away.add(to)
        this.#options.logger.warn({ broker: to, reason: outcomes[0]?.message }, 'a broker took no partitions of this one')
      }
      return done
    }
    const moved = await Promise.all([...byTarget].map(give))
    return moved.reduce((sum, each) => sum + each, 0)
  }

  #led(): BalancedPartition[] {
    const mayGo = ({ leader, log }: TopicPartition) => leader === this.#options.brokerId && log !== null && log.offline === null
    return this.#options.metadata
      .topics()
      .flatMap(topic => topic.partitions.filter(mayGo).map(partition => asBalanced(topic, partition, 0)))
  }

  #counts(): ReadonlyMap<number, number> {
    const counts = new Map<number, number>()
    for (const { partitions } of this.#options.metadata.topics())
      for (const { leader } of partitions) counts.set(leader, (counts.get(leader) ?? 0) + 1)
    return counts
  }
}

function ownSizes(metadata: ClusterMetadata) {
  return metadata
    .topics()
    .flatMap(({ name, partitions }) =>
      partitions.flatMap(({ index, log }) => (log === null ? [] : [{ topic: name, partition: index, bytes: log.sizeBytes() }])),
    )
}
