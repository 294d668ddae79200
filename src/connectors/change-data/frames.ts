/** What a server has sent and nobody has taken yet, in its order. It is bounded: while there is too much, the connection is not read, and the server waits. */
import type { System } from '../../base.ts'

/** What the frames come from. */
export interface Flow {
  pause(): void
  resume(): void
}

export class FrameQueue<F> {
  readonly #system: System
  readonly #mostBytes: number
  readonly #flow: Flow
  #entries: { readonly frame: F; readonly bytes: number }[] = []
  #next = 0
  #bytes = 0
  #takenBytes = 0
  #takenMs: number
  #isPaused = false
  #failure: Error | null = null
  #wake: (() => void) | null = null

  constructor(system: System, mostBytes: number, flow: Flow) {
    this.#system = system
    this.#mostBytes = mostBytes
    this.#flow = flow
    this.#takenMs = system.clock.monotonic()
  }

  /** `replaces`: whether the one before it, if nobody has taken it yet, is not needed any more. */
  push(frame: F, bytes: number, replaces: (last: F) => boolean = () => false): void {
    if (this.#failure !== null) return
    const last = this.#next < this.#entries.length ? this.#entries.at(-1)! : null
    if (last !== null && replaces(last.frame)) {
      this.#entries.pop()
      this.#bytes -= last.bytes
    }
    this.#entries.push({ frame, bytes })
    this.#bytes += bytes
    if (this.#bytes > this.#mostBytes && !this.#isPaused) {
      this.#isPaused = true
      this.#flow.pause()
    }
    this.#wakeUp()
  }

  /** Nothing follows. `failure`: what is thrown when all before it was taken; the first one counts. */
  end(failure: Error): void {
    this.#failure ??= failure
    // A socket that is not read does not see that it was closed.
    this.#resume()
    this.#wakeUp()
  }

  get isEnded(): boolean {
    return this.#failure !== null
  }

  /** The next one that has arrived; null: none yet. Throws when the stream has ended and all before that was taken. */
  take(): F | null {
    this.#takenMs = this.#system.clock.monotonic()
    const entry = this.#entries[this.#next]
    if (entry === undefined) {
      this.#entries = []
      this.#next = 0
      if (this.#failure !== null) throw this.#failure
      return null
    }
    this.#next++
    // Shifting each would move all the others.
    if (this.#next === 1_024) {
      this.#entries = this.#entries.slice(this.#next)
      this.#next = 0
    }
    this.#bytes -= entry.bytes
    this.#takenBytes += entry.bytes
    if (this.#bytes <= this.#mostBytes / 2) this.#resume()
    return entry.frame
  }

  /** Of all that was taken so far. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  /** For how long nobody has asked for anything. */
  get idleMs(): number {
    return this.#system.clock.monotonic() - this.#takenMs
  }

  /** Resolves when there is something to take, or after this time. */
  arrival(ms: number): Promise<void> {
    if (this.#next < this.#entries.length || this.#failure !== null) return Promise.resolve()
    return new Promise(resolve => {
      const timer = this.#system.timers.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#flow.resume()
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
