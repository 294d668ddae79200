/**
 * moves: which broker leads which partition, and how that changes.
 *
 * Hides who may move a partition (its leader only), how it gets to another broker (`Mover`, which differs by the home of the log), how other
 * brokers ask for it, the balance, and that a broker which stops gives its partitions away first. A broker without others has
 * no mover, and nothing here does anything.
 */
import { chunks, inSlices, type System, type Turns } from '../base.ts'
import type { BrokerRegistration, ClusterMetadata, TopicPartition } from '../coordinator.ts'
import type { Logger } from '../logger.ts'
import { KafkaError } from '../protocol.ts'
import type { BrokerConfig } from './config.ts'
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
            imbalanceCheckMs: () => Number(config.get('leader.imbalance.check.interval.seconds')) * 1_000,
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
    // What could not be moved is tried again elsewhere, and more may have come meanwhile.
    for (;;) {
      const led = await this.#led()
      const others = this.#others().filter(id => !away.has(id))
      if (led.length === 0 || others.length === 0 || signal.aborted) break
      const byTarget = Map.groupBy(planDrain(led, others, await this.#counts()), ({ to }) => to)
      const give = ([to, planned]: [number, { partition: BalancedPartition }[]]) =>
        this.#give(
          mover,
          to,
          planned.map(({ partition }) => partition),
          away,
          signal,
        )
      const given = await Promise.all(Array.from(byTarget, give))
      moved += given.reduce((sum, each) => sum + each, 0)
    }
    logger.info({ moved, left: (await this.#led()).length }, 'partitions were given to other brokers before this one stops')
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

  /** A few at a time. How many were moved; a broker that takes none is added to `away`. */
  async #give(mover: Mover, to: number, partitions: readonly BalancedPartition[], away: Set<number>, signal: AbortSignal): Promise<number> {
    let moved = 0
    for (const some of chunks(partitions, mostAtOnce)) {
      if (signal.aborted) break
      const outcomes = await mover.move(some, to)
      const done = outcomes.filter(outcome => outcome === null).length
      moved += done
      if (done > 0) continue
      away.add(to)
      this.#options.logger.warn({ broker: to, reason: outcomes[0]?.message }, 'a broker took no partitions of this one')
      break
    }
    return moved
  }

  async #led(): Promise<BalancedPartition[]> {
    const { brokerId, metadata, turns } = this.#options
    const mayGo = ({ leader, log }: TopicPartition) => leader === brokerId && log !== null && log.offline === null
    const led = await inSlices(turns, metadata.topics(), topic =>
      topic.partitions.filter(mayGo).map(partition => asBalanced(topic, partition, 0)),
    )
    return led.flat()
  }

  async #counts(): Promise<ReadonlyMap<number, number>> {
    const counts = new Map<number, number>()
    const { metadata, turns } = this.#options
    await inSlices(turns, metadata.topics(), ({ partitions }) => {
      for (const { leader } of partitions) counts.set(leader, (counts.get(leader) ?? 0) + 1)
    })
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
