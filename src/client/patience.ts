/**
 * Going on while brokers are away, restart or elect: pauses that grow, what is known of the cluster is asked for anew, and after a time it is given up. For
 * work that may be done twice.
 */
import { growingMs, pause, type System } from '../base.ts'
import { ClientError, mayPass } from '../channel.ts'
import type { Client } from './client.ts'

const pauseMs = { first: 50, last: 1_000 }

export interface PatienceOptions {
  /** From its beginning. */
  readonly patienceMs: number
  /** What is known of the cluster, because it may be wrong by now. */
  readonly forget?: (() => void) | undefined
  /** Ends it early: nobody waits any more. */
  readonly signal?: AbortSignal | undefined
}

/** Begins when it is made. */
export class Patience {
  readonly #system: System
  readonly #untilMs: number
  readonly #options: PatienceOptions
  #failures = 0

  constructor(system: System, options: PatienceOptions) {
    this.#system = system
    this.#untilMs = system.clock.monotonic() + options.patienceMs
    this.#options = options
  }

  get isOver(): boolean {
    return this.#options.signal?.aborted === true || this.#system.clock.monotonic() > this.#untilMs
  }

  /** So often it was waited. */
  get failures(): number {
    return this.#failures
  }

  /** Resolves when the next attempt is due. */
  next(): Promise<void> {
    this.#options.forget?.()
    return pause(this.#system, growingMs(pauseMs, this.#failures++), this.#options.signal)
  }
}

/** Runs `work` until it succeeds, fails for a reason that stays, or it is over. */
export async function patiently<T>(system: System, options: PatienceOptions, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(system, options)
  for (;;)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ClientError) || !mayPass(error) || patience.isOver) throw error
      await patience.next()
    }
}

/** As long as Java's workers try it. */
const reachedMs = 60_000

/** For what runs for long, and may begin before its brokers, or before their name is known. Resolves when one has answered. Throws ClientError. `told`: the first failure. */
export async function untilReached(client: Pick<Client, 'cluster'>, system: System, told: (error: ClientError) => void): Promise<void> {
  let isTold = false
  await patiently(system, { patienceMs: reachedMs }, () =>
    client.cluster().catch(error => {
      if (!isTold && error instanceof ClientError && mayPass(error)) told(error)
      isTold = true
      throw error
    }),
  )
}
