/**
 * One process in a world: its events can be delayed (SIGSTOP), and never happen once it is dead (kill -9).
 *
 * A pause delays events that become due meanwhile; afterwards they all happen at once, in the order in which they were due. Running code is
 * never interrupted: JavaScript has no preemption, and others (disk, network) see only its effects between two events.
 */
import type { Timer, Timers } from '../../src/base.ts'

export class Process implements Timers {
  /** Called before each event of the process; may kill it. */
  onEvent: (() => void) | null = null
  #dead = false
  #frozen: (() => void)[] | null = null
  readonly #timers: Timers

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get dead(): boolean {
    return this.#dead
  }

  get paused(): boolean {
    return this.#frozen !== null
  }

  kill(): void {
    this.#dead = true
    this.#frozen = null
  }

  pause(ms: number): void {
    if (this.#dead || this.#frozen !== null) return
    this.#frozen = []
    this.#timers.after(ms, () => {
      const due = this.#frozen ?? []
      this.#frozen = null
      // Each in its own turn, as an event loop would take them.
      for (const event of due) this.#timers.soon(() => this.run(event))
    })
  }

  /** An event from outside: happens now, after the pause, or never. */
  run(event: () => void): void {
    if (this.#dead) return
    if (this.#frozen !== null) {
      this.#frozen.push(event)
      return
    }
    this.onEvent?.()
    if (!this.#dead) event()
  }

  after(delayMs: number, callback: () => void): Timer {
    let cancelled = false
    const once = () => {
      if (!cancelled) callback()
    }
    const timer = this.#timers.after(delayMs, () => this.run(once))
    return {
      cancel() {
        cancelled = true
        timer.cancel()
      },
    }
  }

  soon(callback: () => void): void {
    this.#timers.soon(() => this.run(callback))
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.after(ms, resolve))
  }
}
