/**
 * Going on while brokers are away, restart or elect: pauses that grow, what is known of the cluster is asked for anew, and after a time it is given up. For
 * work that may be done twice.
 */
import { growingMs, pause, type System } from '../base.ts'
import { ClientError, mayPass } from '../channel.ts'

const pauseMs = { first: 50, last: 1_000 }

/** Begins when it is made. */
export class Patience {
  readonly #system: System
  readonly #untilMs: number
  readonly #forget: (() => void) | undefined
  #failures = 0

  /** `forget`: what is known of the cluster, because it may be wrong by now. */
  constructor(system: System, patienceMs: number, forget?: () => void) {
    this.#system = system
    this.#untilMs = system.clock.monotonic() + patienceMs
    this.#forget = forget
  }

  get isOver(): boolean {
    return this.#system.clock.monotonic() > this.#untilMs
  }

  /** So often it was waited. */
  get failures(): number {
    return this.#failures
  }

  /** Resolves when the next attempt is due. */
  next(): Promise<void> {
    this.#forget?.()
    return pause(this.#system, growingMs(pauseMs, this.#failures++))
  }
}

/** Runs `work` until it succeeds, fails for a reason that stays, or this time is over. */
export async function patiently<T>(system: System, patienceMs: number, work: () => Promise<T>, forget?: () => void): Promise<T> {
  const patience = new Patience(system, patienceMs, forget)
  for (;;)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ClientError) || !mayPass(error) || patience.isOver) throw error
      await patience.next()
    }
}
