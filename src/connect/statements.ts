/**
 * What a worker says of the status of its parts. Each statement is stored after the one before it of the same part, and again until it is, because brokers may
 * be away; one that something newer has overtaken is not.
 */
import { pause, type System, settledWithin } from '../base.ts'

const againMs = 1_000

export class Statements {
  readonly #system: Pick<System, 'timers'>
  readonly #warn: (fields: object, message: string) => void
  /** By part, the newest one. */
  readonly #newest = new Map<string, () => Promise<void>>()
  readonly #storing = new Map<string, Promise<void>>()
  #isClosed = false

  constructor(system: Pick<System, 'timers'>, warn: (fields: object, message: string) => void) {
    this.#system = system
    this.#warn = warn
  }

  say(part: string, store: () => Promise<void>): void {
    this.#newest.set(part, store)
    const stored = (this.#storing.get(part) ?? Promise.resolve()).then(() => this.#store(part, store))
    this.#storing.set(part, stored)
    void stored.then(() => {
      if (this.#storing.get(part) === stored) this.#storing.delete(part)
    })
  }

  /** Says what was said last once more; nothing if this worker has not said anything of it, or has forgotten it. */
  again(part: string): void {
    const store = this.#newest.get(part)
    if (store !== undefined) this.say(part, store)
  }

  /** It is not this worker's any more. */
  forget(part: string): void {
    this.#newest.delete(part)
  }

  /** Resolves when all is stored, or after this time. */
  async close(mostMs: number): Promise<void> {
    this.#isClosed = true
    await settledWithin(this.#system.timers, mostMs, [...this.#storing.values()])
  }

  async #store(part: string, store: () => Promise<void>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await store()
      } catch (error) {
        if (attempt === 0) this.#warn({ part, err: error }, 'a status could not be stored; it is tried again')
        if (this.#isClosed || this.#newest.get(part) !== store) return
      }
      await pause(this.#system, againMs)
    }
  }
}
