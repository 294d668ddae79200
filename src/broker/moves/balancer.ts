/**
 * Keeps the partitions balanced over the brokers (`balance.ts` says how), and ends reassignments whose new leader was not there when they were
 * asked for. Every broker has one, but only that of the first broker that serves acts, so that no two move the same.
 *
 * Damped: load counts only when it has been uneven for half a minute, and not again within a minute; when moves have failed, none are tried
 * for some seconds.
 */
import { inSlices, runInSlices, type System, type Timer, type Turns } from '../../base.ts'
import type { ClusterMetadata } from '../../coordinator.ts'
import { KafkaError, toKafkaError } from '../../protocol.ts'
import type { SizedPartition } from '../peers/remote-moves.ts'
import { asBalanced, type BalancedPartition, type PlannedMove, planByLoad, planMoves } from './balance.ts'
import type { Elections } from './elections.ts'
import { Loads } from './loads.ts'

export interface BalancerOptions {
  brokerId: number
  system: Pick<System, 'clock' | 'timers'>
  turns: Turns
  metadata: Pick<ClusterMetadata, 'brokers' | 'changePartitions' | 'finalizedFeatures' | 'topics'>
  elections: Pick<Elections, 'elect'>
  /** `auto.leader.rebalance.enable`. */
  isEnabled(): boolean
  /** `leader.imbalance.check.interval.seconds`. */
  imbalanceCheckMs(): number
  /** Of the partitions of one broker. */
  sizes(brokerId: number): Promise<readonly SizedPartition[]>
  info(details: object, message: string): void
  report(what: string, error: unknown): void
}

const lookMs = 1_000
const afterFailureMs = 5_000
const moveWithinMs = 30_000
/**
 * Their replicas change together, and then each leader gives its own away, a few at a time, while others give theirs: a broker that comes gets its share
 * from all at once. What happens meanwhile is seen after that.
 */
const mostPlanned = 512
const sampleMs = 10_000
/** So many samples in a row must call for the same before load is a reason. */
const samplesInARow = 3
const restAfterLoadMs = 60_000

export class Balancer {
  readonly #options: BalancerOptions
  readonly #loads = new Loads()
  #timer: Timer | null = null
  #closed = false
  /** Registrations of brokers that have had their share. null: this broker has not looked yet. */
  #settled: Map<number, number> | null = null
  /** The end of the metadata at the last look, and up to which end there is nothing to do. What is durable is visible at the look after. */
  #lookedAt = -1
  #quietUntil = -1
  /** When all preferred leaders were restored; null: this broker has not looked yet. */
  #restoredAtMs: number | null = null
  #sampledAtMs = Number.NEGATIVE_INFINITY
  #unevenSamples = 0
  #restsUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: BalancerOptions) {
    this.#options = options
  }

  start(): void {
    this.#again(lookMs)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #again(ms: number): void {
    if (this.#closed) return
    this.#timer = this.#options.system.timers.after(ms, () => {
      this.#look().then(
        pauseMs => this.#again(pauseMs),
        error => {
          if (!this.#closed) this.#options.report('balancing the partitions failed', error)
          this.#again(afterFailureMs)
        },
      )
    })
  }

  /** Resolves to when to look again. */
  async #look(): Promise<number> {
    const { brokerId, isEnabled, metadata, turns } = this.#options
    const serving = metadata.brokers().filter(({ fenced, leaving }) => !fenced && !leaving)
    if (serving.length < 2 || serving[0]!.id !== brokerId) {
      this.#settled = null
      this.#restoredAtMs = null
      this.#quietUntil = -1
      return lookMs
    }
    const brokers = serving.map(({ id }) => id)
    if (isEnabled()) await this.#sample(brokers)
    const { epoch } = metadata.finalizedFeatures()
    const byLoad = this.#unevenSamples >= samplesInARow
    const isDue = isEnabled() && this.#isRestoreDue()
    if (epoch === this.#quietUntil && !byLoad && !isDue) return lookMs
    const isSeen = epoch === this.#lookedAt
    this.#lookedAt = epoch
    const partitions = await this.#partitions()
    const settled = this.#settledAmong(serving, partitions)
    const owed = isEnabled() ? serving.filter(({ id, epoch: registered }) => settled.get(id) !== registered) : []
    const come = new Set(owed.map(({ id }) => id))
    const situation = { brokers, owed: come, partitions, restored: isDue ? new Set(brokers) : come, byLoad }
    const moves = await runInSlices(turns, planMoves(situation, mostPlanned))
    if (byLoad) this.#rest()
    if (moves.length === 0) {
      for (const { id, epoch: registered } of serving) settled.set(id, registered)
      if (isDue) this.#restoredAtMs = this.#options.system.clock.monotonic()
      if (isSeen) this.#quietUntil = epoch
      return lookMs
    }
    return (await this.#make(moves)) ? 0 : afterFailureMs
  }

  #isRestoreDue(): boolean {
    const nowMs = this.#options.system.clock.monotonic()
    this.#restoredAtMs ??= nowMs
    return nowMs - this.#restoredAtMs >= this.#options.imbalanceCheckMs()
  }

  #rest(): void {
    this.#unevenSamples = 0
    this.#restsUntilMs = this.#options.system.clock.monotonic() + restAfterLoadMs
  }

  async #partitions(): Promise<BalancedPartition[]> {
    const { metadata, turns } = this.#options
    const all = await inSlices(turns, metadata.topics(), topic =>
      topic.partitions.map(partition => asBalanced(topic, partition, this.#loads.of(topic.name, partition.index))),
    )
    return all.flat()
  }

  /** When it begins, it cannot know who has just come: a broker that has half of its share has been here. */
  #settledAmong(serving: readonly { id: number; epoch: number }[], partitions: readonly BalancedPartition[]): Map<number, number> {
    if (this.#settled === null) {
      const share = Math.floor(partitions.length / serving.length)
      const led = new Map<number, number>()
      for (const { leader } of partitions) led.set(leader, (led.get(leader) ?? 0) + 1)
      const here = serving.filter(({ id }) => (led.get(id) ?? 0) * 2 >= share)
      this.#settled = new Map(here.map(({ id, epoch }) => [id, epoch]))
    }
    return this.#settled
  }

  /** Whether some of it was done. */
  async #make(moves: readonly PlannedMove[]): Promise<boolean> {
    const { elections, info, metadata, report } = this.#options
    const changes = moves.flatMap(({ partition: { topicId, partition }, replicas }) =>
      replicas === null ? [] : [{ topicId, partition, replicas }],
    )
    let failure: KafkaError | null = null
    if (changes.length > 0) failure = (await metadata.changePartitions(changes)).find(outcome => outcome !== null) ?? null
    const named = moves.map(({ partition: { topic, partition } }) => ({ topic, partition }))
    const outcomes = await elections.elect('preferred', named, { timeoutMs: moveWithinMs })
    const failed = outcomes.filter(outcome => outcome !== null)
    const done = moves.length - failed.length
    if (done > 0) info({ partitions: done, to: [...new Set(moves.map(({ to }) => to))] }, 'partitions were moved to balance the brokers')
    failure ??= failed[0] ?? null
    if (failure !== null) report(`${failed.length} of ${moves.length} moves of partitions failed; trying again`, failure)
    return done > 0
  }

  async #sample(brokers: readonly number[]): Promise<void> {
    const { report, sizes, system, turns } = this.#options
    const nowMs = system.clock.monotonic()
    if (nowMs < this.#sampledAtMs + sampleMs) return
    this.#sampledAtMs = nowMs
    const answers = await Promise.all(
      brokers.map(id =>
        sizes(id).catch((error: unknown) => {
          // One that is away has no load; one that may not be asked has none that counts.
          if (!(error instanceof KafkaError)) report('cannot learn the sizes of partitions', toKafkaError(error))
          return []
        }),
      ),
    )
    await runInSlices(turns, this.#loads.take(answers.flat(), nowMs))
    if (nowMs < this.#restsUntilMs) return
    const plan = await runInSlices(turns, planByLoad(brokers, await this.#partitions()))
    this.#unevenSamples = plan.length > 0 ? this.#unevenSamples + 1 : 0
  }
}
