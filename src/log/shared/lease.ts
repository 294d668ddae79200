/**
 * Whether recency may be promised: nobody has fenced this session yet, because a frame was sent so recently that was committed.
 *
 * Others fence a session when they saw its stream not grow for lease + margin, and it grew after the frame was sent. So the lease counts from
 * there, on this machine's monotonic clock. That clock stands still while a machine is suspended, and the wall clock does not; so if the two
 * disagree on how much time has passed, nothing is proven until another frame has been sent and committed. What no clock can show is a machine
 * that was stopped with all its clocks, or whose wall clock was set back by just as much: for the rest of its lease it may serve reads that are
 * out of date. It commits nothing even then.
 */
import type { Clock } from '../../base.ts'
import type { SharedSettings } from './settings.ts'

export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

export class Lease {
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #toleratedJumpMs: number
  /** When the last committed frame was sent. */
  #sent: Moment | null = null

  constructor(clock: Clock, { leaseMs, marginMs }: SharedSettings) {
    this.#clock = clock
    this.#leaseMs = leaseMs
    // A suspension that is not noticed must be shorter than what others wait beyond the lease.
    this.#toleratedJumpMs = marginMs / 2
  }

  now(): Moment {
    return { monotonicMs: this.#clock.monotonic(), wallMs: this.#clock.now() }
  }

  /** A frame that was sent then is committed. */
  renew(sent: Moment): void {
    this.#sent = sent
  }

  /** For how long it lasts; 0 or less: it is over. */
  get marginMs(): number {
    if (this.#sent === null) return 0
    const passedMs = this.#clock.monotonic() - this.#sent.monotonicMs
    const jumpedMs = this.#clock.now() - this.#sent.wallMs - passedMs
    return Math.abs(jumpedMs) > this.#toleratedJumpMs ? 0 : this.#leaseMs - passedMs
  }
}
