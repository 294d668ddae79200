/**
 * What one broker does for all: the first of the living ones by id.
 *
 * Who that is, each broker says by its own image, so for a moment it may be two, or none: every duty is harmless if two do it at once. Leaders for
 * partitions whose leader is gone are too urgent to wait for one broker only: the next one acts a second later.
 */
import type { System, Timer } from '../../base.ts'
import type { BrokerRegistration, ClusterMetadata } from '../../coordinator.ts'

export interface DutyOptions {
  system: System
  metadata: ClusterMetadata
  brokerId: number
  /** Whether this broker has a session. */
  hasSession(): boolean
  /** Brokers came, went, or changed. */
  brokersChanged(): void
  report(what: string, error: unknown): void
}

interface Task {
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<void>
  dueMs: number
  isRunning: boolean
}

const tickMs = 250
/** For each living broker with a lower id. */
const waitMs = 1_000

export class Duty {
  readonly #options: DutyOptions
  readonly #tasks: Task[] = []
  /** As the metadata had them last: a new array when one of them changed. */
  #brokers: readonly BrokerRegistration[] = []
  /** Leaders may be missing; since when this broker knows. */
  #electFromMs: number | null = null
  #electing = false
  #timer: Timer | null = null
  #closed = false

  constructor(options: DutyOptions) {
    this.#options = options
  }

  start(): void {
    this.#tick()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  get isFirst(): boolean {
    return this.#options.hasSession() && this.#rank() === 0
  }

  /** See {@link Member.onDuty}. */
  add(name: string, everyMs: number, run: () => Promise<void>): void {
    this.#tasks.push({ name, everyMs, run, dueMs: this.#options.system.clock.monotonic(), isRunning: false })
  }

  /** How many living brokers have a lower id; null: this one is not alive in the metadata. */
  #rank(): number | null {
    const alive = this.#options.metadata.brokers().filter(({ fenced }) => !fenced)
    const rank = alive.findIndex(({ id }) => id === this.#options.brokerId)
    return rank === -1 ? null : rank
  }

  #tick(): void {
    const { system, metadata, hasSession, brokersChanged } = this.#options
    const nowMs = system.clock.monotonic()
    const brokers = metadata.brokers()
    if (brokers !== this.#brokers) {
      this.#brokers = brokers
      this.#electFromMs = nowMs
      brokersChanged()
    }
    const rank = hasSession() ? this.#rank() : null
    if (rank !== null && this.#electFromMs !== null && nowMs - this.#electFromMs >= rank * waitMs) void this.#elect()
    if (rank === 0) for (const task of this.#tasks) if (!task.isRunning && nowMs >= task.dueMs) void this.#run(task)
    this.#timer = system.timers.after(tickMs, () => this.#tick())
  }

  /** Never rejects. */
  async #elect(): Promise<void> {
    if (this.#electing) return
    this.#electing = true
    const since = this.#electFromMs
    try {
      await this.#options.metadata.electLeaders()
      if (this.#electFromMs === since) this.#electFromMs = null
    } catch (error) {
      this.#noteFailure('cannot elect leaders for partitions without one; trying again', error)
    } finally {
      this.#electing = false
    }
  }

  /** Never rejects. */
  async #run(task: Task): Promise<void> {
    task.isRunning = true
    try {
      await task.run()
    } catch (error) {
      this.#noteFailure(`${task.name} failed; trying again`, error)
    } finally {
      task.isRunning = false
      task.dueMs = this.#options.system.clock.monotonic() + task.everyMs
    }
  }

  #noteFailure(what: string, error: unknown): void {
    if (!this.#closed) this.#options.report(what, error)
  }
}
