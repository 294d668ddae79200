/** When something that has failed is started again: later and later, until it has run for a while. */
import { growingMs, type System, type Timer } from '../base.ts'
import type { Failure } from './stores/status-store.ts'

export interface HealingSettings {
  readonly firstMs: number
  readonly longestMs: number
  /** In a row; -1: without limit. */
  readonly mostAttempts: number
}

/** Kept and shown. */
const mostFailures = 10
/** Whoever ran for longer begins with the shortest pause. */
const steadyMs = 60_000
/** The longest pause while brokers are away. */
const brokersMs = 10_000

export class Healing {
  readonly #settings: HealingSettings
  readonly #system: Pick<System, 'clock' | 'timers' | 'random'>
  #attempts = 0
  #failuresOfBrokers = 0
  #beganMs = 0
  #timer: Timer | null = null
  #history: readonly Failure[]

  constructor(settings: HealingSettings, system: Pick<System, 'clock' | 'timers' | 'random'>, history: readonly Failure[]) {
    this.#settings = settings
    this.#system = system
    this.#history = history
  }

  /** The newest failures, oldest first. */
  get history(): readonly Failure[] {
    return this.#history
  }

  began(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#beganMs = this.#system.clock.monotonic()
  }

  /** Calls `again` after a pause, or never. Returns the pause; null: never. `ofBrokers`: brokers are away, which counts as no attempt, and is soon tried again. */
  failed(trace: string, again: () => void, ofBrokers = false): number | null {
    const { clock, timers, random } = this.#system
    const { firstMs, longestMs, mostAttempts } = this.#settings
    if (clock.monotonic() - this.#beganMs >= steadyMs) this.#attempts = this.#failuresOfBrokers = 0
    const givesUp = !ofBrokers && mostAttempts >= 0 && this.#attempts >= mostAttempts
    const mostMs = ofBrokers ? Math.min(longestMs, brokersMs) : longestMs
    const pauseMs = growingMs({ first: firstMs, last: mostMs }, ofBrokers ? this.#failuresOfBrokers++ : this.#attempts)
    // So that all tasks that one target has failed do not come back in the same moment.
    const retryMs = givesUp ? null : Math.round(pauseMs * (0.8 + random.below(400) / 1_000))
    this.#history = [...this.#history, { atMs: clock.now(), reason: firstLine(trace), retryMs }].slice(-mostFailures)
    if (retryMs === null) return null
    if (!ofBrokers) {
      this.#attempts++
      this.#failuresOfBrokers = 0
    }
    this.#timer = timers.after(retryMs, again)
    return retryMs
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}

const mostReasonCharacters = 300

/** The errors that caused it say more than the one that was thrown. */
function firstLine(trace: string): string {
  const lines = trace.split('\n')
  const cause = lines.findLast(line => line.startsWith('Caused by: '))
  return (cause === undefined ? lines[0]! : `${lines[0]}; ${cause.slice('Caused by: '.length)}`).slice(0, mostReasonCharacters)
}
