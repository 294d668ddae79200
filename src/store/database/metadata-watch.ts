/**
 * Learns that the metadata log has grown: from a notification, and because those can be lost, by asking each second. Without a listener it
 * does nothing. Where the server has no room for this connection, the one for everything else is asked: then changes take a second to get around.
 */
import type { System, Timer } from '../../base.ts'
import { type Backend, DatabaseUnavailable } from './backend.ts'

export interface MetadataWatchOptions {
  system: System
  connect: () => Promise<Backend>
  /** Tried once, over another connection. */
  askElsewhere(): Promise<number>
  report(what: string, error: unknown): void
}

const pollMs = 1_000
/** An answer that takes longer is not waited for: the connection is replaced. */
const answerTimeoutMs = 3_000

export class MetadataWatch {
  readonly #options: MetadataWatchOptions
  readonly #callbacks = new Set<(end: number) => void>()
  #backend: Backend | null = null
  #timer: Timer | null = null
  #running = false
  #end = 0
  #closed = false

  constructor(options: MetadataWatchOptions) {
    this.#options = options
  }

  onGrown(callback: (end: number) => void): { cancel(): void } {
    this.#callbacks.add(callback)
    if (!this.#running && !this.#closed) {
      this.#running = true
      void this.#poll()
    }
    return { cancel: () => void this.#callbacks.delete(callback) }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#backend?.close()
    this.#backend = null
    this.#callbacks.clear()
  }

  /** Asks, and asks again later. Never rejects. */
  async #poll(): Promise<void> {
    try {
      const backend = this.#backend ?? (await this.#open())
      if (backend !== null) this.#grown(await this.#inTime(backend.queries.metadataEnd()))
    } catch (error) {
      if (!this.#closed) this.#options.report('no connection that tells changes of the cluster; they are seen later', error)
      this.#backend?.close()
      this.#backend = null
      // What it fails with is no news.
      if (!this.#closed)
        await this.#inTime(this.#options.askElsewhere()).then(
          end => this.#grown(end),
          () => {},
        )
    }
    if (this.#closed) return
    this.#timer = this.#options.system.timers.after(pollMs, () => void this.#poll())
  }

  async #open(): Promise<Backend | null> {
    const backend = await this.#options.connect()
    if (this.#closed) {
      backend.close()
      return null
    }
    this.#backend = backend
    backend.onLost(() => {
      if (this.#backend === backend) this.#backend = null
    })
    await backend.listen(end => this.#grown(end))
    return backend
  }

  #inTime(asking: Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.system.timers.after(answerTimeoutMs, () =>
        reject(new DatabaseUnavailable(`no answer in ${answerTimeoutMs} ms`)),
      )
      asking.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #grown(end: number): void {
    if (end <= this.#end || this.#closed) return
    this.#end = end
    for (const callback of [...this.#callbacks]) callback(end)
  }
}
