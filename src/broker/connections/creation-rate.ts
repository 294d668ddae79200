/**
 * `max.connection.creation.rate`: connections above the rate have to wait, as in Kafka, where the acceptor sleeps. Bursts of up to one
 * second's worth are allowed. Hides the queue of waiting connections, its bound and its order.
 */
import type net from 'node:net'
import type { System, Timer } from '../../base.ts'

/** Connections per second that may still come. Several listeners can share one. */
export class CreationRate {
  readonly #perSecond: () => number
  #tokens = Number.POSITIVE_INFINITY
  #lastMs: number

  constructor(perSecond: () => number, nowMs: number) {
    this.#perSecond = perSecond
    this.#lastMs = nowMs
  }

  /** Milliseconds until a connection may come; 0: now. */
  delayMs(nowMs: number): number {
    const perSecond = this.#perSecond()
    if (perSecond === Number.POSITIVE_INFINITY) return 0
    const most = perSecond === 0 ? 0 : Math.max(1, perSecond)
    this.#tokens = Math.min(most, this.#tokens + ((nowMs - this.#lastMs) / 1000) * perSecond)
    this.#lastMs = nowMs
    return this.#tokens >= 1 ? 0 : Math.min(longestPauseMs, Math.ceil(((1 - this.#tokens) / perSecond) * 1000))
  }

  take(): void {
    this.#tokens--
  }
}

/** After this time the limit is checked again, because it may have been raised. */
const longestPauseMs = 1_000

export interface WaitingLineOptions {
  system: Pick<System, 'clock' | 'timers'>
  rates: readonly CreationRate[]
  /** How many may wait, beyond those that the operating system keeps. */
  most(): number
  enter(socket: net.Socket): void
}

export class WaitingLine {
  readonly #options: WaitingLineOptions
  readonly #sockets = new Set<net.Socket>()
  #timer: Timer | null = null

  constructor(options: WaitingLineOptions) {
    this.#options = options
  }

  /** Lets the socket, which is not being read, enter now or later; false when too many wait already. */
  arrive(socket: net.Socket): boolean {
    if (this.#sockets.size >= this.#options.most()) return false
    if (this.#sockets.size === 0 && this.#delayMs() === 0) {
      this.#enter(socket)
      return true
    }
    this.#sockets.add(socket)
    socket.on('error', noMatter)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#timer ??= this.#wait()
    return true
  }

  close(): void {
    this.#timer?.cancel()
    for (const socket of this.#sockets) socket.destroy()
  }

  #delayMs(): number {
    const now = this.#options.system.clock.monotonic()
    return Math.max(0, ...this.#options.rates.map(rate => rate.delayMs(now)))
  }

  #enter(socket: net.Socket): void {
    for (const rate of this.#options.rates) rate.take()
    this.#options.enter(socket)
  }

  #wait(): Timer {
    return this.#options.system.timers.after(this.#delayMs(), () => {
      this.#timer = null
      for (const socket of this.#sockets) {
        if (this.#delayMs() > 0) break
        this.#sockets.delete(socket)
        socket.off('error', noMatter)
        this.#enter(socket)
      }
      if (this.#sockets.size > 0) this.#timer = this.#wait()
    })
  }
}

/** `close` follows. */
function noMatter(): void {}
